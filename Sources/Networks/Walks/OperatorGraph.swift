// A network, or a part of one, as elementary operators with every batch norm folded into the convolution before it.
// Other runtimes get networks in this form (Interchange/ONNX). The walk over the layers is in
// OperatorGraph+Layers.swift.
import Tensors

/// A directed graph of elementary operators, in an order of execution. Value 0 is the input; value i + 1 is the output
/// of node i; the last value is the graph's output.
public struct OperatorGraph: Sendable {
    /// One operator and the values that it reads.
    public struct Node: Sendable {
        /// A name that no other node has, such as `blocks.3.conv.depth_conv`.
        public let name: String
        /// The operator.
        public let operation: Operation
        /// The indices of the values that the operator reads.
        public let inputs: [Int]
    }

    /// An operator. Maps are (images, channels, height, width), features are (images, channels).
    public enum Operation: Sendable {
        /// A convolution with bias.
        case convolution(Convolution)
        /// A linear layer on features.
        case dense(Dense)
        /// An activation of each value.
        case activation(Activation)
        /// relu6(x + 3) / 6 of each value.
        case hardSigmoid
        /// Max pooling over square windows. Pixels outside of the map are ignored.
        case maxPooling(size: Int, stride: Int, padding: Int)
        /// The mean over adjacent square windows. The last windows extend `overhang` pixels beyond the map, and average
        /// the pixels inside.
        case meanPooling(size: Int, overhang: Int)
        /// The mean of each channel: a map of 1×1.
        case mean
        /// A map of 1×1 as features.
        case flatten
        /// The sum of two maps.
        case sum
        /// The product of a map and a map of 1×1, by channel.
        case product
    }

    /// A convolution with bias.
    public struct Convolution: Sendable {
        /// The filters (out, in / groups, kernel, kernel), and one bias per output.
        public let weight, bias: [Float]
        /// Channels of input and output; the number of groups.
        public let inWidth, outWidth, groups: Int
        /// Height and width of a filter; the stride; the zeros around the map at each side.
        public let kernel, stride, padding: Int
    }

    /// A linear layer.
    public struct Dense: Sendable {
        /// The matrix (out, in).
        public let weight: [Float]
        /// One bias per output; nil if the layer has none.
        public let bias: [Float]?
        /// Inputs and outputs.
        public let inWidth, outWidth: Int
    }

    /// The extents of one image of the input: channels, height and width of a map, or the number of features.
    public internal(set) var inputShape: [Int] = []
    /// The extents of one image of the output.
    public internal(set) var outputShape: [Int] = []
    /// The nodes in an order of execution.
    public internal(set) var nodes: [Node] = []

    /// Makes a graph without nodes, whose output is its input of extents `shape`.
    public init(identity shape: [Int] = []) { (inputShape, outputShape) = (shape, shape) }

    /// Makes the graph of an extracted network, from the image to the logits. Its batch norms use the running
    /// statistics of `weights`.
    ///
    /// Errors: `invalidWeights` if `weights` are those of a supernet or of another network.
    public init(_ shape: NetworkShape, _ weights: Weights) throws {
        guard !weights.layout.naming.isSupernet else {
            throw NetworkError(
                .invalidWeights,
                "the operators of a network are made from its own weights, and these are a supernet's",
                remedy: "extract the network first")
        }
        try self.init(
            Array(shape.renumbered.layers),
            FoldedWeights(source: .stored(weights), epsilon: shape.normEpsilon))
    }

    /// Makes the graph of `layers`, a part of a network, with weights drawn from `seed`. The drawn weights keep the
    /// scale of activations, so that timings are not disturbed by denormal or infinite numbers.
    ///
    /// Errors: `invalidWeights` if there are no layers.
    public init(part layers: [Layer], seed: UInt64) throws {
        try self.init(layers, FoldedWeights(source: .drawn(seed), epsilon: 0))
    }

    private init(_ layers: [Layer], _ weights: FoldedWeights) throws {
        var walk = OperatorWalk(weights)
        for layer in layers { try walk.add(layer) }
        guard let last = layers.last else {
            throw NetworkError(.invalidWeights, "a part of a network has at least one layer")
        }
        self = walk.graph
        let outline = last.outline
        outputShape =
            outline.isPooled ? [outline.width] : [outline.width, outline.size, outline.size]
    }
}

/// The weights of a graph's operators, with batch norms folded in.
struct FoldedWeights {
    /// Where the values come from.
    enum Source {
        /// The weights of an extracted network.
        case stored(Weights)
        /// Draws from a seed.
        case drawn(UInt64)
    }

    /// Where the values come from.
    let source: Source
    /// The number that batch norms add to the variance.
    let epsilon: Double
    /// The number of arrays drawn so far.
    private var draws = 0

    init(source: Source, epsilon: Double) {
        self.source = source
        self.epsilon = epsilon
    }

    /// Returns the filters of the convolution called `names`, with extents `shape`, and one bias per output. The batch
    /// norm is folded into both, in 64-bit floats; the results are rounded.
    mutating func unit(_ names: UnitNames, _ shape: [Int]) throws -> (
        weight: [Float], bias: [Float]
    ) {
        guard case .stored(let weights) = source else { return try plain(names.norm, shape) }
        var weight = try values(names.weight, shape, weights)
        let perOutput = weight.count / shape[0]
        let gamma = try values("\(names.norm).weight", [shape[0]], weights)
        let beta = try values("\(names.norm).bias", [shape[0]], weights)
        let mean = try values("\(names.norm).running_mean", [shape[0]], weights)
        let variance = try values("\(names.norm).running_var", [shape[0]], weights)
        var bias: [Float] = []
        bias.reserveCapacity(shape[0])
        for output in 0..<shape[0] {
            let scale = Double(gamma[output]) / (Double(variance[output]) + epsilon).squareRoot()
            bias.append(Float(Double(beta[output]) - Double(mean[output]) * scale))
            for index in output * perOutput..<(output + 1) * perOutput {
                weight[index] = Float(Double(weight[index]) * scale)
            }
        }
        return (weight, bias)
    }

    /// Returns the arrays `prefix.weight` of `shape` and `prefix.bias`, without a norm.
    mutating func plain(_ prefix: String, _ shape: [Int]) throws -> (weight: [Float], bias: [Float])
    {
        switch source {
        case .stored(let weights):
            return (
                try values("\(prefix).weight", shape, weights),
                try values("\(prefix).bias", [shape[0]], weights)
            )
        case .drawn: return (try matrix(prefix, shape), draw(shape[0], deviation: 0.1))
        }
    }

    /// Returns the array `prefix.weight` of `shape`, for a layer without bias.
    mutating func matrix(_ prefix: String, _ shape: [Int]) throws -> [Float] {
        switch source {
        case .stored(let weights): return try values("\(prefix).weight", shape, weights)
        case .drawn:
            let inputs = shape.dropFirst().reduce(1, *)
            return draw(shape[0] * inputs, deviation: (2 / Float(inputs)).squareRoot())
        }
    }

    private mutating func draw(_ count: Int, deviation: Float) -> [Float] {
        guard case .drawn(let seed) = source else { return [] }
        var stream = RandomStream(seed: seed, draws, 0, 0x0477)
        draws += 1
        return (0..<count).map { _ in stream.normal() * deviation }
    }

    private func values(_ name: String, _ shape: [Int], _ weights: Weights) throws -> [Float] {
        let values = try weights.values(name)
        guard values.count == shape.reduce(1, *) else {
            throw NetworkError(
                .invalidWeights,
                "\(name) has \(values.count) values; this network needs those of shape \(shape)")
        }
        return values
    }
}

// Makes a quantised graph from a graph with float weights and the ranges of its values.
import Tensors

extension QuantisedGraph {
    /// Quantises `graph`, whose value i takes numbers of `ranges[i]`, as `ActivationHistograms` finds them. Norms are
    /// folded into the weights of `graph` already.
    ///
    /// Errors: `invalidWeights` if the last operator is not a linear layer, or if weights or ranges are not finite.
    public init(_ graph: OperatorGraph, ranges: [ClosedRange<Float>]) throws {
        precondition(ranges.count == graph.nodes.count + 1, "\(ranges.count) ranges")
        guard case .dense = graph.nodes.last?.operation else {
            throw NetworkError(
                .invalidWeights, "eight bits need a network that ends in a linear layer")
        }
        let bounds = ValueBounds(graph)
        guard ranges.allSatisfy({ $0.lowerBound.isFinite && $0.upperBound.isFinite }) else {
            throw NetworkError(
                .invalidWeights, "a map of the network has numbers that are not finite",
                remedy: "quantise a network whose logits are finite")
        }
        var nodes: [Node] = []
        // The quantised value of each value of `graph`.
        var places = [0]
        let input = Quantisation(covering: ranges[0])
        func quantisation(_ value: Int) -> Quantisation {
            value == 0 ? input : nodes[value - 1].output
        }
        for (index, node) in graph.nodes.enumerated() {
            let value = index + 1, inputs = node.inputs.map { places[$0] }
            if case .activation(let kind) = node.operation, kind != .hSwish {
                // The node before has the range of this node's output.
                places.append(inputs[0])
                continue
            }
            let last = bounds.merged[value] ?? value
            let output = Quantisation(covering: bounds.bounded(ranges[last], of: last))
            let from = quantisation(inputs[0])
            let operation = try Self.quantised(node, from: from)
            nodes.append(
                Node(
                    name: node.name, operation: operation, inputs: inputs,
                    output: operation.keepsCodes ? from : output))
            places.append(nodes.count)
        }
        (self.inputShape, self.input, self.nodes) = (graph.inputShape, input, nodes)
    }

    private static func quantised(_ node: OperatorGraph.Node, from input: Quantisation) throws
        -> Operation
    {
        switch node.operation {
        case .convolution(let conv):
            let weights = try linear(
                node.name, conv.weight, conv.bias, outputs: conv.outWidth, input)
            return .convolution(
                Convolution(
                    weights: weights, inWidth: conv.inWidth, outWidth: conv.outWidth,
                    groups: conv.groups, kernel: conv.kernel, stride: conv.stride,
                    padding: conv.padding))
        case .dense(let dense):
            return .dense(
                try linear(node.name, dense.weight, dense.bias, outputs: dense.outWidth, input))
        case .activation: return .function(.hSwish)
        case .hardSigmoid: return .function(.hardSigmoid)
        case .maxPooling(let size, let stride, let padding):
            return .maxPooling(size: size, stride: stride, padding: padding)
        case .meanPooling(let size, let overhang):
            return .meanPooling(size: size, overhang: overhang)
        case .mean: return .mean
        case .flatten: return .flatten
        case .sum: return .sum
        case .product: return .product
        }
    }

    private static func linear(
        _ name: String, _ weight: [Float], _ bias: [Float]?, outputs: Int, _ input: Quantisation
    ) throws -> LinearWeights {
        guard (weight + (bias ?? [])).allSatisfy(\.isFinite) else {
            throw NetworkError(.invalidWeights, "\(name) has weights that are not finite")
        }
        return LinearWeights(weight, bias: bias, outputs: outputs, input: input)
    }
}

extension QuantisedGraph.Operation {
    /// Whether the output's codes mean what the input's codes mean.
    var keepsCodes: Bool {
        switch self {
        case .maxPooling, .flatten: true
        default: false
        }
    }
}

/// What a graph's operators make of its values: bounds beyond which numbers need no codes.
struct ValueBounds {
    /// The output of a ReLU or ReLU6, by the value that only this activation reads.
    private(set) var merged: [Int: Int] = [:]
    private var bounds: [Int: ClosedRange<Float>] = [:]

    init(_ graph: OperatorGraph) {
        var readers: [Int: [Int]] = [:]
        for (index, node) in graph.nodes.enumerated() {
            for input in node.inputs { readers[input, default: []].append(index) }
        }
        for (index, node) in graph.nodes.enumerated() {
            let input = node.inputs[0]
            switch node.operation {
            case .activation(.hSwish):
                // Below -3 the function is 0.
                if readers[input]?.count == 1 { bounds[input] = -3 ... .greatestFiniteMagnitude }
            case .hardSigmoid:
                // Beyond ±3 the function is constant.
                if readers[input]?.count == 1 { bounds[input] = -3...3 }
            case .activation(let kind):
                precondition(
                    input > 0 && readers[input]?.count == 1,
                    "\(node.name) follows no operator of its own")
                merged[input] = index + 1
                switch kind {
                case .relu: bounds[index + 1] = 0 ... .greatestFiniteMagnitude
                case .relu6: bounds[index + 1] = 0...6
                case .identity, .hSwish: break
                }
            default: break
            }
        }
    }

    /// Returns the part of `range` that codes of value `value` must cover.
    func bounded(_ range: ClosedRange<Float>, of value: Int) -> ClosedRange<Float> {
        guard let bound = bounds[value] else { return range }
        return range.clamped(to: bound)
    }
}

// A network with integer weights and eight-bit maps, as elementary operators. What it computes is defined by the plain
// interpreter in QuantisedGraph+Run.swift; Interchange/ONNX writes it for other runtimes.
import Tensors

/// A directed graph of elementary operators on codes. Value 0 is the quantised input; value i + 1 is the output of node
/// i. The last node is a linear layer, whose output, the logits, has floats.
///
/// Activations have one `Quantisation` a value. Weights are integers of -127...127 with one scale an output; biases
/// have 32 bits and the scale (input's scale) · (weight's scale). Sums are exact in 32 bits.
public struct QuantisedGraph: Sendable {
    /// One operator and the values that it reads.
    public struct Node: Sendable {
        /// The name of the operator of the same place in the `OperatorGraph`.
        public let name: String
        /// The operator.
        public let operation: Operation
        /// The indices of the values that the operator reads.
        public let inputs: [Int]
        /// The meaning of the output's codes.
        public let output: Quantisation
    }

    /// An operator. ReLU and ReLU6 are no operators: the codes of a value that they bound do not reach beyond the
    /// bounds.
    public enum Operation: Sendable {
        /// A convolution.
        case convolution(Convolution)
        /// A linear layer on features.
        case dense(LinearWeights)
        /// A function of each value.
        case function(CodeFunction)
        /// Max pooling over square windows. Pixels outside of the map are ignored. The codes keep their meaning.
        case maxPooling(size: Int, stride: Int, padding: Int)
        /// The mean over adjacent square windows. The last windows extend `overhang` pixels beyond the map, and average
        /// the pixels inside.
        case meanPooling(size: Int, overhang: Int)
        /// The mean of each channel: a map of 1×1.
        case mean
        /// A map of 1×1 as features. The codes keep their meaning.
        case flatten
        /// The sum of two maps.
        case sum
        /// The product of a map and a map of 1×1, by channel.
        case product
    }

    /// The integers of a convolution or linear layer.
    public struct LinearWeights: Sendable {
        /// The weights (outputs, inputs of an output), of -127...127.
        public let values: [Int8]
        /// The scales of the weights, one per output.
        public let scales: [Float]
        /// The biases, one per output.
        public let bias: [Int32]

        /// The number of outputs.
        public var outputs: Int { scales.count }
        /// The number of weights of an output.
        public var depth: Int { values.count / scales.count }
        /// One byte a weight, four a scale and four a bias.
        var bytes: Int { values.count + 8 * scales.count }
    }

    /// A convolution with bias; padding reads as the number 0.
    public struct Convolution: Sendable {
        /// The filters (out, in / groups, kernel, kernel) and biases.
        public let weights: LinearWeights
        /// Channels of input and output; the number of groups.
        public let inWidth, outWidth, groups: Int
        /// Height and width of a filter; the stride; the zeros around the map at each side.
        public let kernel, stride, padding: Int
    }

    /// The channels, height and width of the input.
    public let inputShape: [Int]
    /// The meaning of the input's codes.
    public let input: Quantisation
    /// The nodes in an order of execution.
    public let nodes: [Node]

    /// The number of classes.
    public var classes: Int {
        guard case .dense(let weights) = nodes.last?.operation else { return 0 }
        return weights.outputs
    }

    /// The bytes of all weights, biases and scales of weights: what a device stores of the network.
    public var weightBytes: Int {
        nodes.reduce(0) { sum, node in
            switch node.operation {
            case .convolution(let conv): sum + conv.weights.bytes
            case .dense(let weights): sum + weights.bytes
            default: sum
            }
        }
    }

    /// Returns the meaning of the codes of value `index`.
    public func quantisation(of index: Int) -> Quantisation {
        index == 0 ? input : nodes[index - 1].output
    }
}

extension QuantisedGraph.LinearWeights {
    /// Quantises `weight` (outputs, inputs of an output), whose inputs have codes of `input`. A scale is the largest
    /// weight of its output over 127, or more if the bias would need more than 30 bits.
    init(_ weight: [Float], bias: [Float]?, outputs: Int, input: Quantisation) {
        let depth = weight.count / outputs
        var values: [Int8] = [], scales: [Float] = [], biases: [Int32] = []
        values.reserveCapacity(weight.count)
        for output in 0..<outputs {
            let row = weight[output * depth..<(output + 1) * depth]
            let largest = row.reduce(Float(0)) { max($0, abs($1)) }
            let offset = bias?[output] ?? 0
            let needed = abs(offset) / (input.scale * Float(1 << 29))
            let scale = max(largest / 127, needed, 1e-20)
            for value in row {
                let code = (value / scale).rounded(.toNearestOrEven)
                values.append(Int8(min(max(code, -127), 127)))
            }
            scales.append(scale)
            // A double holds every integer of 32 bits.
            let quotient = Double(offset) / Double(input.scale * scale)
            biases.append(Int32(quotient.rounded(.toNearestOrEven)))
        }
        self.init(values: values, scales: scales, bias: biases)
    }
}

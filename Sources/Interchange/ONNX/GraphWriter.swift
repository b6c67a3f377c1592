// Translates elementary operators to the nodes and weights of an ONNX graph.
import Networks
import Tensors

/// The nodes and weights of a graph while they are collected.
struct GraphWriter {
    /// The messages of the nodes and of the weights.
    private(set) var nodes: [ProtobufMessage] = []
    private(set) var tensors: [ProtobufMessage] = []
    /// The ONNX names of the graph's values so far; value 0 is the input.
    private var values: [String]
    private let last: String
    /// Whether the bounds of ReLU6 are among the weights.
    private var hasBounds = false

    /// Takes the names of the graph's input and output.
    init(first: String, last: String) {
        values = [first]
        self.last = last
    }

    /// Adds a node of `graph`; the output of the last node is the graph's output.
    mutating func add(_ node: OperatorGraph.Node, isLast: Bool) {
        let inputs = node.inputs.map { values[$0] }
        let output = isLast ? last : "\(node.name).y"
        values.append(output)
        switch node.operation {
        case .convolution(let conv):
            let weight = tensor(
                "\(node.name).weight",
                [conv.outWidth, conv.inWidth / conv.groups, conv.kernel, conv.kernel], conv.weight)
            let bias = tensor("\(node.name).bias", [conv.outWidth], conv.bias)
            add(
                "Conv", node.name, inputs + [weight, bias], output,
                [
                    ("group", .integer(conv.groups)),
                    ("kernel_shape", .integers([conv.kernel, conv.kernel])),
                    ("pads", .integers(Array(repeating: conv.padding, count: 4))),
                    ("strides", .integers([conv.stride, conv.stride])),
                ])
        case .dense(let dense):
            var weights = [
                tensor("\(node.name).weight", [dense.outWidth, dense.inWidth], dense.weight)
            ]
            if let bias = dense.bias {
                weights.append(tensor("\(node.name).bias", [dense.outWidth], bias))
            }
            add("Gemm", node.name, inputs + weights, output, [("transB", .integer(1))])
        case .activation(let activation): add(activation, node.name, inputs, output)
        case .hardSigmoid:
            add(
                "HardSigmoid", node.name, inputs, output,
                [("alpha", .float(1 / 6)), ("beta", .float(0.5))])
        case .maxPooling(let size, let stride, let padding):
            add(
                "MaxPool", node.name, inputs, output,
                [
                    ("kernel_shape", .integers([size, size])),
                    ("pads", .integers(Array(repeating: padding, count: 4))),
                    ("strides", .integers([stride, stride])),
                ])
        case .meanPooling(let size, let overhang):
            // Without `count_include_pad`, a window at the border averages the pixels inside.
            add(
                "AveragePool", node.name, inputs, output,
                [
                    ("kernel_shape", .integers([size, size])),
                    ("pads", .integers([0, 0, overhang, overhang])),
                    ("strides", .integers([size, size])),
                ])
        case .mean: add("GlobalAveragePool", node.name, inputs, output)
        case .flatten: add("Flatten", node.name, inputs, output, [("axis", .integer(1))])
        case .sum: add("Add", node.name, inputs, output)
        case .product: add("Mul", node.name, inputs, output)
        }
    }

    /// Adds nodes that normalise the input's bytes; the first operator then reads the normalised
    /// input.
    mutating func normalise(_ pixels: ONNXModel.Pixels) {
        let shape = [1, pixels.mean.count, 1, 1]
        // (byte / 255 − mean) / deviation as (byte − 255 · mean) / (255 · deviation).
        let shift = tensor("normalise.mean", shape, pixels.mean.map { 255 * $0 })
        let scale = tensor("normalise.deviation", shape, pixels.deviation.map { 255 * $0 })
        add(
            "Cast", "normalise.cast", values, "normalise.cast",
            [("to", .integer(ONNXModel.ElementType.float.rawValue))])
        add("Sub", "normalise.sub", ["normalise.cast", shift], "normalise.sub")
        add("Div", "normalise.div", ["normalise.sub", scale], "normalise.div")
        values[0] = "normalise.div"
    }

    /// Adds the only node of a graph without operators.
    mutating func addIdentity() { add("Identity", "identity", values, last) }

    private mutating func add(
        _ activation: Activation, _ name: String, _ inputs: [String], _ output: String
    ) {
        switch activation {
        case .identity: add("Identity", name, inputs, output)
        case .relu: add("Relu", name, inputs, output)
        case .relu6:
            if !hasBounds {
                _ = tensor("relu6.min", [], [0])
                _ = tensor("relu6.max", [], [6])
                hasBounds = true
            }
            add("Clip", name, inputs + ["relu6.min", "relu6.max"], output)
        case .hSwish: add("HardSwish", name, inputs, output)
        }
    }

    private enum Attribute {
        case integer(Int)
        case integers([Int])
        case float(Float)
    }

    private mutating func add(
        _ type: String, _ name: String, _ inputs: [String], _ output: String,
        _ attributes: [(name: String, value: Attribute)] = []
    ) {
        var node = ProtobufMessage()
        for input in inputs { node.add(1, input) }
        node.add(2, output)
        node.add(3, name)
        node.add(4, type)
        for (name, value) in attributes {
            node.add(5) { attribute in
                attribute.add(1, name)
                switch value {
                case .float(let number):
                    attribute.add(2, number)
                    attribute.add(20, 1)
                case .integer(let number):
                    attribute.add(3, number)
                    attribute.add(20, 2)
                case .integers(let numbers):
                    attribute.add(8, numbers)
                    attribute.add(20, 7)
                }
            }
        }
        nodes.append(node)
    }

    /// Adds a tensor of floats and returns its name.
    private mutating func tensor(_ name: String, _ shape: [Int], _ values: [Float]) -> String {
        var tensor = ProtobufMessage()
        tensor.add(1, shape)
        tensor.add(2, ONNXModel.ElementType.float.rawValue)
        tensor.add(8, name)
        tensor.addBytes(9, of: values)
        tensors.append(tensor)
        return name
    }
}

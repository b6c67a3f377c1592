// Translates elementary operators to the nodes and weights of an ONNX graph.
import Networks
import Tensors

/// The nodes and weights of a graph while they are collected.
struct GraphWriter {
    /// The messages of the nodes and of the weights.
    private(set) var nodes: [ProtobufMessage] = []
    private(set) var tensors: [ProtobufMessage] = []
    /// The ONNX names of the graph's values so far; value 0 is the input.
    var values: [String]
    /// The ONNX name of the graph's output.
    let last: String
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
                [("group", .integer(conv.groups))]
                    + Self.windows(conv.kernel, conv.stride, before: conv.padding))
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
            add("HardSigmoid", node.name, inputs, output, Self.hardSigmoid)
        case .maxPooling(let size, let stride, let padding):
            add(
                "MaxPool", node.name, inputs, output, Self.windows(size, stride, before: padding))
        case .meanPooling(let size, let overhang):
            // Without `count_include_pad`, a window at the border averages the pixels inside.
            add(
                "AveragePool", node.name, inputs, output,
                Self.windows(size, size, before: 0, after: overhang))
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

    /// The attributes of ONNX's HardSigmoid that make it relu6(x + 3) / 6.
    static let hardSigmoid: [(name: String, value: Attribute)] = [
        ("alpha", .float(1 / 6)), ("beta", .float(0.5)),
    ]

    /// Returns the attributes of square windows with `before` and `after` pixels of padding; nil stands for `before`.
    static func windows(_ size: Int, _ stride: Int, before: Int, after: Int? = nil)
        -> [(name: String, value: Attribute)]
    {
        let after = after ?? before
        return [
            ("kernel_shape", .integers([size, size])),
            ("pads", .integers([before, before, after, after])),
            ("strides", .integers([stride, stride])),
        ]
    }

    /// An attribute of a node.
    enum Attribute {
        /// An integer.
        case integer(Int)
        /// A list of integers.
        case integers([Int])
        /// A float of 32 bits.
        case float(Float)
    }

    /// Adds a node of `type` with one output.
    mutating func add(
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
    mutating func tensor(_ name: String, _ shape: [Int], _ values: [Float]) -> String {
        tensor(name, shape, .float) { $0.addBytes(9, of: values) }
    }

    /// Adds a tensor, whose bytes `fill` writes to field 9, and returns its name.
    mutating func tensor(
        _ name: String, _ shape: [Int], _ type: ONNXModel.ElementType,
        _ fill: (inout ProtobufMessage) -> Void
    ) -> String {
        var tensor = ProtobufMessage()
        tensor.add(1, shape)
        tensor.add(2, type.rawValue)
        tensor.add(8, name)
        fill(&tensor)
        tensors.append(tensor)
        return name
    }
}

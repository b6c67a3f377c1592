// Writes networks, and parts of networks, as ONNX models: IR version 8, operators of version 17, float weights or integer
// weights with QuantizeLinear and DequantizeLinear. The numbers of fields and types are those of onnx.proto: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
// The same graph and metadata give the same bytes.
import Networks

/// An ONNX model of one network or of a part of one.
public struct ONNXModel: Sendable {
    /// The normalisation of pixels inside a model: (byte / 255 − mean) / deviation, by channel.
    public struct Pixels: Sendable, Equatable {
        /// Mean and standard deviation of byte / 255, one per channel.
        public let mean, deviation: [Float]

        /// Takes one mean and one positive deviation per channel.
        public init(mean: [Float], deviation: [Float]) {
            self.mean = mean
            self.deviation = deviation
        }
    }

    /// The names of a model's input and output.
    public static let inputName = "input", outputName = "output"

    private enum Content {
        case floats(OperatorGraph)
        case codes(QuantisedGraph)
    }

    private let content: Content
    /// The graph's name.
    public let name: String
    /// If set, the input has bytes (N, C, H, W) of raw pixels, which the model normalises; otherwise the input has
    /// normalised floats.
    public var pixels: Pixels?
    /// The model's metadata by key.
    public var metadata: [String: String]
    /// The number of images; nil for any number, which the caller of the model chooses. Some runtimes plan better for a
    /// number that they know.
    public var images: Int?

    /// Takes the operators, and a name and metadata for the file.
    public init(
        _ graph: OperatorGraph, name: String, pixels: Pixels? = nil,
        metadata: [String: String] = [:]
    ) {
        self.init(.floats(graph), name, pixels, metadata)
    }

    /// Takes the operators of a quantised network, and a name and metadata for the file. Each map is quantised and
    /// dequantised, so a runtime may compute in integers; weights and biases are stored as integers.
    public init(
        _ graph: QuantisedGraph, name: String, pixels: Pixels? = nil,
        metadata: [String: String] = [:]
    ) {
        self.init(.codes(graph), name, pixels, metadata)
    }

    private init(
        _ content: Content, _ name: String, _ pixels: Pixels?, _ metadata: [String: String]
    ) {
        self.content = content
        self.name = name
        self.pixels = pixels
        self.metadata = metadata
    }

    /// The bytes of the file.
    public var encoded: [UInt8] {
        var model = ProtobufMessage()
        model.add(1, 8)  // ir_version
        model.add(2, "ofa")  // producer_name
        model.add(7, graphMessage)
        model.add(8) { $0.add(2, 17) }  // opset_import: version 17 of the default domain
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            model.add(14) { entry in
                entry.add(1, key)
                entry.add(2, value)
            }
        }
        return model.encoded
    }

    private var graphMessage: ProtobufMessage {
        var writer = GraphWriter(first: Self.inputName, last: Self.outputName)
        if let pixels { writer.normalise(pixels) }
        let shapes: (input: [Int], output: [Int])
        switch content {
        case .floats(let graph):
            for (index, node) in graph.nodes.enumerated() {
                writer.add(node, isLast: index == graph.nodes.count - 1)
            }
            if graph.nodes.isEmpty { writer.addIdentity() }
            shapes = (graph.inputShape, graph.outputShape)
        case .codes(let graph):
            writer.add(graph)
            shapes = (graph.inputShape, [graph.classes])
        }
        var message = ProtobufMessage()
        for node in writer.nodes { message.add(1, node) }
        message.add(2, name)
        for tensor in writer.tensors { message.add(5, tensor) }
        message.add(
            11,
            valueInfo(Self.inputName, shapes.input, type: pixels == nil ? .float : .byte))
        message.add(12, valueInfo(Self.outputName, shapes.output, type: .float))
        return message
    }

    /// The element types of a tensor.
    enum ElementType: Int {
        case float = 1
        case byte = 2
        case signedByte = 3
        case integer = 6
    }

    /// Describes an input or output of `shape`; the number of images is `images` or, if that is nil, the free `N`.
    private func valueInfo(_ name: String, _ shape: [Int], type: ElementType) -> ProtobufMessage {
        var info = ProtobufMessage()
        info.add(1, name)
        info.add(2) { value in
            value.add(1) { tensor in
                tensor.add(1, type.rawValue)
                tensor.add(2) { dimensions in
                    dimensions.add(1) { first in
                        if let images { first.add(1, images) } else { first.add(2, "N") }
                    }
                    for extent in shape { dimensions.add(1) { $0.add(1, extent) } }
                }
            }
        }
        return info
    }
}

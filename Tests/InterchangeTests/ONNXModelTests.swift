// The bytes of ONNX models, read back by a plain reader of the wire format. That other runtimes compute the same numbers
// is checked by ops/check-onnx.sh.
import Interchange
import Networks
import Tensors
import TestSupport
import Testing

@Suite struct ONNXModelTests {
    private static func graph(_ space: SearchSpace) throws -> OperatorGraph {
        let weights = try Weights(supernetOf: space, seed: 5)
        let supernet = try Network(
            supernet: weights, of: space, engine: try CPUEngine(threads: 1))
        let shape = try NetworkShape(space, space.largest)
        return try OperatorGraph(
            shape, supernet.extract(shape, statistics: weights.statistics))
    }

    @Test("a model without operators has the bytes computed by hand")
    func bytes() {
        let model = ONNXModel(OperatorGraph(identity: [300]), name: "g", metadata: ["k": "v"])
        let node: [UInt8] =
            [0x0A, 5] + Array("input".utf8) + [0x12, 6] + Array("output".utf8) + [0x1A, 8]
            + Array("identity".utf8) + [0x22, 8] + Array("Identity".utf8)
        // Type: a tensor of floats (elem_type 1) of dimensions "N" and 300 (varint AC 02).
        let type: [UInt8] = [
            0x12, 16, 0x0A, 14, 0x08, 1, 0x12, 10, 0x0A, 3, 0x12, 1, 0x4E, 0x0A, 3, 0x08, 0xAC, 2,
        ]
        let input = [0x0A, 5] + Array("input".utf8) + type
        let output = [0x0A, 6] + Array("output".utf8) + type
        let graph: [UInt8] =
            [0x0A, UInt8(node.count)] + node + [0x12, 1, 0x67, 0x5A, UInt8(input.count)] + input
            + [0x62, UInt8(output.count)] + output
        let expected: [UInt8] =
            [0x08, 8, 0x12, 3] + Array("ofa".utf8) + [0x3A, UInt8(graph.count)] + graph
            + [0x42, 2, 0x10, 17, 0x72, 6, 0x0A, 1, 0x6B, 0x12, 1, 0x76]
        #expect(model.encoded == expected)
    }

    @Test("a model for a number of images states it where another leaves it free")
    func images() {
        var model = ONNXModel(OperatorGraph(identity: [7]), name: "g")
        func first(_ place: Int) -> WireMessage? {
            WireMessage(model.encoded).messages(7).first?.messages(place).first?.messages(2).first?
                .messages(1).first?.messages(2).first?.messages(1).first
        }
        for place in [11, 12] { #expect(first(place)?.text(2) == "N") }
        model.images = 300
        for place in [11, 12] { #expect(first(place)?.integers(1) == [300]) }
    }

    @Test(
        "a model's nodes are in order, each name is unique, and every weight has its bytes",
        arguments: SearchSpace.tinyFamilies)
    func structure(space: SearchSpace) throws {
        let graph = try Self.graph(space)
        let bytes = ONNXModel(graph, name: "n").encoded
        let model = WireMessage(bytes)
        let made = try #require(model.messages(7).first)
        let nodes = made.messages(1)
        #expect(nodes.count == graph.nodes.count)
        var known: Set<String> = ["input"]
        for tensor in made.messages(5) {
            #expect(known.insert(tensor.text(8)).inserted, "\(tensor.text(8)) is unique")
            let count = tensor.integers(1).reduce(1, *)
            #expect(tensor.integers(2) == [1] && tensor.bytes(9).count == 4 * Int(count))
        }
        for node in nodes {
            for input in node.texts(1) { #expect(known.contains(input), "\(input) comes before") }
            #expect(node.texts(2).count == 1)
            #expect(known.insert(node.texts(2)[0]).inserted, "\(node.texts(2)[0]) is unique")
        }
        #expect(known.contains("output"))
        let types = Set(nodes.map { $0.text(4) })
        #expect(types.isSuperset(of: ["Conv", "GlobalAveragePool", "Flatten", "Gemm"]))
        if space.name == "tiny" {
            #expect(types.isSuperset(of: ["HardSwish", "HardSigmoid", "Mul", "Add", "Relu"]))
        } else {
            #expect(types.contains(space.name == "tiny-resnet" ? "AveragePool" : "Clip"))
        }
        #expect(ONNXModel(try Self.graph(space), name: "n").encoded == bytes, "same bytes again")
    }

    @Test(
        "a quantised model has integer weights, and each map is quantised before it is read",
        arguments: SearchSpace.tinyFamilies)
    func quantised(space: SearchSpace) throws {
        let floats = try Self.graph(space)
        var stream = RandomStream(seed: 2)
        let shape = floats.inputShape
        let images = FeatureMap(
            Tensor((0..<4 * shape.reduce(1, *)).map { _ in stream.normal() }), images: 4,
            height: shape[1], width: shape[2], channels: shape[0])
        let histograms = ActivationHistograms(
            floats, batches: [images], engine: try CPUEngine(threads: 1))
        let graph = try QuantisedGraph(floats, ranges: histograms.ranges(.leastSquares))
        let bytes = ONNXModel(graph, name: "n").encoded
        #expect(ONNXModel(graph, name: "n").encoded == bytes, "same bytes again")
        let made = try #require(WireMessage(bytes).messages(7).first), nodes = made.messages(1)
        var known: Set<String> = ["input"], stored = 0
        // The bytes of a number of each type: float32, uint8, int8, int32.
        let sizes: [UInt64: Int] = [1: 4, 2: 1, 3: 1, 6: 4]
        for tensor in made.messages(5) {
            let name = tensor.text(8), type = tensor.integers(2)[0]
            #expect(known.insert(name).inserted, "\(name) is unique")
            let count = Int(tensor.integers(1).reduce(1, *))
            #expect(tensor.bytes(9).count == (sizes[type] ?? 0) * count, "\(name)")
            let isStored = name.hasSuffix("weight") || name.hasSuffix(".bias")
            if isStored || name.hasSuffix("weight_scale") { stored += tensor.bytes(9).count }
            if isStored { #expect(type == (name.hasSuffix("weight") ? 3 : 6), "\(name)") }
        }
        #expect(stored == graph.weightBytes)
        for node in nodes {
            for input in node.texts(1) { #expect(known.contains(input), "\(input) comes before") }
            #expect(known.insert(node.texts(2)[0]).inserted, "\(node.texts(2)[0]) is unique")
        }
        #expect(nodes.last?.texts(2) == ["output"])
        let makers = Dictionary(
            nodes.map { ($0.texts(2)[0], $0.text(4)) }, uniquingKeysWith: { first, _ in first })
        for node in nodes {
            switch node.text(4) {
            case "QuantizeLinear", "DequantizeLinear", "Flatten", "MaxPool": continue
            default:
                for input in node.texts(1) {
                    #expect(makers[input] == "DequantizeLinear", "\(node.text(4)) reads \(input)")
                }
            }
        }
        let types = Set(nodes.map { $0.text(4) })
        #expect(types.isDisjoint(with: ["Relu", "Clip"]), "ranges bound the codes")
        #expect(types.isSuperset(of: ["Conv", "Gemm", "Flatten", "GlobalAveragePool"]))
    }

    @Test("with pixels the input has bytes, and the model normalises them first")
    func pixels() throws {
        let graph = try Self.graph(.tiny(channels: 3))
        let plain = WireMessage(ONNXModel(graph, name: "n").encoded)
        let model = WireMessage(
            ONNXModel(
                graph, name: "n",
                pixels: .init(mean: [0.5, 0.25, 0.125], deviation: [0.2, 0.1, 0.4])
            ).encoded)
        func inputType(_ model: WireMessage) -> [UInt64] {
            model.messages(7)[0].messages(11)[0].messages(2)[0].messages(1)[0].integers(1)
        }
        #expect(inputType(plain) == [1] && inputType(model) == [2])
        let made = model.messages(7)[0], nodes = made.messages(1)
        #expect(nodes.prefix(4).map { $0.text(4) } == ["Cast", "Sub", "Div", "Conv"])
        #expect(nodes[3].texts(1)[0] == nodes[2].texts(2)[0])
        let mean = try #require(made.messages(5).first { $0.text(8) == "normalise.mean" })
        #expect(mean.integers(1) == [1, 3, 1, 1])
        #expect(mean.floats(9) == [127.5, 63.75, 31.875])
    }
}

/// A message of Protocol Buffers, read without a schema.
private struct WireMessage {
    private enum Value {
        case integer(UInt64)
        case fixed(UInt32)
        case bytes(ArraySlice<UInt8>)
    }

    private var fields: [(number: Int, value: Value)] = []

    init(_ bytes: [UInt8]) { self.init(bytes[...]) }

    private init(_ bytes: ArraySlice<UInt8>) {
        var place = bytes.startIndex
        func varint() -> UInt64 {
            var result: UInt64 = 0, shift: UInt64 = 0
            while true {
                let byte = bytes[place]
                place += 1
                result |= UInt64(byte & 0x7F) << shift
                if byte < 0x80 { return result }
                shift += 7
            }
        }
        while place < bytes.endIndex {
            let key = varint(), number = Int(key >> 3)
            switch key & 7 {
            case 0: fields.append((number, .integer(varint())))
            case 5:
                let four = bytes[place..<place + 4].reversed().reduce(UInt32(0)) {
                    $0 << 8 | UInt32($1)
                }
                fields.append((number, .fixed(four)))
                place += 4
            default:
                let count = Int(varint())
                fields.append((number, .bytes(bytes[place..<place + count])))
                place += count
            }
        }
    }

    private func values(_ number: Int) -> [Value] {
        fields.filter { $0.number == number }.map(\.value)
    }

    func integers(_ number: Int) -> [UInt64] {
        values(number).compactMap { if case .integer(let value) = $0 { value } else { nil } }
    }

    private func slices(_ number: Int) -> [ArraySlice<UInt8>] {
        values(number).compactMap { if case .bytes(let bytes) = $0 { bytes } else { nil } }
    }

    func bytes(_ number: Int) -> [UInt8] { slices(number).first.map(Array.init) ?? [] }

    func texts(_ number: Int) -> [String] {
        slices(number).map { String(decoding: $0, as: UTF8.self) }
    }

    func text(_ number: Int) -> String { texts(number).first ?? "" }

    func messages(_ number: Int) -> [WireMessage] { slices(number).map(WireMessage.init) }

    func floats(_ number: Int) -> [Float] {
        let all = bytes(number)
        return stride(from: 0, to: all.count, by: 4).map { start in
            Float(
                bitPattern: all[start..<start + 4].reversed().reduce(UInt32(0)) {
                    $0 << 8 | UInt32($1)
                })
        }
    }
}

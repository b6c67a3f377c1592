// Translates quantised operators to an ONNX graph. Each map is quantised by QuantizeLinear and read through
// DequantizeLinear, so that every runtime computes the same function; runtimes fuse such operators into operators on
// integers. Format: https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html
import Networks
import Tensors

extension GraphWriter {
    /// Adds all nodes of `graph`; its last node gives the graph's output.
    mutating func add(_ graph: QuantisedGraph) {
        var maps = CodeNames()
        maps.add(quantised(values[0], "input", graph.input))
        for (index, node) in graph.nodes.enumerated() {
            let isLast = index == graph.nodes.count - 1
            guard !isCodeOperator(node, &maps) else { continue }
            let output = isLast ? last : "\(node.name).y"
            let inputs = maps.reals(node.inputs, &self)
            add(node, graph, inputs, output)
            if !isLast { maps.add(quantised(output, node.name, node.output)) }
        }
    }

    /// Adds an operator that reads and writes codes. Returns false for other operators.
    private mutating func isCodeOperator(_ node: QuantisedGraph.Node, _ maps: inout CodeNames)
        -> Bool
    {
        var map = maps[node.inputs[0]]
        let output = "\(node.name).codes"
        switch node.operation {
        case .maxPooling(let size, let stride, let padding):
            add(
                "MaxPool", node.name, [map.codes], output,
                Self.windows(size, stride, before: padding))
        case .flatten: add("Flatten", node.name, [map.codes], output, [("axis", .integer(1))])
        default: return false
        }
        (map.codes, map.real) = (output, nil)
        maps.add(map)
        return true
    }

    private mutating func add(
        _ node: QuantisedGraph.Node, _ graph: QuantisedGraph, _ inputs: [String], _ output: String
    ) {
        let from = graph.quantisation(of: node.inputs[0])
        switch node.operation {
        case .convolution(let conv):
            let shape = [conv.outWidth, conv.inWidth / conv.groups, conv.kernel, conv.kernel]
            add(
                "Conv", node.name, inputs + linear(node.name, shape, conv.weights, from), output,
                [("group", .integer(conv.groups))]
                    + Self.windows(conv.kernel, conv.stride, before: conv.padding))
        case .dense(let weights):
            let shape = [weights.outputs, weights.depth]
            add(
                "Gemm", node.name, inputs + linear(node.name, shape, weights, from), output,
                [("transB", .integer(1))])
        case .function(.hSwish): add("HardSwish", node.name, inputs, output)
        case .function(.hardSigmoid):
            add("HardSigmoid", node.name, inputs, output, Self.hardSigmoid)
        case .meanPooling(let size, let overhang):
            add(
                "AveragePool", node.name, inputs, output,
                Self.windows(size, size, before: 0, after: overhang))
        case .mean: add("GlobalAveragePool", node.name, inputs, output)
        case .sum: add("Add", node.name, inputs, output)
        case .product: add("Mul", node.name, inputs, output)
        case .maxPooling, .flatten: break
        }
    }

    /// Adds the node that quantises the value `real`. Returns the names of the codes.
    private mutating func quantised(
        _ real: String, _ name: String, _ quantisation: Quantisation
    ) -> CodeNames.Map {
        let scale = tensor("\(name).scale", [], [quantisation.scale])
        let zero = tensor("\(name).zero", [], .byte) { $0.addBytes(9, [quantisation.zero]) }
        let codes = "\(name).codes"
        add("QuantizeLinear", "\(name).quantise", [real, scale, zero], codes)
        return CodeNames.Map(codes: codes, scale: scale, zero: zero)
    }

    /// Adds weights and biases as integers, and the nodes that dequantise them. Returns the names of the results.
    private mutating func linear(
        _ name: String, _ shape: [Int], _ weights: QuantisedGraph.LinearWeights,
        _ input: Quantisation
    ) -> [String] {
        let outputs = weights.outputs
        let weight = tensor("\(name).weight", shape, .signedByte) {
            $0.addBytes(9, weights.values.map { UInt8(bitPattern: $0) })
        }
        let bias = tensor("\(name).bias", [outputs], .integer) {
            $0.addBytes(
                9,
                weights.bias.flatMap { value in
                    (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
                })
        }
        let scale = tensor("\(name).weight_scale", [outputs], weights.scales)
        // ONNX Runtime computes a linear layer in integers only if its weights have a code of 0.
        let zero = tensor("\(name).weight_zero", [outputs], .signedByte) {
            $0.addBytes(9, [UInt8](repeating: 0, count: outputs))
        }
        let biasScale = tensor(
            "\(name).bias_scale", [outputs], weights.scales.map { input.scale * $0 })
        let axis: [(name: String, value: Attribute)] = [("axis", .integer(0))]
        add(
            "DequantizeLinear", "\(name).weight_real", [weight, scale, zero],
            "\(name).weight_real.y", axis)
        add(
            "DequantizeLinear", "\(name).bias_real", [bias, biasScale], "\(name).bias_real.y", axis)
        return ["\(name).weight_real.y", "\(name).bias_real.y"]
    }
}

/// The ONNX names of a graph's maps.
private struct CodeNames {
    /// One map: its codes, their scale and code of 0, and the dequantised map once a node has read it.
    struct Map {
        var codes: String
        let scale, zero: String
        var real: String?
    }

    private var maps: [Map] = []

    subscript(_ index: Int) -> Map { maps[index] }

    mutating func add(_ map: Map) { maps.append(map) }

    /// Returns the names of dequantised maps; adds the nodes that are not there yet to `writer`.
    mutating func reals(_ indices: [Int], _ writer: inout GraphWriter) -> [String] {
        indices.map { index in
            if let real = maps[index].real { return real }
            let map = maps[index], real = "\(map.codes).real"
            writer.add("DequantizeLinear", real, [map.codes, map.scale, map.zero], real)
            maps[index].real = real
            return real
        }
    }
}

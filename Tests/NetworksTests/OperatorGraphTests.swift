// Elementary operators compute what a network's layers compute: a plain interpreter of the graph against the engine, on
// every family. The export to ONNX rests on this.
import Networks
import Tensors
import TestSupport
import Testing

@Suite struct OperatorGraphTests {
    @Test(
        "the graph of an extracted network computes the network's logits",
        arguments: SearchSpace.tinyFamilies + [
            .tiny(channels: 3, activation: .hSwish), .tiny(activation: .relu6),
        ])
    func logits(space: SearchSpace) throws {
        let weights = try Weights(supernetOf: space, seed: 5)
        weights.shake()
        let supernet = try Network(
            supernet: weights, of: space, engine: try CPUEngine(threads: 1))
        for config in [space.largest, space.smallest] {
            for resolution in space.resolutions {
                var config = config
                config.resolution = resolution
                let shape = try NetworkShape(space, config)
                let subnet = supernet.extract(shape, statistics: weights.statistics)
                let graph = try OperatorGraph(shape, subnet)
                #expect(graph.inputShape == [space.inputChannels, resolution, resolution])
                #expect(graph.outputShape == [space.classes])
                let image = Self.image(graph.inputShape)
                let input = Network.input(
                    shape, images: 1, storage: Storage(count: image.values.count))
                for c in 0..<image.channels {
                    for p in 0..<image.pixels {
                        input.tensor[p * image.channels + c] = image.values[c * image.pixels + p]
                    }
                }
                let expected = supernet.forward(input, shape, mode: .running).values
                let got = PlainMap.run(graph, image).values
                let scale = expected.reduce(0) { max($0, abs($1)) }
                // Sums of at most some hundred products in another order, in each of some 20 layers.
                for (a, b) in zip(got, expected) { #expect(abs(a - b) <= 1e-4 * scale) }
                #expect(got.count == expected.count && scale > 0)
            }
        }
    }

    @Test("each part of a network has a graph of its own with drawn weights, and no value is lost")
    func parts() throws {
        for space in SearchSpace.tinyFamilies {
            let shape = try NetworkShape(space, space.largest)
            for key in shape.latencyKeys {
                let graph = try OperatorGraph(part: key.layers, seed: 1)
                let output = PlainMap.run(graph, Self.image(graph.inputShape))
                #expect(output.values.count == graph.outputShape.reduce(1, *), "\(key)")
                #expect(output.values.contains { $0 != 0 } && output.values.allSatisfy(\.isFinite))
                let again = PlainMap.run(
                    try OperatorGraph(part: key.layers, seed: 1), Self.image(graph.inputShape))
                #expect(again.values == output.values, "the seed determines the weights")
            }
        }
    }

    @Test("a supernet's weights, or a part without layers, are refused")
    func refusals() throws {
        let space = SearchSpace.tiny(), weights = try Weights(supernetOf: space, seed: 1)
        let shape = try NetworkShape(space, space.largest)
        let error = #expect(throws: NetworkError.self) { try OperatorGraph(shape, weights) }
        #expect(error?.code == .invalidWeights && error?.remedy == "extract the network first")
        #expect(throws: NetworkError.self) { try OperatorGraph(part: [], seed: 1) }
        let small = try Network(supernet: weights, of: space, engine: try CPUEngine(threads: 1))
            .extract(try NetworkShape(space, space.smallest), statistics: weights.statistics)
        #expect(throws: NetworkError.self, "weights of another network") {
            try OperatorGraph(shape, small)
        }
    }

    private static func image(_ shape: [Int]) -> PlainMap {
        var stream = RandomStream(seed: 9)
        return PlainMap(
            shape: shape, values: (0..<shape.reduce(1, *)).map { _ in stream.normal() })
    }
}

/// One image's values (channels, height, width) or features, and the operators in the plainest form.
private struct PlainMap {
    var shape: [Int]
    var values: [Float]

    var channels: Int { shape[0] }
    var size: Int { shape.count > 1 ? shape[1] : 1 }
    var pixels: Int { size * size }

    /// Runs all nodes; returns the last value.
    static func run(_ graph: OperatorGraph, _ input: PlainMap) -> PlainMap {
        var values = [input]
        for node in graph.nodes {
            values.append(apply(node.operation, node.inputs.map { values[$0] }))
        }
        return values[values.count - 1]
    }

    private static func apply(_ operation: OperatorGraph.Operation, _ inputs: [PlainMap])
        -> PlainMap
    {
        let x = inputs[0]
        switch operation {
        case .convolution(let conv): return x.convolved(conv)
        case .dense(let dense):
            let rows = (0..<dense.outWidth).map { row in
                (0..<dense.inWidth).reduce(dense.bias?[row] ?? 0) {
                    $0 + dense.weight[row * dense.inWidth + $1] * x.values[$1]
                }
            }
            return PlainMap(shape: [dense.outWidth], values: rows)
        case .activation(let activation):
            return x.mapped { value in
                switch activation {
                case .identity: value
                case .relu: max(value, 0)
                case .relu6: min(max(value, 0), 6)
                case .hSwish: value * min(max(value + 3, 0), 6) / 6
                }
            }
        case .hardSigmoid: return x.mapped { min(max($0 + 3, 0), 6) / 6 }
        case .maxPooling(let size, let stride, let padding):
            return x.windows(size, stride, padding, after: padding) { $0.max() ?? 0 }
        case .meanPooling(let size, let overhang):
            return x.windows(size, size, 0, after: overhang) {
                $0.reduce(0, +) / Float($0.count)
            }
        case .mean:
            return x.windows(x.size, x.size, 0, after: 0) { $0.reduce(0, +) / Float($0.count) }
        case .flatten: return PlainMap(shape: [x.channels], values: x.values)
        case .sum:
            return PlainMap(shape: x.shape, values: zip(x.values, inputs[1].values).map { $0 + $1 })
        case .product:
            return PlainMap(
                shape: x.shape,
                values: x.values.indices.map { x.values[$0] * inputs[1].values[$0 / x.pixels] })
        }
    }

    private func mapped(_ body: (Float) -> Float) -> PlainMap {
        PlainMap(shape: shape, values: values.map(body))
    }

    /// The values of the channel at the window's pixels that lie inside the map, with the place in the window.
    private func window(_ channel: Int, _ top: Int, _ left: Int, _ side: Int) -> [(Int, Float)] {
        (0..<side * side).compactMap { place in
            let (y, x) = (top + place / side, left + place % side)
            guard (0..<size).contains(y), (0..<size).contains(x) else { return nil }
            return (place, values[channel * pixels + y * size + x])
        }
    }

    private func windows(
        _ side: Int, _ stride: Int, _ before: Int, after: Int, _ body: ([Float]) -> Float
    ) -> PlainMap {
        let out = (size + before + after - side) / stride + 1
        let all = (0..<channels * out * out).map { index in
            let (channel, place) = (index / (out * out), index % (out * out))
            return body(
                window(
                    channel, place / out * stride - before, place % out * stride - before, side
                ).map(\.1))
        }
        return PlainMap(shape: [channels, out, out], values: all)
    }

    private func convolved(_ conv: OperatorGraph.Convolution) -> PlainMap {
        let side = conv.kernel, out = (size + 2 * conv.padding - side) / conv.stride + 1
        let perGroup = conv.inWidth / conv.groups, outputs = conv.outWidth / conv.groups
        let all = (0..<conv.outWidth * out * out).map { index in
            let (channel, place) = (index / (out * out), index % (out * out))
            var sum = conv.bias[channel]
            for input in 0..<perGroup {
                let weights = (channel * perGroup + input) * side * side
                let from = channel / outputs * perGroup + input
                for (k, value) in window(
                    from, place / out * conv.stride - conv.padding,
                    place % out * conv.stride - conv.padding, side)
                { sum += conv.weight[weights + k] * value }
            }
            return sum
        }
        return PlainMap(shape: [conv.outWidth, out, out], values: all)
    }
}

// Quantised networks: their integers, the ranges of their maps, and how near they come to floats.
import Tensors
import TestSupport
import Testing

@testable import Networks

@Suite struct QuantisedGraphTests {
    /// The operators of a subnet and random images for it.
    private static func subnet(_ space: SearchSpace, _ config: SubnetConfig) throws -> (
        graph: OperatorGraph, shape: NetworkShape, network: Network
    ) {
        let network = try shakenNetwork(space, threads: 1)
        let shape = try NetworkShape(space, config)
        let own = network.extract(shape, statistics: network.weights.statistics)
        return (try OperatorGraph(shape, own), shape, network)
    }

    @Test(
        "a pass that shows every value ends in the network's logits",
        arguments: SearchSpace.tinyFamilies + [.tiny(activation: .hSwish)])
    func floatPass(space: SearchSpace) throws {
        for config in [space.largest, space.smallest] {
            let (graph, shape, network) = try Self.subnet(space, config)
            let images = randomImages(3, shape)
            let expected = network.forward(images, shape, mode: .running).values
            var shown: [Int] = [], last: [Float] = []
            GraphPass(graph, engine: network.engine).run(images) { value, map in
                shown.append(value)
                last = map.tensor.values
            }
            #expect(shown == Array(0...graph.nodes.count))
            // As in OperatorGraphTests: short sums in another order, in some 20 layers.
            #expect(relativeError(last, expected) < 1e-4)
        }
    }

    @Test(
        "eight bits give nearly the logits of floats, and mostly the same class",
        arguments: SearchSpace.tinyFamilies + [
            .tiny(activation: .hSwish), .tiny(activation: .relu6),
        ])
    func nearFloats(space: SearchSpace) throws {
        for config in [space.largest, space.smallest] {
            let (graph, shape, network) = try Self.subnet(space, config)
            let batches = (0..<4).map { randomImages(16, shape, seed: UInt64(10 + $0)) }
            let histograms = ActivationHistograms(
                graph, batches: batches, engine: network.engine)
            let images = randomImages(20, shape, seed: 3)
            let expected = network.forward(images, shape, mode: .running).values
            for rule in RangeRule.both {
                let made = try QuantisedGraph(graph, ranges: histograms.ranges(rule))
                #expect(made.weightBytes == NetworkCost(shape).eightBitBytes, "\(space.name)")
                let got = Self.logits(made, images)
                let error = zip(got, expected).reduce(Float(0)) {
                    $0 + ($1.0 - $1.1) * ($1.0 - $1.1)
                }
                let size = expected.reduce(Float(0)) { $0 + $1 * $1 }
                // A code is off by at most 1/510 of its map's range; some 20 maps follow each other.
                #expect((error / size).squareRoot() < 0.1, "\(space.name) \(rule)")
            }
        }
    }

    @Test("weights are integers with half a step of error, and biases have the scale of the sums")
    func weights() throws {
        let input = Quantisation(scale: 0.02, zero: 7)
        let made = QuantisedGraph.LinearWeights(
            [1.27, -0.3, 0.004, 0, 0, 0, 1e-3, -1e-3, 2e-3], bias: [0.5, 0, 1e9], outputs: 3,
            input: input)
        #expect(made.values.prefix(3) == [127, -30, 0] && abs(made.scales[0] - 0.01) < 1e-8)
        #expect(made.bias[0] == 2500 && made.bias[1] == 0)
        #expect(made.values[3..<6] == [0, 0, 0])
        // The third bias would need more than 30 bits, so the scale grows.
        #expect(abs(Int(made.bias[2]) - (1 << 29)) < 200)
        #expect(made.outputs == 3 && made.depth == 3)
    }

    @Test("a sum of convolution products is that computed by hand, with padding as the number 0")
    func convolution() {
        // One pixel of code 12 = (12 - 10) · 0.5, filters of 1, 2 … 9 around it, bias 4.
        let graph = QuantisedGraph(
            inputShape: [1, 1, 1], input: Quantisation(scale: 0.5, zero: 10),
            nodes: [
                .init(
                    name: "c",
                    operation: .convolution(
                        .init(
                            weights: .init(values: (1...9).map { $0 }, scales: [1], bias: [4]),
                            inWidth: 1, outWidth: 1, groups: 1, kernel: 3, stride: 1, padding: 1)),
                    inputs: [0], output: Quantisation(scale: 0.25, zero: 3)),
                .init(
                    name: "f", operation: .flatten, inputs: [1],
                    output: Quantisation(scale: 0.25, zero: 3)),
                .init(
                    name: "d",
                    operation: .dense(.init(values: [2, -3], scales: [1, 0.5], bias: [0, 10])),
                    inputs: [2], output: Quantisation(scale: 1, zero: 0)),
            ])
        let (codes, logits) = graph.run([1])
        #expect(codes[0].codes == [12])
        // (12 - 10) · 5 + 4 = 14 in units of 0.5, so 7, which is code 3 + 28.
        #expect(codes[1].codes == [31] && codes[2].codes == [31])
        // 28 · 2 · 0.25 · 1 and (28 · -3 + 10) · 0.25 · 0.5.
        let expected: [Float] = [14, -9.25]
        #expect(logits == expected)
        #expect(graph.classes == 2)
    }

    @Test(
        "codes after a ReLU6 end at 6 or before, and those before an h-swish begin at -3 or later")
    func bounds() throws {
        for activation in [Activation.relu6, .hSwish] {
            let space = SearchSpace.tiny(activation: activation)
            let (graph, _, _) = try Self.subnet(space, space.largest)
            let made = try QuantisedGraph(
                graph, ranges: Array(repeating: -50...50, count: graph.nodes.count + 1))
            #expect(!made.nodes.isEmpty)
            if activation == .relu6 {
                #expect(
                    made.nodes.contains {
                        $0.output.zero == 0 && abs($0.output.range.upperBound - 6) < 1e-4
                    })
            }
            for (index, node) in made.nodes.enumerated() {
                guard case .function(.hSwish) = node.operation else { continue }
                let before = made.quantisation(of: node.inputs[0])
                #expect(before.range.lowerBound > -3.2, "\(index)")
            }
            #expect(made.nodes.count < graph.nodes.count, "the other activations are no nodes")
        }
    }

    @Test("the better rule on held-out images is kept, and both are stated")
    func trials() throws {
        let space = SearchSpace.tiny()
        let (graph, shape, network) = try Self.subnet(space, space.largest)
        let images = randomImages(30, shape, seed: 5)
        let logits = network.forward(images, shape, mode: .running).values
        let labels = (0..<30).map { image in
            let row = logits[image * 5..<(image + 1) * 5]
            return Int32((row.firstIndex(of: row.max() ?? 0) ?? 0) - image * 5)
        }
        let engine = try CPUEngine(threads: 2)
        let made = try PostTrainingQuantisation(
            graph, calibration: [randomImages(40, shape, seed: 6)],
            heldOut: [.init(images, labels: labels)], engine: engine)
        #expect(made.trials.map(\.rule) == RangeRule.both)
        let best = made.trials.map(\.heldOutAccuracy).max() ?? 0
        #expect(made.trials.first { $0.rule == made.rule }?.heldOutAccuracy == best)
        #expect(best > 0.8, "the labels are the float network's own answers")
        let again = made.graph.accuracy([.init(images, labels: labels)], engine: engine)
        #expect(again == best)
    }

    @Test(
        "numbers that are not finite, and networks without a linear layer at the end, are refused")
    func refusals() throws {
        let space = SearchSpace.tiny()
        let (graph, shape, network) = try Self.subnet(space, space.largest)
        let images = randomImages(2, shape)
        images.tensor[3] = .nan
        let histograms = ActivationHistograms(graph, batches: [images], engine: network.engine)
        #expect(throws: NetworkError.self) {
            try QuantisedGraph(graph, ranges: histograms.ranges(.leastSquares))
        }
        let part = try OperatorGraph(part: Array(shape.layers.prefix(1)), seed: 1)
        #expect(throws: NetworkError.self) {
            try QuantisedGraph(
                part, ranges: Array(repeating: 0...1, count: part.nodes.count + 1))
        }
    }

    @Test("a percentile drops outliers, and least squares weighs them against steps")
    func rules() {
        var histogram = Histogram(-1...100)
        histogram.add((0..<100_000).map { Float($0 % 1000) / 1000 })
        histogram.add([100, -1])
        let cut = histogram.range(.percentile(0.999))
        #expect(cut.lowerBound > -0.1 && cut.upperBound < 1.1)
        let all = histogram.range(.percentile(1))
        #expect(all.lowerBound < -0.9 && all.upperBound > 99.9)
        // One outlier of 100 costs about 1e4, steps of 100 / 255 cost 100,000 · 0.0128.
        let least = histogram.range(.leastSquares)
        #expect(least.upperBound > 50)
        for _ in 0..<100 { histogram.add((0..<100_000).map { Float($0 % 1000) / 1000 }) }
        #expect(histogram.range(.leastSquares).upperBound < 50)
        #expect(Histogram(2...2).range(.leastSquares) == 2...2)
    }

    private static func logits(_ graph: QuantisedGraph, _ images: FeatureMap) -> [Float] {
        let numbers = images.tensor.values, perImage = images.pixels * images.channels
        return (0..<images.images).flatMap {
            graph.logits(Array(numbers[$0 * perImage..<($0 + 1) * perImage]))
        }
    }
}

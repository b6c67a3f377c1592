// Compiled passes on codes give exactly the logits of the plain interpreter, which is their definition.
import Tensors
import TestSupport
import Testing

@testable import Networks

@Suite struct CompiledQuantisedNetworkTests {
    @Test(
        "it gives the logits of the definition, to the bit, for every instruction set and number of threads",
        arguments: SearchSpace.tinyFamilies + [
            .tiny(channels: 3, activation: .hSwish), .tiny(activation: .relu6), smallProxyless,
        ])
    func logits(space: SearchSpace) throws {
        let network = try shakenNetwork(space, threads: 1)
        var stream = RandomStream(seed: 4)
        for config in [space.largest, space.smallest, space.sample(using: &stream)] {
            let shape = try NetworkShape(space, config)
            let own = network.extract(shape, statistics: network.weights.statistics)
            let graph = try OperatorGraph(shape, own)
            let histograms = ActivationHistograms(
                graph, batches: [randomImages(8, shape, seed: 2)], engine: network.engine)
            let made = try QuantisedGraph(graph, ranges: histograms.ranges(.percentile(0.9999)))
            let images = randomImages(3, shape, seed: 8)
            let numbers = images.tensor.values, perImage = numbers.count / 3
            let expected = (0..<3).flatMap {
                made.logits(Array(numbers[$0 * perImage..<($0 + 1) * perImage]))
            }
            #expect(Set(expected).count > 3, "the logits differ")
            for set in InstructionSet.available {
                for threads in [1, 3] {
                    let engine = try CPUEngine(threads: threads, instructionSet: set)
                    let compiled = CompiledQuantisedNetwork(made, images: 3, engine: engine)
                    for _ in 0..<3 {
                        #expect(
                            compiled.forward(images).values == expected,
                            "\(space.name) \(set), \(threads) threads")
                    }
                }
            }
        }
    }

    @Test("wide maps, which need several groups of planes, give the codes of the definition")
    func wide() throws {
        // 120 pixels a row with padding: 126 * 126 * 16 bytes a plane, two planes a group.
        let input = Quantisation(scale: 0.02, zero: 120), middle = Quantisation(scale: 0.1, zero: 7)
        var stream = RandomStream(seed: 3)
        func weights(_ outputs: Int, _ depth: Int) -> QuantisedGraph.LinearWeights {
            .init(
                values: (0..<outputs * depth).map { _ in Int8(stream.uniform() * 254 - 127) },
                scales: (0..<outputs).map { _ in 0.01 + 0.01 * stream.uniform() },
                bias: (0..<outputs).map { _ in Int32(stream.uniform() * 2000 - 1000) })
        }
        func conv(_ inputs: Int, _ outputs: Int, _ kernel: Int, groups: Int)
            -> QuantisedGraph.Operation
        {
            .convolution(
                .init(
                    weights: weights(outputs, inputs / groups * kernel * kernel), inWidth: inputs,
                    outWidth: outputs, groups: groups, kernel: kernel, stride: 1,
                    padding: kernel / 2))
        }
        let graph = QuantisedGraph(
            inputShape: [3, 120, 120], input: input,
            nodes: [
                .init(name: "a", operation: conv(3, 40, 1, groups: 1), inputs: [0], output: middle),
                .init(
                    name: "b", operation: conv(40, 40, 7, groups: 40), inputs: [1], output: input),
                .init(name: "c", operation: .mean, inputs: [2], output: middle),
                .init(name: "d", operation: .flatten, inputs: [3], output: middle),
                .init(name: "e", operation: .dense(weights(33, 40)), inputs: [4], output: middle),
            ])
        let image = (0..<3 * 120 * 120).map { _ in stream.normal() }
        let expected = graph.logits(image)
        for set in InstructionSet.available {
            let engine = try CPUEngine(threads: 2, instructionSet: set)
            let compiled = CompiledQuantisedNetwork(graph, images: 1, engine: engine)
            let images = FeatureMap(
                Tensor(image), images: 1, height: 120, width: 120, channels: 3)
            #expect(compiled.forward(images).values == expected, "\(set)")
        }
    }
}

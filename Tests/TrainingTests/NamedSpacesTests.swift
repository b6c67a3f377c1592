// Every space that has a name can be trained, the coupled ones too.
import Datasets
import Networks
import Tensors
import Testing

@testable import Training

@Suite struct NamedSpacesTests {
    /// The space with narrow layers and small grey images, its genes as they are.
    private func narrow(_ name: String) throws -> SearchSpace {
        var change = SpaceChange()
        (change.width, change.channels, change.classes) = (0.1, 1, 5)
        change.resolutions = [32, 40]
        let space = try SearchSpace.named(name).changed(change, name: name)
        try space.check()
        return space
    }

    /// A phase that opens everything, with these subnets a step.
    private func phase(
        _ space: SearchSpace, _ subnets: Int, _ sampling: TrainingPhase.Sampling
    ) -> TrainingPhase {
        TrainingPhase(
            name: "all", kernelSizes: space.kernelSizes, expandRatios: space.expandRatios,
            depths: space.depths,
            widths: Array(0..<(space.widthGenes.map(\.count).max() ?? 0)),
            resolutions: space.resolutions, subnets: subnets,
            sampling: sampling, epochs: 0.6, batch: 8, learningRate: 0.01, distillation: 1)
    }

    @Test(
        "three steps of training, with a teacher, and a measured subnet after them",
        arguments: SearchSpace.published.map(\.name), TrainingPhase.Sampling.allCases)
    func trains(name: String, sampling: TrainingPhase.Sampling) throws {
        let space = try narrow(name), fixture = try TrainingFixture()
        func network(_ seed: UInt64) throws -> Network {
            try Network(
                supernet: try Weights(supernetOf: space, seed: seed), of: space,
                engine: try CPUEngine(threads: 2))
        }
        let trainer = try Trainer(
            try network(1), of: space, phase: phase(space, 3, sampling), teacher: try network(2),
            data: fixture.data, seed: 4)
        #expect(trainer.steps == 3)
        while !trainer.isFinished { #expect(try trainer.trainStep().loss.isFinite) }
        #expect(trainer.skipped == 0)
        try trainer.checkFinite()
        let shape = try NetworkShape(space, space.smallest)
        let evaluator = Evaluator(trainer.network, calibrationBatch: 20)
        let statistics = try evaluator.calibrate(shape, data: fixture.data, count: 40, seed: 1)
        let result = try evaluator.measure(
            shape, statistics: statistics, loader: fixture.data.loader, images: fixture.heldOut)
        #expect(result.loss.isFinite && result.images == fixture.heldOut.count)
    }

    @Test(
        "what a phase draws, and the networks that it makes room for, belong to the space",
        arguments: SearchSpace.published.map(\.name))
    func draws(name: String) throws {
        let space = try SearchSpace.named(name)
        for sampling in TrainingPhase.Sampling.allCases {
            let phase = phase(space, 2, sampling)
            try phase.validate(in: space)
            var stream = RandomStream(seed: 3), config = space.largest
            let open = try phase.open(in: space)
            for position in 0..<200 {
                phase.draw(
                    position % 4, into: &config, resolution: space.resolutions[0], of: open,
                    using: &stream)
                try space.validate(config)
                #expect(phase.domain(in: space).outside(config, in: space) == nil)
            }
            #expect(!(try phase.roomiest(in: space)).isEmpty)
        }
    }
}

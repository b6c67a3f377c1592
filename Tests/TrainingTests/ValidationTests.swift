// Validation: it looks, and changes nothing.
import Networks
import TestSupport
import Testing

@testable import Training

@Suite struct ValidationTests {
    private func validation(_ trainer: Trainer, _ fixture: TrainingFixture, _ phase: TrainingPhase)
        throws -> Validation
    {
        try Validation(
            trainer.network, of: fixture.space, domain: phase.domain(in: fixture.space),
            data: fixture.data, heldOut: fixture.heldOut, seed: 3)
    }

    @Test(
        "a training with validations in between ends with the same bits as one without",
        arguments: [1, 2])
    func sameBits(threads: Int) throws {
        let fixture = try TrainingFixture()
        var phase = fixture.phase()
        phase.distillation = 1
        let teacher = try fixture.network(threads: threads, seed: 9)
        func train(validating: Bool) throws -> Trainer.State {
            let trainer = try fixture.trainer(
                phase, network: fixture.network(threads: threads), teacher: teacher)
            let validation = try validation(trainer, fixture, phase)
            while !trainer.isFinished {
                _ = try trainer.trainStep()
                if validating {
                    let before = trainer.state.arrays.map(\.values)
                    _ = try validation.measure()
                    #expect(trainer.state.arrays.map(\.values) == before)
                }
            }
            return trainer.state
        }
        let with = try train(validating: true), without = try train(validating: false)
        #expect(with.step == without.step && with.skipped == without.skipped)
        #expect(with.arrays.map(\.values) == without.arrays.map(\.values))
    }

    @Test(
        "it measures the ends and the middle of what is trained, each calibrated, as an evaluation does"
    )
    func members() throws {
        let fixture = try TrainingFixture()
        let phase = fixture.phase(epochs: 1)
        let trainer = try fixture.trainer(phase)
        while !trainer.isFinished { _ = try trainer.trainStep() }
        let validation = try validation(trainer, fixture, phase)
        #expect(validation.members.map(\.member) == [.largest, .middle, .smallest])
        let configs = validation.members.map(\.config)
        #expect(configs[0] == fixture.space.largest && configs[2] == fixture.space.smallest)
        #expect(configs[1].kernelSizes.contains(5) && configs[1].expandRatios.contains(3))
        var shares: [Double] = []
        let measured = try validation.measure { shares.append($0) }
        // Batches that other lanes measure are not told of, so the last share may be below 1.
        #expect(!shares.isEmpty && shares == shares.sorted() && shares.allSatisfy { $0 <= 1 })
        let evaluator = Evaluator(trainer.network.sharing(on: trainer.network.engine))
        for one in measured {
            let shape = try NetworkShape(fixture.space, one.config)
            let statistics = try evaluator.calibrate(shape, data: fixture.data, seed: 3)
            let data = fixture.data
            let expected = try evaluator.measure(
                shape, statistics: statistics, loader: data.loader, images: fixture.heldOut)
            #expect(one.result == expected && one.result.images == fixture.heldOut.count)
        }
        #expect(try validation.measure().map(\.result) == measured.map(\.result))
    }

    @Test("equal networks are measured once, and stand under each of their names")
    func oneNetwork() throws {
        let fixture = try TrainingFixture()
        var phase = fixture.phase()
        (phase.kernelSizes, phase.expandRatios, phase.depths) = ([7], [4], [2])
        let trainer = try fixture.trainer(phase)
        let two = try validation(trainer, fixture, phase)
        #expect(two.configs.count == 2)
        let measured = try two.measure()
        #expect(measured.map(\.member) == [.largest, .middle, .smallest])
        // The middle of two image sizes is the larger one.
        #expect(measured[0].result == measured[1].result && measured[0].config == two.configs[0])
        #expect(measured[2].config == two.configs[1])
        phase.resolutions = [10]
        #expect(try validation(trainer, fixture, phase).configs.count == 1)
    }

    @Test(
        "a network that is trained alone is the only one that is measured, and nothing of it changes"
    )
    func alone() throws {
        let fixture = try TrainingFixture(), space = fixture.space, data = fixture.data
        let phase = fixture.phase(epochs: 1), supernet = try fixture.network()
        let place = try NetworkShape(space, space.smallest)
        let (network, shape) = Network.alone(
            supernet.extract(place, statistics: supernet.weights.statistics), place,
            engine: supernet.engine)
        var single = phase
        (single.subnets, single.resolutions) = (1, [space.smallest.resolution])
        let trainer = try Trainer(
            network, of: space, phase: single, teacher: nil, data: data, seed: 2, alone: shape)
        while !trainer.isFinished { _ = try trainer.trainStep() }
        let validation = Validation(
            alone: network, shape, space.smallest, of: space, data: data, heldOut: fixture.heldOut,
            seed: 3)
        let before = trainer.state.arrays.map(\.values)
        let measured = try validation.measure()
        #expect(trainer.state.arrays.map(\.values) == before)
        #expect(measured.map(\.member) == [.largest])
        #expect(measured[0].config == space.smallest)
        let evaluator = Evaluator(network.sharing(on: network.engine))
        let statistics = try evaluator.calibrate(shape, data: data, seed: 3)
        let expected = try evaluator.measure(
            shape, statistics: statistics, loader: data.loader, images: fixture.heldOut)
        #expect(measured[0].result == expected)
    }

    @Test("a calibration batch has as many pixels at any size above 64, and at least 25 images")
    func batches() {
        #expect([20, 64].map(Validation.calibrationBatch) == [200, 200])
        #expect([96, 128, 160, 224].map(Validation.calibrationBatch) == [88, 50, 32, 25])
    }

    @Test("an error of the caller ends it")
    func stopped() throws {
        struct Stop: Error {}
        let fixture = try TrainingFixture(), phase = fixture.phase()
        let validation = try validation(try fixture.trainer(phase), fixture, phase)
        #expect(throws: Stop.self) { try validation.measure { _ in throw Stop() } }
    }
}

// One extracted network trained further: it learns alone, and a training that is killed goes on with the same bits.
import Datasets
import Networks
import Tensors
import TestSupport
import Testing

@testable import Training

@Suite struct FineTuningTrainerTests {
    /// A network of kernel sizes and ratios between the ends, extracted from a fresh supernet.
    private func extracted(_ fixture: TrainingFixture, threads: Int = 2) throws -> (
        network: Network, shape: NetworkShape
    ) {
        var config = fixture.space.largest
        config.kernelSizes = [3, 7, 5, 5]
        config.expandRatios = [4, 2, 3, 2]
        config.depths = [2, 1]
        config.resolution = 8
        let supernet = try fixture.network(threads: threads)
        let shape = try NetworkShape(fixture.space, config)
        return Network.alone(
            supernet.extract(shape, statistics: supernet.weights.statistics), shape,
            engine: supernet.engine)
    }

    private func trainer(_ fixture: TrainingFixture, teacher: Network? = nil, threads: Int = 2)
        throws -> Trainer
    {
        let (network, shape) = try extracted(fixture, threads: threads)
        var phase = fixture.phase(epochs: 8, rate: 0.05)
        (phase.subnets, phase.resolutions) = (1, [8])
        phase.distillation = teacher == nil ? 0 : 1
        return try Trainer(
            network, of: fixture.space, phase: phase, teacher: teacher, data: fixture.data, seed: 2,
            alone: shape)
    }

    @Test("a network learns alone, and all its parameters move")
    func learns() throws {
        let fixture = try TrainingFixture(count: 168)
        let trainer = try trainer(fixture)
        let before = trainer.network.weights.copy()
        var losses: [Double] = []
        while !trainer.isFinished { losses.append(try trainer.trainStep().loss) }
        func mean(_ values: some Collection<Double>) -> Double {
            values.reduce(0, +) / Double(values.count)
        }
        #expect(losses.count == 160 && trainer.skipped == 0)
        #expect(mean(losses.suffix(20)) < 0.8 * mean(losses.prefix(20)))
        for (parameter, values) in trainer.network.weights.named {
            #expect(try before.values(parameter.name) != values, "\(parameter.name)")
        }
    }

    @Test("killed at any step and restored, it ends with the same bits", arguments: [1, 7, 39])
    func restored(at kill: Int) throws {
        let fixture = try TrainingFixture()
        let teacher = try fixture.network(seed: 9)
        let whole = try trainer(fixture, teacher: teacher)
        while !whole.isFinished { _ = try whole.trainStep() }
        let first = try trainer(fixture, teacher: teacher)
        for _ in 0..<kill { _ = try first.trainStep() }
        let second = try trainer(fixture, teacher: teacher)
        second.network.weights.shake()
        try second.restore(first.state)
        while !second.isFinished { _ = try second.trainStep() }
        #expect(second.state.arrays.map(\.values) == whole.state.arrays.map(\.values))
    }
}

// Micro-batches: a large batch in passes of fewer images, the same gradient but for batch norm.
import Datasets
import Networks
import Tensors
import TestSupport
import Testing

@testable import Training

@Suite struct MicroBatchTests {
    /// A phase whose first step leaves the gradient as the momentum.
    private func phase(_ fixture: TrainingFixture, microBatch: Int?) -> TrainingPhase {
        var phase = fixture.phase()
        (phase.weightDecay, phase.warmupEpochs, phase.distillation) = (0, 0, 1)
        phase.microBatch = microBatch
        return phase
    }

    /// The gradient of the first step, what the step reported, and the memory of its passes.
    private func step(
        _ fixture: TrainingFixture, microBatch: Int?, augmentation: Augmentation? = nil
    ) throws -> (gradient: [Float], result: Trainer.StepResult, workspaceBytes: Int) {
        var phase = phase(fixture, microBatch: microBatch)
        phase.augmentation = augmentation ?? phase.augmentation
        let trainer = try fixture.trainer(phase, teacher: fixture.network(seed: 9))
        let result = try trainer.trainStep()
        let momentum = trainer.state.arrays.filter { $0.name.hasPrefix("momentum/") }
        return (momentum.flatMap(\.values), result, trainer.network.workspaceBytes)
    }

    @Test(
        "where batch norm sees the same in each, micro-batches give the gradient of the batch",
        arguments: [2, 4])
    func gradient(microBatch: Int) throws {
        // Equal images of different labels: each micro-batch has the statistics of all. Without augmentation they stay
        // equal; dropout draws for each position of the batch, and is on.
        let fixture = try TrainingFixture { images, _ in
            for i in 100..<images.count { images[i] = images[i - 100] }
        }
        let whole = try step(fixture, microBatch: nil, augmentation: Augmentation.none)
        let parts = try step(fixture, microBatch: microBatch, augmentation: Augmentation.none)
        let norm = whole.gradient.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        let apart = zip(whole.gradient, parts.gradient).reduce(0.0) {
            $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1)
        }.squareRoot()
        // Sums over at most 8 images of 100 pixels in another order, some 800 roundings of 2^-24 that mostly cancel
        // (28 of them remain), through some twenty layers: 3.4e-5 of the norm.
        #expect(norm > 0.01 && apart < 28 * 20 * 0x1p-24 * norm, "\(apart) of \(norm)")
        #expect(abs(whole.result.loss - parts.result.loss) < 1e-5)
        #expect(whole.result.accuracy == parts.result.accuracy)
        // What is reported is that norm.
        #expect(abs(whole.result.gradientNorm - norm) < 1e-5 * norm)
        #expect(parts.workspaceBytes < whole.workspaceBytes)
    }

    @Test("with different images the gradients differ by batch norm, and both train")
    func different() throws {
        let fixture = try TrainingFixture()
        let whole = try step(fixture, microBatch: nil), parts = try step(fixture, microBatch: 4)
        #expect(whole.gradient != parts.gradient)
        #expect(parts.result.loss.isFinite && parts.result.gradientNorm > 0)
        #expect(try step(fixture, microBatch: 8).gradient == whole.gradient)
    }

    @Test("killed between steps and restored, it ends with the same bits")
    func restored() throws {
        let fixture = try TrainingFixture()
        func trainer() throws -> Trainer {
            try fixture.trainer(
                phase(fixture, microBatch: 4), teacher: fixture.network(seed: 9))
        }
        let whole = try trainer(), first = try trainer(), second = try trainer()
        while !whole.isFinished { _ = try whole.trainStep() }
        for _ in 0..<7 { _ = try first.trainStep() }
        try second.restore(first.state)
        while !second.isFinished { _ = try second.trainStep() }
        #expect(second.state.arrays.map(\.values) == whole.state.arrays.map(\.values))
    }

    @Test("a step that is skipped in one of its micro-batches leaves nothing behind")
    func skipped() throws {
        let fixture = try TrainingFixture(), network = try fixture.network()
        let trainer = try fixture.trainer(
            phase(fixture, microBatch: 2), network: network, teacher: fixture.network(seed: 9))
        _ = try trainer.trainStep()
        let name = "classifier.linear.bias", good = try network.weights.values(name)
        try network.weights.set(name, to: good.map { _ in .nan })
        let before = trainer.state
        #expect(!(try trainer.trainStep().gradientNorm.isFinite))
        for (old, new) in zip(before.arrays, trainer.state.arrays)
        where old.name != name && old.name != "touched" {
            #expect(old.values == new.values, "\(old.name) changed in a skipped step")
        }
        try network.weights.set(name, to: good)
        #expect(try trainer.trainStep().loss.isFinite && trainer.skipped == 1)
    }
}

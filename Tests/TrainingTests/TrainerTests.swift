// Training: it learns, it can be killed anywhere, and it looks at nothing it may not see.
import Datasets
import Networks
import Tensors
import TestSupport
import Testing

@testable import Training

@Suite struct TrainerTests {
    private func weights(_ trainer: Trainer) -> [Float] {
        trainer.network.weights.parameters.all.values
            + trainer.network.weights.statistics.all.values
    }

    @Test("the loss falls and the answers get better on a data set that can be learned")
    func learns() throws {
        let fixture = try TrainingFixture(count: 168)
        let trainer = try fixture.trainer(fixture.phase(epochs: 8))
        var losses: [Double] = [], accuracies: [Double] = []
        while !trainer.isFinished {
            let result = try trainer.trainStep()
            losses.append(result.loss)
            accuracies.append(result.accuracy)
        }
        #expect(losses.count == 160 && trainer.skipped == 0)
        func mean(_ values: some Collection<Double>) -> Double {
            values.reduce(0, +) / Double(values.count)
        }
        #expect(mean(losses.suffix(20)) < 0.7 * mean(losses.prefix(20)))
        #expect(mean(accuracies.suffix(20)) > mean(accuracies.prefix(20)) + 0.3)
    }

    @Test(
        "killed at any step and restored, it ends with the same bits", arguments: [1, 2, 3],
        [1, 7, 19])
    func restored(threads: Int, at kill: Int) throws {
        let fixture = try TrainingFixture()
        var phase = fixture.phase()
        phase.distillation = 1
        let teacher = try fixture.network(threads: threads, seed: 9)
        func start() throws -> Trainer {
            try fixture.trainer(phase, network: fixture.network(threads: threads), teacher: teacher)
        }
        let whole = try start()
        var losses: [Double] = []
        while !whole.isFinished { losses.append(try whole.trainStep().loss) }
        let first = try start()
        for _ in 0..<kill { _ = try first.trainStep() }
        let second = try start()
        // Whatever the new trainer's network held is overwritten.
        second.network.weights.shake()
        try second.restore(first.state)
        #expect(second.step == kill)
        var resumed: [Double] = []
        while !second.isFinished { resumed.append(try second.trainStep().loss) }
        #expect(resumed == Array(losses.dropFirst(kill)))
        #expect(weights(second) == weights(whole))
        #expect(second.state.arrays.map(\.values) == whole.state.arrays.map(\.values))
    }

    @Test("a trainer that has begun goes back to a saved state: batches made ahead are dropped")
    func restoredInPlace() throws {
        let fixture = try TrainingFixture()
        let trainer = try fixture.trainer(fixture.phase())
        for _ in 0..<3 { _ = try trainer.trainStep() }
        let saved = trainer.state
        let losses = try (0..<4).map { _ in try trainer.trainStep().loss }
        try trainer.restore(saved)
        #expect(try (0..<4).map { _ in try trainer.trainStep().loss } == losses)
    }

    @Test("the order of an epoch is a permutation that seed and epoch decide")
    func order() throws {
        let fixture = try TrainingFixture(), data = fixture.data
        let first = data.order(seed: 1, epoch: 0)
        #expect(first.sorted() == fixture.training)
        #expect(data.order(seed: 1, epoch: 1) != first && data.order(seed: 2, epoch: 0) != first)
        #expect(data.order(seed: 1, epoch: 0) == first)
    }

    @Test("a step with a loss that is not finite is skipped and counted, and leaves nothing behind")
    func skipped() throws {
        let fixture = try TrainingFixture(), network = try fixture.network()
        let trainer = try fixture.trainer(fixture.phase(), network: network)
        for _ in 0..<3 { _ = try trainer.trainStep() }
        let name = "first_conv.conv.weight", good = try network.weights.values(name)
        try network.weights.set(name, to: good.map { _ in .nan })
        let before = trainer.state
        let result = try trainer.trainStep()
        #expect(!result.loss.isFinite && trainer.skipped == 1 && trainer.step == 4)
        for (old, new) in zip(before.arrays, trainer.state.arrays) where old.name != name {
            #expect(old.values == new.values, "\(old.name) changed in a skipped step")
        }
        #expect(network.gradients.all.values.allSatisfy { $0 == 0 })
        try network.weights.set(name, to: good)
        #expect(try trainer.trainStep().loss.isFinite)
        #expect(trainer.skipped == 1)
    }

    /// Gives the network gradients that overflow where the loss is finite: a feature that is 0 has a huge weight, and
    /// the features before it are large.
    private func makeGradientsOverflow(_ network: Network) throws {
        let weights = network.weights
        try weights.set(
            "final_expand_layer.bn.bias",
            to: weights.values("final_expand_layer.bn.bias").map { _ in 100 })
        let mix = "feature_mix_layer.conv.weight", classifier = "classifier.linear.weight"
        var rows = try weights.values(mix), last = try weights.values(classifier)
        let inputs = rows.count / (last.count / 5)
        for i in 0..<inputs { rows[i] = 0 }
        last[0] = 3e38
        try weights.set(mix, to: rows)
        try weights.set(classifier, to: last)
    }

    @Test("gradients that are not finite never reach the weights, though the loss is finite")
    func overflow() throws {
        let fixture = try TrainingFixture(), network = try fixture.network()
        let trainer = try fixture.trainer(fixture.phase(), network: network)
        for _ in 0..<3 { _ = try trainer.trainStep() }
        let good = trainer.state
        try makeGradientsOverflow(network)
        let before = trainer.state
        let result = try trainer.trainStep()
        #expect(result.loss.isFinite && trainer.skipped == 1 && trainer.step == 4)
        for (old, new) in zip(before.arrays, trainer.state.arrays) {
            #expect(old.values == new.values, "\(old.name) changed in a skipped step")
        }
        #expect(network.gradients.all.values.allSatisfy { $0 == 0 })
        try trainer.checkFinite()
        for (name, _, values) in good.arrays where network.weights.layout.parameter(name) != nil {
            try network.weights.set(name, to: values)
        }
        #expect(try trainer.trainStep().loss.isFinite && trainer.skipped == 1)
    }

    @Test("gradients that stay not finite have diverged, as a loss has")
    func gradientsDiverged() throws {
        let fixture = try TrainingFixture(), network = try fixture.network()
        let trainer = try fixture.trainer(fixture.phase(epochs: 20), network: network)
        try makeGradientsOverflow(network)
        for _ in 0..<20 { _ = try trainer.trainStep() }
        let error = #expect(throws: TrainingError.self) { _ = try trainer.trainStep() }
        #expect(error?.code == .diverged && error?.message.contains("gradients") == true)
    }

    @Test("a state with a number that is not finite is not saved, and the error names it")
    func checkpoint() throws {
        let fixture = try TrainingFixture(), network = try fixture.network()
        let trainer = try fixture.trainer(fixture.phase(), network: network)
        _ = try trainer.trainStep()
        let good = try trainer.checkpoint()
        for name in ["running_var", "classifier.linear.bias", "momentum"] {
            var bad = good
            let place = try #require(bad.arrays.firstIndex { $0.name.contains(name) })
            bad.arrays[place].values[0] = .infinity
            try trainer.restore(bad)
            let error = #expect(throws: TrainingError.self) { _ = try trainer.checkpoint() }
            #expect(error?.code == .diverged && error?.message.contains(name) == true)
        }
        try trainer.restore(good)
        _ = try trainer.checkpoint()
    }

    @Test("too many skipped steps in a row have diverged, and the error says what to change")
    func diverged() throws {
        let fixture = try TrainingFixture(), network = try fixture.network()
        let trainer = try fixture.trainer(fixture.phase(epochs: 20), network: network)
        try network.weights.set("classifier.linear.bias", to: [.nan, 0, 0, 0, 0])
        var steps = 0
        let error = #expect(throws: TrainingError.self) {
            while true {
                _ = try trainer.trainStep()
                steps += 1
            }
        }
        #expect(error?.code == .diverged && steps == 20)
        #expect(error?.message.contains("learning_rate") == true)
    }

    @Test("held-out images are never read: other pixels and labels there train the same weights")
    func heldOut() throws {
        func train(_ fixture: TrainingFixture) throws -> [Float] {
            let trainer = try fixture.trainer(fixture.phase())
            while !trainer.isFinished { _ = try trainer.trainStep() }
            let shape = try NetworkShape(fixture.space, fixture.space.smallest)
            let statistics = try Evaluator(trainer.network, calibrationBatch: 8).calibrate(
                shape, data: fixture.data, count: 32, seed: 1)
            return weights(trainer) + statistics.all.values
        }
        let clean = try train(try TrainingFixture())
        let poisoned = try train(
            try TrainingFixture { images, labels in
                for i in 40 * 100..<images.count { images[i] = 255 - images[i] }
                for i in 40..<labels.count { labels[i] = 4 - labels[i] }
            })
        #expect(clean == poisoned)
        // The same poison in one training image is seen.
        let seen = try train(
            try TrainingFixture { images, _ in for i in 0..<100 { images[i] = 255 - images[i] } })
        #expect(clean != seen)
    }

    @Test("another seed trains other weights")
    func seeds() throws {
        let fixture = try TrainingFixture()
        let trainers = try [2, 3].map { try fixture.trainer(fixture.phase(epochs: 1), seed: $0) }
        for trainer in trainers { while !trainer.isFinished { _ = try trainer.trainStep() } }
        #expect(weights(trainers[0]) != weights(trainers[1]))
    }

    @Test("a state of another phase or space is refused, naming what does not fit")
    func wrongState() throws {
        let fixture = try TrainingFixture(), trainer = try fixture.trainer(fixture.phase(epochs: 1))
        func code(_ change: (inout Trainer.State) -> Void) -> TrainingError? {
            var state = trainer.state
            change(&state)
            return #expect(throws: TrainingError.self) { try trainer.restore(state) }
        }
        #expect(code { $0.step = 6 }?.message.contains("step 6") == true)
        #expect(code { $0.step = -1 }?.code == .invalidCheckpoint)
        #expect(
            code { $0.arrays.removeAll { $0.name == "touched" } }?.message.contains("touched")
                == true)
        let name = "momentum/classifier.linear.bias"
        #expect(code { $0.arrays.removeAll { $0.name == name } }?.message.contains(name) == true)
        let longer = code { state in
            for i in state.arrays.indices where state.arrays[i].name == "classifier.linear.bias" {
                state.arrays[i].values.append(0)
            }
        }
        #expect(longer?.code == .invalidCheckpoint)
    }

    @Test("a phase that cannot begin is refused")
    func impossible() throws {
        let fixture = try TrainingFixture()
        var phase = fixture.phase()
        phase.distillation = 1
        let teacherless = #expect(throws: TrainingError.self) { try fixture.trainer(phase) }
        #expect(teacherless?.message.contains("full network") == true)
        phase = fixture.phase()
        phase.batch = 41
        let large = #expect(throws: TrainingError.self) { try fixture.trainer(phase) }
        #expect(large?.message.contains("41") == true && large?.message.contains("40") == true)
    }

    @Test(
        "transform matrices are not pulled towards zero, and a parameter rests until a subnet uses it"
    )
    func decay() throws {
        let fixture = try TrainingFixture()
        var phase = fixture.phase()
        (phase.kernelSizes, phase.expandRatios, phase.depths, phase.weightDecay) = (
            [7], [4], [2], 0.5
        )
        let trainer = try fixture.trainer(phase)
        let name = "blocks.1.conv.depth_conv.conv.7to5_matrix"
        let before = try trainer.network.weights.values(name)
        while !trainer.isFinished { _ = try trainer.trainStep() }
        #expect(try trainer.network.weights.values(name) == before)
    }
}

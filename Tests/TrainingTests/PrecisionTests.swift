// Training with 16-bit maps: it learns as with float32, and it can be killed anywhere.
import Networks
import TestSupport
import Testing

@testable import Tensors
@testable import Training

@Suite struct PrecisionTests {
    private func losses(_ trainer: Trainer) throws -> [Double] {
        var losses: [Double] = []
        while !trainer.isFinished { losses.append(try trainer.trainStep().loss) }
        return losses
    }

    @Test("the loss falls as far as with float32", arguments: InstructionSet.available.suffix(2))
    func learns(set: InstructionSet) throws {
        let fixture = try TrainingFixture(count: 168)
        func end(_ precision: MapFormat?) throws -> (first: Double, last: Double) {
            var phase = fixture.phase(epochs: 8)
            phase.precision = precision
            let network = try Network(
                supernet: try Weights(supernetOf: fixture.space, seed: 1), of: fixture.space,
                engine: try CPUEngine(threads: 2, instructionSet: set))
            let trainer = try fixture.trainer(phase, network: network)
            let found = try losses(trainer)
            #expect(found.count == 160 && trainer.skipped == 0)
            func mean(_ values: ArraySlice<Double>) -> Double { values.reduce(0, +) / 20 }
            return (mean(found.prefix(20)), mean(found.suffix(20)))
        }
        let half = try end(.bfloat16), whole = try end(nil)
        #expect(half.last < 0.7 * half.first, "\(set): \(half)")
        // Two seeds of the same training end further apart than this.
        #expect(abs(half.last - whole.last) < 0.1 * whole.first, "\(set): \(half), \(whole)")
        #expect(half.last != whole.last)
    }

    @Test(
        "killed at any step and restored, it ends with the same bits", arguments: [1, 2], [1, 7])
    func restored(threads: Int, at kill: Int) throws {
        let fixture = try TrainingFixture()
        var phase = fixture.phase(epochs: 2)
        phase.precision = .bfloat16
        func start() throws -> Trainer {
            try fixture.trainer(phase, network: fixture.network(threads: threads))
        }
        let whole = try start(), expected = try losses(whole), first = try start()
        for _ in 0..<kill { _ = try first.trainStep() }
        let second = try start()
        second.network.weights.shake()
        try second.restore(first.state)
        #expect(try losses(second) == Array(expected.dropFirst(kill)))
        #expect(second.state.arrays.map(\.values) == whole.state.arrays.map(\.values))
    }

    @Test("a space whose layers take float32 maps only is refused, naming the layer")
    func refused() throws {
        let space = SearchSpace.tinyResNet
        var phase = TrainingPhase(
            name: "full", kernelSizes: space.kernelSizes, expandRatios: space.expandRatios,
            depths: space.depths, widths: [0, 1], resolutions: space.resolutions, epochs: 1,
            learningRate: 0.1)
        try phase.validate(in: space)
        phase.precision = .bfloat16
        let error = #expect(throws: TrainingError.self) { try phase.validate(in: space) }
        #expect(error?.field == "precision" && error?.message.contains("float32") == true)
    }
}

// A phase's settings: every senseless one is an error that names its field; what is drawn stays within the choices.
import Foundation
import Networks
import Tensors
import TestSupport
import Testing

@testable import Training

@Suite struct TrainingPhaseTests {
    private let space = SearchSpace.tiny()
    private let phase = TrainingPhase(
        name: "depth", kernelSizes: [3, 7], expandRatios: [2, 4], depths: [1, 2], resolutions: [8],
        subnets: 2, epochs: 1,
        learningRate: 0.1)

    @Test("every senseless setting is an error that names the phase and the field")
    func errors() throws {
        try phase.validate(in: space)
        let changes: [(String, (inout TrainingPhase) -> Void)] = [
            ("kernel_sizes", { $0.kernelSizes = [3, 4] }),
            ("kernel_sizes", { $0.kernelSizes = [] }),
            ("expand_ratios", { $0.expandRatios = [6] }), ("depths", { $0.depths = [0] }),
            ("resolutions", { $0.resolutions = [9] }), ("epochs", { $0.epochs = 0 }),
            ("epochs", { $0.epochs = .nan }),
            ("learning_rate", { $0.learningRate = 0 }),
            ("learning_rate", { $0.learningRate = .infinity }),
            ("label_smoothing", { $0.labelSmoothing = 1 }), ("dropout", { $0.dropout = 1 }),
            ("distillation", { $0.distillation = -1 }), ("momentum", { $0.momentum = 1 }),
            ("weight_decay", { $0.weightDecay = -1 }), ("warmup_epochs", { $0.warmupEpochs = 2 }),
            ("augmentation.min_area", { $0.augmentation.minArea = 0 }),
            ("augmentation.max_aspect", { $0.augmentation.maxAspect = 0.9 }),
            ("augmentation.shift", { $0.augmentation.shift = -1 }),
            ("augmentation.brightness", { $0.augmentation.brightness = 1.5 }),
            ("augmentation.saturation", { $0.augmentation.saturation = .nan }),
            ("subnets", { $0.subnets = 0 }),
            ("batch", { $0.batch = 1 }),
            ("micro_batch", { $0.microBatch = 1 }), ("micro_batch", { $0.microBatch = 48 }),
            ("micro_batch", { $0.microBatch = 128 }),
            ("subnets", { ($0.sampling, $0.subnets) = (.sandwich, 1) }),
        ]
        for (field, change) in changes {
            var wrong = phase
            change(&wrong)
            let error = #expect(throws: TrainingError.self) { try wrong.validate(in: space) }
            #expect(error?.code == .invalidParameters && error?.field == field)
            #expect(
                error?.message.hasPrefix("phase depth: \(field) ") == true,
                "\(field): \(error?.message ?? "")")
        }
    }

    private func drawn(
        _ position: Int, of phase: TrainingPhase, using stream: inout RandomStream
    ) throws -> SubnetConfig {
        var config = space.largest
        let open = try phase.open(in: space)
        phase.draw(position, into: &config, resolution: 8, of: open, using: &stream)
        return config
    }

    @Test("random subnets have only genes of the phase, and all of them")
    func random() throws {
        var stream = RandomStream(seed: 1), kernels: Set<Int> = [], depths: Set<Int> = []
        for position in 0..<200 {
            let config = try drawn(position % 2, of: phase, using: &stream)
            try space.validateGenes(config)
            kernels.formUnion(config.kernelSizes)
            depths.formUnion(config.depths)
            #expect(config.resolution == 8 && Set(config.expandRatios).isSubset(of: [2, 4]))
        }
        #expect(kernels == [3, 7] && depths == [1, 2])
    }

    @Test("a sandwich has the largest, the smallest, then random ones")
    func sandwich() throws {
        var phase = phase, stream = RandomStream(seed: 1)
        phase.sampling = .sandwich
        let largest = try drawn(0, of: phase, using: &stream)
        #expect(
            Set(largest.kernelSizes) == [7] && Set(largest.expandRatios) == [4]
                && Set(largest.depths) == [2])
        let smallest = try drawn(1, of: phase, using: &stream)
        #expect(
            Set(smallest.kernelSizes) == [3] && Set(smallest.expandRatios) == [2]
                && Set(smallest.depths) == [1])
        let others = try (0..<20).map { _ in try drawn(2, of: phase, using: &stream) }
        #expect(Set(others).count > 10)
    }

    @Test("a phase survives JSON")
    func json() throws {
        let data = try JSONEncoder().encode(phase)
        #expect(try JSONDecoder().decode(TrainingPhase.self, from: data) == phase)
    }
}

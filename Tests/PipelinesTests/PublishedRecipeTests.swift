// pipelines/ofa-mbv3-imagenet.yaml has the numbers of the published training (Cai et al., ICLR
// 2020, and its reference code).
import Datasets
import Networks
import Testing

@testable import Pipelines
@testable import Training

@Suite struct PublishedRecipeTests {
    private let definition: PipelineDefinition

    init() throws {
        definition = try PipelineDefinition(
            path: package.appending(path: "pipelines/ofa-mbv3-imagenet.yaml").path)
    }

    private var phases: [(name: String, train: StageParameters.Train)] {
        definition.stages.compactMap { stage in
            guard case .train(let train) = stage.parameters else { return nil }
            return (stage.name, train)
        }
    }

    @Test("the phases of ofa-mbv3-imagenet.yaml are those of the publication")
    func phasesInOrder() {
        let published:
            [(name: String, epochs: Double, warmup: Double, rate: Double, subnets: Int)] = [
                ("full", 180, 0, 2.6, 1), ("kernel", 125, 5, 0.96, 1), ("depth-1", 25, 0, 0.08, 2),
                ("depth-2", 125, 5, 0.24, 2), ("expand-1", 25, 0, 0.08, 4),
                ("expand-2", 125, 5, 0.24, 4),
            ]
        #expect(phases.map(\.name) == published.map(\.name))
        for ((name, train), row) in zip(phases, published) {
            let phase = train.phase
            #expect(phase.epochs == row.epochs && phase.warmupEpochs == row.warmup, "\(name)")
            #expect(phase.learningRate == row.rate && phase.subnets == row.subnets, "\(name)")
            #expect(phase.sampling == .random && phase.batch == 2048, "\(name)")
            #expect(phase.microBatch == 64, "\(name)")
            #expect(phase.resolutions == Array(stride(from: 128, through: 224, by: 4)), "\(name)")
            #expect(phase.sortChannels == name.hasPrefix("expand"), "\(name)")
            #expect(phase.momentum == 0.9 && phase.weightDecay == 3e-5, "\(name)")
            #expect(phase.labelSmoothing == 0.1 && phase.dropout == 0.1, "\(name)")
            #expect(phase.distillation == (name == "full" ? 0 : 1), "\(name)")
            #expect(train.teacher == (name == "full" ? nil : "full"), "\(name)")
            var augmentation = phase.augmentation
            #expect(abs(augmentation.brightness - 32.0 / 255) < 1e-7, "\(name)")
            augmentation.brightness = Augmentation.imageNet.brightness
            #expect(augmentation == .imageNet, "\(name)")
        }
        #expect(phases.map(\.train.from) == [nil] + published.dropLast().map(\.name))
        // The passes of a network over the training pictures.
        #expect(
            phases.reduce(0) { $0 + $1.train.phase.epochs * Double($1.train.phase.subnets) } == 1205
        )
    }

    @Test(
        "each phase of ofa-mbv3-imagenet.yaml opens the published genes, the last one all"
    )
    func genes() {
        let space = SearchSpace.published[0]
        #expect(definition.space == space && space.name == "ofa-mbv3-w1.0")
        #expect(
            phases.map(\.train.phase.kernelSizes) == [[7]] + Array(repeating: [3, 5, 7], count: 5))
        #expect(
            phases.map(\.train.phase.depths)
                == [[4], [4], [3, 4], [2, 3, 4], [2, 3, 4], [2, 3, 4]])
        #expect(
            phases.map(\.train.phase.expandRatios) == [[6], [6], [6], [6], [4, 6], [3, 4, 6]])
        // Channels sorted before the last phase stay in the group that ratio 4 trained.
        var trained: TrainedDomain?
        var kept: [[Double]] = []
        for (_, train) in phases {
            kept.append(TrainStage.keptRatios(trained, space))
            trained = TrainStage.trained(train, trained, space)
            #expect(train.keepRatios == nil)
        }
        #expect(kept.suffix(2) == [[], [4]] && trained == TrainedDomain(space))
    }

    @Test(
        "ofa-mbv3-imagenet.yaml measures on 10,000 held-out pictures, calibrated on 2,000"
    )
    func afterTraining() throws {
        var sizes: [[Int]?] = []
        for stage in definition.stages {
            switch stage.parameters {
            case .importDataset(let data):
                #expect(data.heldOut == 10_000 && data.store == .files && data.size == nil)
            case .sampleAccuracy(let sampling):
                #expect(sampling.images == 10_000 && sampling.calibrationImages == 2000)
                #expect(sampling.calibrationAugmentation == .training)
                sizes.append(sampling.resolutions)
            case .measureDevice(let measurement): sizes.append(measurement.resolutions)
            case .materialise(let cut):
                #expect(cut.calibrationImages == 2000 && cut.calibrationAugmentation == .training)
            default: continue
            }
        }
        #expect(sizes == Array(repeating: [160, 176, 192, 208, 224], count: 2))
    }
}

// fine-tune: trains one extracted network further (Cai et al., ICLR 2020, report 25 and 75 epochs), with checkpoints as in
// `train`. The network before and after are measured in floats on held-out images, and the better one is kept; only the
// kept one is measured on test images, and in eight bits if the device has them.

import Artifacts
import Datasets
import Devices
import Foundation
import Interchange
import Jobs
import Networks
import Tensors
import Training

enum FineTuneStage {
    /// The share of the stage's progress that is the training.
    private static let trainingShare = 0.8

    /// The network before the training.
    private struct Source {
        /// The artifact that the stage starts from.
        let artifact: Artifact
        let images: TrainingImages
        let device: DeviceTarget
        let before: MaterialiseStage.Cut
        /// The figures of a network that is an artifact; nil if the stage extracted the network.
        let figures: NetworkFigures?
        let choice: Choice?
    }

    static func run(_ context: StageContext, _ parameters: StageParameters.FineTune) throws
        -> StageOutput
    {
        let engine = try context.engine()
        let source =
            context.arguments.inputs[.choice] == nil
            ? try network(context, engine) : try extracted(context, parameters)
        guard !source.images.heldOut.isEmpty else {
            throw PipelineError(
                .missingInput,
                "stage \(context.arguments.stage) has no held-out images to compare the networks on",
                remedy: "import the data set with held_out")
        }
        let before = try measure(source.before.network, source.before.alone, source, context)
        let tuned = try train(source, context, parameters, engine)
        let after =
            tuned.failure == nil
            ? try measure(tuned.network, tuned.shape, source, context) : before
        let record = FineTuning(
            source: source.artifact.id.rawValue, epochs: parameters.training.phase.epochs,
            learningRate: parameters.training.phase.learningRate, steps: tuned.steps,
            skippedSteps: tuned.skipped, heldOutImages: source.images.heldOut.count,
            before: .init(before), after: tuned.failure == nil ? .init(after) : nil,
            failure: tuned.failure)
        context.job.log(
            tuned.failure.map { "\($0): the network before is kept" }
                ?? String(
                    format:
                        "held-out accuracy %.2f %% before, %.2f %% after: the network %@ is kept",
                    100 * before.top1, 100 * after.top1, record.kept.rawValue))
        let kept =
            record.kept == .before
            ? source.before
            : try MaterialiseStage.Cut(
                source.before.config,
                try context.put(
                    try tuned.network.weights.safetensors(metadata: tuned.metadata), as: .subnet),
                for: source.device, source.images, context, engine)
        let figures = try figures(
            kept, source, record, heldOut: record.kept == .before ? before : after, context,
            parameters)
        var output = try StageOutput(
            [
                try StageOutput.Made(
                    .subnet, name: "\(context.space.name)-\(figures.device)-fine-tuned",
                    digest: kept.digest, metadata: figures)
            ], result: figures)
        output.rows = tuned.rows
        return output
    }

    // MARK: Before

    /// Returns the network of the input `subnet`.
    private static func network(_ context: StageContext, _ engine: CPUEngine) throws -> Source {
        let artifact = try context.input(.subnet)
        let figures = try context.metadata(NetworkFigures.self, of: artifact)
        if let other = figures.definition,
            let difference = try context.space.apart(from: other, besidesClasses: false)
        {
            throw PipelineError(
                .mismatch,
                "artifact \(artifact.id) is a network of space \(other.name), which is not this run's space"
                    + " \(context.space.name): \(difference)",
                remedy: "use the space that it was made in: ofa artifacts show \(artifact.id)")
        }
        let images = try context.trainingImages(normalization: figures.input?.normalization)
        let names = images.classNames.map(\.description)
        if let own = figures.classNames, !names.isEmpty, own != names {
            throw PipelineError(
                .mismatch,
                "artifact \(artifact.id) tells \(own.count) classes apart that are not those of the data set",
                remedy: "fine-tune on the classes that it was trained for, in the same order")
        }
        try context.checkSplit(.subnet)
        let device =
            figures.target
            ?? DeviceTarget(name: figures.device, kind: .phone, limits: Constraints())
        let before = try MaterialiseStage.Cut(
            figures.arch, artifact.digest, for: device, images, context, engine)
        return Source(
            artifact: artifact, images: images, device: device, before: before, figures: figures,
            choice: nil)
    }

    /// Extracts the network that the input `choice` chose from the input supernet.
    private static func extracted(
        _ context: StageContext, _ parameters: StageParameters.FineTune
    ) throws -> Source {
        let artifact = try context.input(.choice)
        let given = try context.content(Choice.self, of: artifact)
        // The network is calibrated as those that its predictor was fitted on.
        let cut = StageParameters.Materialise(
            device: given.device, network: nil, calibrationImages: parameters.calibrationImages,
            calibrationAugmentation: given.calibrationAugmentation)
        let (config, device, choice) = try MaterialiseStage.chosen(context, cut)
        let cutter = try MaterialiseStage.Cutter(context, cut)
        return Source(
            artifact: artifact, images: cutter.images, device: device,
            before: try cutter.cut(config, for: device), figures: nil, choice: choice)
    }

    /// Measures a network with its own statistics on all held-out images.
    private static func measure(
        _ network: Network, _ shape: NetworkShape, _ source: Source, _ context: StageContext
    ) throws -> Evaluator.Result {
        try Evaluator(network).measure(
            [Evaluator.Calibrated(shape, statistics: network.weights.statistics)],
            loader: source.images.data.loader, images: source.images.heldOut
        ) { _ in try context.job.stopIfAsked() }[0]
    }

    // MARK: Training

    /// The network after the training, and the metadata of its file.
    private struct Tuned {
        let network: Network
        let shape: NetworkShape
        let steps, skipped: Int
        /// Why the training diverged; nil if it did not. The network is of no use then.
        let failure: String?
        let metadata: [String: String]
        /// Metrics that may not be written yet.
        let rows: TrainingRows
    }

    private static func train(
        _ source: Source, _ context: StageContext, _ parameters: StageParameters.FineTune,
        _ engine: CPUEngine
    ) throws -> Tuned {
        let bytes = try context.bytes(source.before.digest)
        let (network, alone) = try MaterialiseStage.subnet(
            source.before.shape, bytes: bytes, engine: engine)
        var training = parameters.training
        training.phase.resolutions = [source.before.config.resolution]
        guard source.images.data.images.count >= training.phase.batch else {
            throw PipelineError(
                .invalidValue,
                PipelineDefinition.batchFault(
                    context.arguments.stage, training.phase.batch, source.images.data.images.count))
        }
        try context.checkTeacherClasses(source.images)
        let teacher = try context.teacher(of: training.phase, source.images, engine: engine)
        let trainer = try Trainer(
            network, of: context.space, phase: training.phase, teacher: teacher,
            data: source.images.data, seed: context.arguments.stageSeed, alone: alone)
        let earlier = try TrainStage.resume(trainer, context).segments
        func segments() -> [TrainStage.Segment] {
            TrainStage.Segment.appending(
                trainer.step, on: engine, precision: training.phase.precision, to: earlier)
        }
        var loop = try TrainLoop(
            trainer, context, training, validation: nil, course: ValidationCourse(),
            share: trainingShare, segments: segments)
        var failure: String?
        do {
            _ = try loop.run()
            try trainer.checkFinite()
        } catch let error as TrainingError where error.code == .diverged {
            failure = error.reason
        }
        if segments().count > 1 {
            context.job.log("trained in \(segments().count) parts on different engines")
        }
        if failure == nil {
            let statistics = try Evaluator(network).calibrate(
                alone, data: source.images.data, count: parameters.calibrationImages,
                augmentation: parameters.calibrationAugmentation == .training
                    ? training.phase.augmentation : .none, seed: context.arguments.seed)
            engine.copy(statistics.all, to: network.weights.statistics.all)
        }
        return Tuned(
            network: network, shape: alone, steps: trainer.step, skipped: trainer.skipped,
            failure: failure, metadata: try Safetensors.decode(bytes: bytes).metadata,
            rows: loop.unsaved)
    }

    // MARK: After

    /// Returns the figures of the kept network. Those of a network that was kept as it was are its own, with the test
    /// accuracy on this stage's test images.
    private static func figures(
        _ kept: MaterialiseStage.Cut, _ source: Source, _ record: FineTuning,
        heldOut: Evaluator.Result, _ context: StageContext, _ parameters: StageParameters.FineTune
    ) throws -> NetworkFigures {
        var figures: NetworkFigures
        // A network for a device of eight bits that an older version measured in floats is measured again.
        if let known = source.figures, record.kept == .before, known.bits == source.device.bits,
            try isMeasured(source.artifact, context)
        {
            figures = known
        } else {
            let measured = try MaterialiseStage.measure(
                kept, source.images, heldOut: 0, timing: [kept], context, done: trainingShare + 0.1)
            let new = MaterialiseStage.figures(source.device, kept, source.choice, measured)
            figures = source.figures ?? new
            figures.testAccuracy = new.testAccuracy
            figures.testImages = new.testImages
            (figures.flashBytes, figures.assumption) = (new.flashBytes, new.assumption)
            (figures.eightBits, figures.confusion) = (new.eightBits, new.confusion)
            figures = figures.timed(kept.timer?.timing)
            figures.describe(context.space, source.images)
        }
        if source.figures == nil {
            figures.calibrationAugmentation = source.choice?.calibrationAugmentation ?? .whole
        }
        if record.kept == .after {
            figures.calibrationAugmentation = parameters.calibrationAugmentation ?? .whole
            // The prediction is for the network before the training.
            (figures.predictedAccuracy, figures.accuracyUncertainty) = (nil, nil)
            figures.predictedBits = nil
            figures.testOffset = nil
        }
        figures.heldOutAccuracy = heldOut.top1
        figures.heldOutImages = heldOut.images
        if let quantised = kept.quantised {
            var table = Confusion(classes: kept.alone.classes)
            try quantised.count(
                source.images.heldOut, source.images.data.loader, engine: try context.engine(),
                into: &table
            ) { _ in try context.job.stopIfAsked() }
            figures.heldOutAccuracy = table.top1
            figures.eightBits?.floatHeldOutAccuracy = heldOut.top1
        }
        figures.fineTuning = record
        return figures
    }

    /// Returns whether the stage that made `network` measured it on the test images of this stage.
    private static func isMeasured(_ network: Artifact, _ context: StageContext) throws -> Bool {
        let lineage = try Lineage(try context.job.connection).inputs(
            of: network, hidden: ArtifactRole.datasetShard.rawValue)
        let own = try context.input(.testImages)
        return lineage.contains {
            $0.role == ArtifactRole.testImages.rawValue && $0.artifact.digest == own.digest
        }
    }
}

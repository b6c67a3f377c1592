// train: runs one phase of progressive shrinking, with checkpoints. A training that is killed and resumed on the same
// kind of engine gives exactly the weights of an uninterrupted training.

import Artifacts
import Foundation
import Interchange
import Jobs
import Networks
import Postgres
import Tensors
import Training

enum TrainStage {
    /// The payload of a checkpoint row; the training's state is in the checkpoint's blob.
    private struct Saved: Codable {
        let step, skipped: Int
        /// The segments of steps trained so far; nil in data of older versions.
        let segments: [Segment]?
    }

    /// A range of steps trained on one kind of engine. The exact bits of a step's result depend on the engine.
    struct Segment: Codable, Sendable, Equatable {
        /// The first step of the range, and the step after the last.
        let from: Int
        var to: Int
        let instructionSet, blasCore: String
        let threads: Int

        /// Returns `segments`, extended by the steps up to `step`, which `engine` trained.
        static func appending(_ step: Int, on engine: CPUEngine, to segments: [Segment])
            -> [Segment]
        {
            let start = segments.last?.to ?? 0
            var own = Segment(
                from: start, to: step, instructionSet: engine.instructionSet.description,
                blasCore: BLASCore.current, threads: engine.threads)
            guard let last = segments.last else { return [own] }
            guard last.isLike(own) else { return step > start ? segments + [own] : segments }
            own = last
            own.to = step
            return segments.dropLast() + [own]
        }

        private func isLike(_ other: Segment) -> Bool {
            instructionSet == other.instructionSet && blasCore == other.blasCore
                && threads == other.threads
        }
    }

    private static let checkpointName = "training"

    static func run(_ context: StageContext, _ parameters: StageParameters.Train) throws
        -> StageOutput
    {
        // A supernet that was trained on other images goes on with the normalisation that its weights know.
        let images = try context.trainingImages(
            normalization: parameters.from == nil ? nil : try context.supernetNormalization())
        guard images.data.images.count >= parameters.phase.batch else {
            throw PipelineError(
                .invalidValue,
                PipelineDefinition.batchFault(
                    context.arguments.stage, parameters.phase.batch, images.data.images.count))
        }
        let engine = try context.engine()
        let weights =
            parameters.from == nil
            ? try Weights(
                supernetOf: context.space, seed: context.arguments.seed, in: engine)
            : try context.supernet(newHead: parameters.newHead == true)
        let before = parameters.from == nil ? nil : try context.trainedDomain()
        if parameters.phase.sortChannels {
            try ChannelSort.sort(
                weights, of: context.space,
                keepingRatios: parameters.keepRatios ?? keptRatios(before, context.space))
        }
        let teacher =
            parameters.phase.distillation > 0
            ? try Network(
                supernet: try context.supernet(.teacher), of: context.space, engine: engine) : nil
        let trainer = try Trainer(
            try Network(supernet: weights, of: context.space, engine: engine), of: context.space,
            phase: parameters.phase, teacher: teacher, data: images.data,
            seed: context.arguments.stageSeed)
        let earlier = try resume(trainer, context)
        try train(trainer, context, parameters) {
            Segment.appending(trainer.step, on: engine, to: earlier)
        }
        try trainer.checkFinite()
        let segments = Segment.appending(trainer.step, on: engine, to: earlier)
        if segments.count > 1 {
            context.job.log(
                "trained in \(segments.count) parts on different engines: see the supernet's metadata"
            )
        }
        let metadata = SupernetMetadata(
            space: context.space.name, phase: parameters.phase.name, steps: trainer.steps,
            skippedSteps: trainer.skipped,
            normalization: images.normalization, instructionSet: engine.instructionSet.description,
            blasCore: BLASCore.current, threads: engine.threads,
            trained: trained(parameters, before, context.space), segments: segments,
            augmentation: parameters.phase.augmentation, definition: context.space,
            gradientNorm: trainer.gradientNorm.isFinite ? trainer.gradientNorm : nil)
        let digest = try context.put(
            try weights.safetensors(metadata: ["space": context.space.name]), as: .supernet)
        return try StageOutput(
            [
                try StageOutput.Made(
                    .supernet, name: "\(context.space.name)-\(context.arguments.stage)",
                    digest: digest,
                    metadata: metadata)
            ],
            result: NoResult())
    }

    /// Returns the supernet's trained domain after the phase: the union of `before` and the phase's domain. With fresh
    /// weights, `before` is nil. With a new classifier, only the phase's networks are trained.
    static func trained(
        _ parameters: StageParameters.Train, _ before: TrainedDomain?, _ space: SearchSpace
    ) -> TrainedDomain {
        let own = parameters.phase.domain(in: space)
        return parameters.newHead == true ? own : before.map(own.union) ?? own
    }

    /// Returns the expand ratios whose channel groups are kept when channels are sorted: all trained ratios but the
    /// space's largest, descending.
    static func keptRatios(_ before: TrainedDomain?, _ space: SearchSpace) -> [Double] {
        (before?.expandRatios ?? []).filter { $0 != space.expandRatios.last }.reversed()
    }

    /// Resumes from the newest checkpoint whose bytes are intact, and deletes newer checkpoints. Returns the segments
    /// trained so far. Without an intact checkpoint the training starts over, and there are no segments.
    static func resume(_ trainer: Trainer, _ context: StageContext) throws -> [Segment] {
        for checkpoint in try context.job.checkpoints(name: checkpointName) {
            let saved = try JSONText.decode(
                Saved.self, from: checkpoint.payload,
                what: "checkpoint of job \(context.job.lease.jobID)")
            let bytes: [UInt8]
            do {
                bytes = try context.bytes(try Digest(bytes: checkpoint.digest ?? []))
            } catch let error as ArtifactsError where error.isOfBytes || error.code == .badInput {
                context.job.log(
                    "the checkpoint of step \(saved.step) is skipped: \(error.message)")
                try context.job.forgetCheckpoint(name: checkpointName, seq: checkpoint.seq)
                continue
            }
            let file = try Safetensors.decode(bytes: bytes)
            try trainer.restore(
                Trainer.State(
                    step: saved.step, skipped: saved.skipped,
                    arrays: file.tensors.map { ($0.key, $0.value.shape, $0.value.values) }))
            context.job.log("resumed at step \(saved.step) of \(trainer.steps)")
            return saved.segments ?? []
        }
        return []
    }

    /// Returns the checkpoint of the training's current state.
    private static func draft(_ trainer: Trainer, _ segments: [Segment]) throws
        -> CheckpointWriter.Draft
    {
        let state = try trainer.checkpoint()
        let saved = Saved(step: state.step, skipped: state.skipped, segments: segments)
        return CheckpointWriter.Draft(
            name: checkpointName, payload: try JSONText.encode(saved), state: state)
    }

    /// Means over the steps since the last progress message, without skipped steps.
    struct Figures {
        private var loss = 0.0, accuracy = 0.0, norm = 0.0, steps = 0.0

        mutating func add(_ result: Trainer.StepResult) {
            guard result.gradientNorm.isFinite else { return }
            loss += result.loss
            accuracy += result.accuracy
            norm += result.gradientNorm
            steps += 1
        }

        /// Returns the job's progress message, which mentions skipped steps if there are any.
        func words(rate: Double, imagesPerSecond: Double, _ skipped: Int) -> String {
            let means =
                steps == 0
                ? "no finite loss"
                : String(
                    format: "loss %.3f, accuracy %.1f %%, gradient norm %.3g", loss / steps,
                    100 * accuracy / steps, norm / steps)
            return means
                + String(format: ", rate %.4f, %.0f images/s", rate, imagesPerSecond)
                + (skipped == 0 ? "" : ", \(skipped) steps skipped")
        }
    }

    /// Trains until every step is done, with checkpoints and messages. The training is the share `share` of the stage.
    /// `segments` returns the segments up to the current step.
    static func train(
        _ trainer: Trainer, _ context: StageContext, _ parameters: StageParameters.Train,
        share: Double = 1, _ segments: () -> [Segment]
    ) throws {
        let clock = ContinuousClock()
        let signal = context.job.signal
        let writer = CheckpointWriter(
            context.job.lease, like: try context.job.connection,
            everySeconds: parameters.checkpointSeconds, isCancelled: { signal.isCancelled },
            onSaved: { signal.noteCheckpoint() })
        var lastSave = clock.now, lastReport = clock.now, lastStep = trainer.step
        var lastSkipped = trainer.skipped, figures = Figures()
        while !trainer.isFinished {
            try context.job.stopIfCancelled()
            if context.job.isDraining {
                try writer.finish()
                writer.begin(try draft(trainer, segments()))
                try writer.finish()
                try context.job.stopIfAsked()
            }
            let rate = trainer.learningRate
            let result = try trainer.trainStep()
            figures.add(result)
            let now = clock.now
            if now - lastReport >= .milliseconds(500) || trainer.isFinished {
                let images = Double((trainer.step - lastStep) * parameters.phase.batch)
                let speed = images / max((now - lastReport) / .seconds(1), 1e-9)
                context.job.progress(
                    fraction: share * Double(trainer.step) / Double(trainer.steps),
                    message: "step \(trainer.step)/\(trainer.steps), "
                        + figures.words(rate: rate, imagesPerSecond: speed, trainer.skipped))
                if trainer.skipped > lastSkipped {
                    context.job.log(
                        "\(trainer.skipped - lastSkipped) of steps \(lastStep + 1) to \(trainer.step) skipped,"
                            + " \(trainer.skipped) so far: the loss or its gradients were not finite"
                    )
                }
                (lastReport, lastStep, lastSkipped) = (now, trainer.step, trainer.skipped)
                figures = Figures()
            }
            if try !writer.isBusy(), now - lastSave >= writer.interval, !trainer.isFinished {
                lastSave = now
                writer.begin(try draft(trainer, segments()))
                if writer.isEveryStep { try writer.finish() }
            }
        }
        // All steps are done. A checkpoint in progress is no longer needed, but the job must not end while it is being
        // saved.
        try writer.finish()
    }
}

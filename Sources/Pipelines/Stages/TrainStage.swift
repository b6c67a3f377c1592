// train: runs one phase of a supernet's training, or trains one network alone, with checkpoints. A training that is killed
// and resumed on the same kind of engine gives exactly the weights of an uninterrupted training.

import Artifacts
import Datasets
import Foundation
import Interchange
import Jobs
import Networks
import Postgres
import Tensors
import Training

enum TrainStage {
    /// A range of steps trained on one kind of engine. The exact bits of a step's result depend on the engine.
    struct Segment: Codable, Sendable, Equatable {
        /// The first step of the range, and the step after the last.
        let from: Int
        var to: Int
        /// `instructionSet` ends in "+bf16" if the engine multiplied 16-bit values.
        let instructionSet, blasCore: String
        let threads: Int

        /// Returns `segments`, extended by the steps up to `step`, which `engine` trained with maps of the format
        /// `precision`.
        static func appending(
            _ step: Int, on engine: CPUEngine, precision: MapFormat? = nil, to segments: [Segment]
        ) -> [Segment] {
            let start = segments.last?.to ?? 0, set = engine.instructionSet
            let halves = precision == .bfloat16 && set.multipliesHalves
            var own = Segment(
                from: start, to: step, instructionSet: "\(set)" + (halves ? "+bf16" : ""),
                blasCore: BLASCore.current, threads: engine.threads)
            guard let last = segments.last else { return [own] }
            guard last.isLike(own) else { return step > start ? segments + [own] : segments }
            own = last
            own.to = step
            return segments.dropLast() + [own]
        }

        /// Returns the segments of a whole training; logs if they are on different engines.
        static func told(_ segments: [Segment], _ context: StageContext) -> [Segment] {
            if segments.count > 1 {
                context.job.log(
                    "trained in \(segments.count) parts on different engines: see the supernet's metadata"
                )
            }
            return segments
        }

        private func isLike(_ other: Segment) -> Bool {
            instructionSet == other.instructionSet && blasCore == other.blasCore
                && threads == other.threads
        }
    }

    /// The result of a training stage.
    struct Result: Codable, Sendable, Equatable {
        /// The steps that were done.
        let steps: Int
        /// Why the phase ended early; nil if all steps were done.
        let earlyEnd: EarlyEnd?
        /// How near the phase came to the accuracy at which it was to end; nil without one.
        var aim: AccuracyRecord?
    }

    /// A network that is trained alone.
    private struct Single {
        let network: Network
        /// Its shape with blocks numbered without gaps, and its shape in the supernet that it is stored in.
        let shape, place: NetworkShape
        let config: SubnetConfig
    }

    static func run(_ context: StageContext, _ given: StageParameters.Train) throws
        -> StageOutput
    {
        let images = try images(context, given)
        let (parameters, chosen) = try completed(given, images, context)
        var phase = parameters.phase
        let engine = try context.engine()
        let weights =
            parameters.from == nil
            ? try Weights(
                supernetOf: context.space, seed: context.arguments.seed, in: engine)
            : try context.supernet(newHead: parameters.newHead == true)
        let before = parameters.from == nil ? nil : try context.trainedDomain()
        let history = parameters.from == nil ? nil : try context.trainingHistory()
        phase.kernelTransform = phase.kernelTransform ?? history?.kernelTransform
        if phase.sortChannels {
            try ChannelSort.sort(
                weights, of: context.space,
                keepingRatios: parameters.keepRatios ?? keptRatios(before, context.space))
        }
        let single =
            parameters.alone == true ? try single(phase, chosen, context, engine) : nil
        let trainer = try Trainer(
            try single?.network ?? Network(supernet: weights, of: context.space, engine: engine),
            of: context.space,
            phase: phase, teacher: try context.teacher(of: phase, images, engine: engine),
            data: images.data,
            seed: context.arguments.stageSeed, alone: single?.shape)
        let domain =
            try chosen.map { try TrainedDomain(covering: [$0], of: context.space) }
            ?? trained(parameters, before, context.space)
        let (earlier, course) = try resume(trainer, context)
        let precision = phase.precision
        func segments() -> [Segment] {
            Segment.appending(trainer.step, on: engine, precision: precision, to: earlier)
        }
        var loop = try TrainLoop(
            trainer, context, parameters,
            validation: try validation(trainer, single, context, parameters, domain, images),
            course: course ?? ValidationCourse(), segments: segments)
        let early = try loop.run()
        let aim = tell(early, loop.course, parameters.validation, context)
        try trainer.checkFinite()
        if let single { weights.insert(single.network.weights, as: single.place) }
        let metadata = SupernetMetadata(
            space: context.space.name, phase: phase.name, steps: trainer.step,
            skippedSteps: trainer.skipped,
            normalization: images.normalization, instructionSet: engine.instructionSet.description,
            blasCore: BLASCore.current, threads: engine.threads,
            trained: domain, segments: Segment.told(segments(), context),
            augmentation: phase.augmentation, definition: context.space,
            gradientNorm: trainer.gradientNorm.isFinite ? trainer.gradientNorm : nil,
            kernelTransform: phase.kernelTransform == false ? false : nil,
            netEpochs: TrainingHistory.sum(history, \.netEpochs, own: trainer.netEpochs),
            allSteps: TrainingHistory.sum(history, \.allSteps, own: trainer.step),
            precision: precision, alone: parameters.alone, architecture: chosen, aim: aim)
        let digest = try context.put(
            try weights.safetensors(metadata: ["space": context.space.name]), as: .supernet)
        var output = try StageOutput(
            [
                try StageOutput.Made(
                    .supernet, name: "\(context.space.name)-\(context.arguments.stage)",
                    digest: digest,
                    metadata: metadata)
            ],
            result: Result(steps: trainer.step, earlyEnd: early, aim: aim))
        output.rows = loop.unsaved
        return output
    }

    /// Returns the parameters with what other stages found: the image size of the network that a search chose, and the
    /// accuracy at which the phase ends. Also returns the chosen network.
    private static func completed(
        _ given: StageParameters.Train, _ images: TrainingImages, _ context: StageContext
    ) throws -> (parameters: StageParameters.Train, chosen: SubnetConfig?) {
        var parameters = given
        parameters.validation = try context.withAim(
            given.validation, heldOut: images.heldOut.count)
        guard given.architecture != nil else { return (parameters, nil) }
        let chosen = try context.chosenNetwork().config
        parameters.phase.resolutions = [chosen.resolution]
        return (parameters, chosen)
    }

    /// Logs why the training ended early, and an accuracy that it did not reach. Returns how near it came to the accuracy
    /// at which it was to end; nil without one.
    private static func tell(
        _ early: EarlyEnd?, _ course: ValidationCourse, _ plan: ValidationPlan?,
        _ context: StageContext
    ) -> AccuracyRecord? {
        if let early { context.job.log("ended after step \(early.step): \(early.reason)") }
        guard let plan, let record = course.record(plan) else { return nil }
        if early == nil { context.job.log(record.words(plan)) }
        return record
    }

    /// Returns the network `chosen`, or that of the phase's genes, with fresh weights of its own. The rest of the
    /// supernet that it is stored in has its initial values, and the supernet's trained domain is this network alone.
    private static func single(
        _ phase: TrainingPhase, _ chosen: SubnetConfig?, _ context: StageContext,
        _ engine: CPUEngine
    ) throws -> Single {
        let space = context.space
        let config = space.canonical(
            try chosen ?? space.restricted(to: phase.domain(in: space)).largest)
        let place = try NetworkShape(space, config)
        let weights = Weights(
            ParameterLayout(place, naming: .extracted), seed: context.arguments.seed, in: engine)
        let (network, shape) = Network.alone(weights, place, engine: engine)
        return Single(network: network, shape: shape, place: place, config: config)
    }

    /// Returns the images to train on. Errors: `invalidValue` if they are fewer than a batch; `mismatch` if the
    /// supernet was trained on images that are held out now, or for other classes.
    private static func images(_ context: StageContext, _ parameters: StageParameters.Train) throws
        -> TrainingImages
    {
        let images = try context.trainingImages(
            normalization: try normalization(parameters, context))
        guard images.data.images.count >= parameters.phase.batch else {
            throw PipelineError(
                .invalidValue,
                PipelineDefinition.batchFault(
                    context.arguments.stage, parameters.phase.batch, images.data.images.count))
        }
        if parameters.from != nil { try context.checkSplit(.supernet) }
        try context.checkClasses(images, parameters)
        return images
    }

    /// Returns the recorded normalisation of the images to train on; nil for that of the data set. A supernet that was
    /// trained on other images goes on with the normalisation that its weights know. Fresh weights learn any, so they take
    /// the one that the teacher knows.
    private static func normalization(
        _ parameters: StageParameters.Train, _ context: StageContext
    ) throws -> PixelNormalization? {
        if parameters.from != nil { return try context.supernetNormalization() }
        return parameters.phase.hasTeacher ? try context.supernetNormalization(.teacher) : nil
    }

    /// Returns the validation that the stage's parameters ask for; nil if they ask for none. Errors: `missingInput` if no
    /// image is held out.
    private static func validation(
        _ trainer: Trainer, _ single: Single?, _ context: StageContext,
        _ parameters: StageParameters.Train, _ domain: TrainedDomain, _ images: TrainingImages
    ) throws -> Validation? {
        guard let plan = parameters.validation else { return nil }
        guard !images.heldOut.isEmpty else {
            throw PipelineError(
                .missingInput,
                "stage \(context.arguments.stage): validate_every needs held-out images, and none are held out",
                remedy: "raise held_out of the data set's stage, or leave validate_every out")
        }
        let heldOut = Array(images.heldOut.prefix(plan.images)), seed = context.arguments.seed
        if let single {
            return Validation(
                alone: single.network, single.shape, single.config, of: context.space,
                data: images.data, heldOut: heldOut, seed: seed)
        }
        return try Validation(
            trainer.network, of: context.space, domain: domain, data: images.data,
            heldOut: heldOut, seed: seed)
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
    /// trained so far, and the validations. Without an intact checkpoint the training starts over, and there are none.
    static func resume(
        _ trainer: Trainer, _ context: StageContext
    ) throws -> (segments: [Segment], validations: ValidationCourse?) {
        for checkpoint in try context.job.checkpoints(name: TrainLoop.checkpointName) {
            let saved = try JSONText.decode(
                TrainLoop.Saved.self, from: checkpoint.payload,
                what: "checkpoint of job \(context.job.lease.jobID)")
            let bytes: [UInt8]
            do {
                bytes = try context.bytes(try Digest(bytes: checkpoint.digest ?? []))
            } catch let error as ArtifactsError where error.isOfBytes || error.code == .badInput {
                context.job.log(
                    "the checkpoint of step \(saved.step) is skipped: \(error.message)")
                try context.job.forgetCheckpoint(
                    name: TrainLoop.checkpointName, seq: checkpoint.seq)
                continue
            }
            let file = try Safetensors.decode(bytes: bytes)
            try trainer.restore(
                Trainer.State(
                    step: saved.step, skipped: saved.skipped,
                    arrays: file.tensors.map { ($0.key, $0.value.shape, $0.value.values) }))
            context.job.log("resumed at step \(saved.step) of \(trainer.steps)")
            return (saved.segments ?? [], saved.validations)
        }
        return ([], nil)
    }
}

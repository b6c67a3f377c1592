// The loop of a train stage: steps, metrics, validations, checkpoints and messages, until the phase ends.

import Foundation
import Jobs
import Training

/// Trains a phase to its end on behalf of a job.
struct TrainLoop {
    /// The name of the job's checkpoints.
    static let checkpointName = "training"
    /// A phase records metrics for about this many ranges of steps at most, without those that end at checkpoints.
    private static let mostRanges = 10_000

    /// The payload of a checkpoint row; the training's state is in the checkpoint's blob.
    struct Saved: Codable {
        let step, skipped: Int
        /// The segments of steps trained so far; nil in data of older versions.
        let segments: [TrainStage.Segment]?
        /// The validations so far; nil without validations.
        var validations: ValidationCourse?
    }

    private let trainer: Trainer
    private let context: StageContext
    private let phase: TrainingPhase
    /// The plan and the networks of validations; nil without validations.
    private let validation: (plan: ValidationPlan, networks: Validation)?
    /// The validations so far.
    private(set) var course: ValidationCourse
    /// The share of the stage's work that this training is.
    private let share: Double
    private let segments: () -> [TrainStage.Segment]
    private let writer: CheckpointWriter
    private let clock = ContinuousClock()
    /// The steps since the last message, and those since the last range of metrics ended.
    private var told: TrainFigures, range: TrainFigures
    /// The metrics since the last checkpoint, which the keeper of the lease may not have written yet.
    private(set) var unsaved = TrainingRows()
    /// The step that this attempt began after.
    private let start: Int
    /// When the last checkpoint was begun, with its step and that of its last validation; nil before the first.
    private var lastSave: ContinuousClock.Instant
    private var saved: (step: Int, validated: Int)?
    /// How long the last validation took; nil before the first.
    private var validationTook: Duration?

    /// Prepares to train on from the trainer's step. `course` has the validations up to this step; `segments` returns the
    /// segments up to the current step.
    init(
        _ trainer: Trainer, _ context: StageContext, _ parameters: StageParameters.Train,
        validation: Validation?, course: ValidationCourse, share: Double = 1,
        segments: @escaping () -> [TrainStage.Segment]
    ) throws {
        self.trainer = trainer
        self.context = context
        phase = parameters.phase
        self.validation = validation.flatMap { networks in
            parameters.validation.map { ($0, networks) }
        }
        self.course = course
        self.share = share
        self.segments = segments
        let signal = context.job.signal
        writer = CheckpointWriter(
            context.job.lease, like: try context.job.connection,
            everySeconds: parameters.checkpointSeconds, isCancelled: { signal.isCancelled },
            onSaved: { signal.noteCheckpoint() })
        told = TrainFigures(trainer)
        range = told
        start = trainer.step
        lastSave = clock.now
    }

    /// Trains until the last step is done, or until the validations end the phase; returns why it ended early. Errors:
    /// `diverged`; then no checkpoint is being saved any more, so that the job may go on.
    mutating func run() throws -> EarlyEnd? {
        do {
            try train()
        } catch let error as TrainingError where error.code == .diverged {
            endRange()
            try writer.finish()
            throw error
        }
        endRange()
        // The phase is over. A checkpoint in progress is no longer needed, but the job must not end while it is being
        // saved.
        try writer.finish()
        return early
    }

    private mutating func train() throws {
        lastSave = clock.now
        try validateIfDue()
        while !trainer.isFinished, early == nil {
            try context.job.stopIfCancelled()
            if context.job.isDraining {
                try saveNow()
                try context.job.stopIfAsked()
            }
            let rate = trainer.learningRate
            let result = try trainer.trainStep()
            told.add(result, rate: rate)
            range.add(result, rate: rate)
            if clock.now - told.start >= .milliseconds(500) || trainer.isFinished { tell() }
            try validateIfDue()
            if try !writer.isBusy(), clock.now - lastSave >= writer.interval, !trainer.isFinished {
                try begin()
                if writer.isEveryStep { try writer.finish() }
            }
        }
    }

    private var early: EarlyEnd? {
        validation.flatMap { course.end($0.plan, of: trainer.steps) }
    }

    /// Begins to save a checkpoint of the current state.
    private mutating func begin() throws {
        lastSave = clock.now
        saved = (trainer.step, course.step)
        writer.begin(try draft())
    }

    /// Saves a checkpoint of the current state unless it is saved, and waits until it is saved.
    private mutating func saveNow() throws {
        try writer.finish()
        if let saved, saved == (trainer.step, course.step) { return }
        try begin()
        try writer.finish()
    }

    /// Begins a checkpoint before a validation that is not short compared with the interval of checkpoints: a kill in it
    /// then costs no steps, and a worker that drains in it has no checkpoint to begin.
    private mutating func saveBeforeValidation() throws {
        let isShort = validationTook.map { $0 * 4 < writer.interval } ?? false
        guard !isShort, !writer.isEveryStep, trainer.step > start, saved?.step != trainer.step,
            try !writer.isBusy()
        else { return }
        try begin()
    }

    /// Returns the checkpoint of the training's current state. Ends the range of metrics, so that no range lies on both
    /// sides of a checkpoint.
    private mutating func draft() throws -> CheckpointWriter.Draft {
        endRange()
        let state = try trainer.checkpoint()
        let saved = Saved(
            step: state.step, skipped: state.skipped, segments: segments(),
            validations: validation == nil ? nil : course)
        defer { unsaved = TrainingRows() }
        return CheckpointWriter.Draft(
            name: Self.checkpointName, payload: try JSONText.encode(saved), state: state,
            metrics: unsaved)
    }

    // MARK: Messages and metrics

    /// Reports the progress since the last message.
    private mutating func tell() {
        let job = context.job
        let metrics = told.metrics(phase, until: clock.now)
        if let metrics {
            job.progress(
                fraction: fraction,
                message: "step \(trainer.step)/\(trainer.steps), "
                    + TrainFigures.words(metrics, skipped: trainer.skipped))
            if metrics.skipped > 0 {
                job.log(
                    "\(metrics.skipped) of steps \(metrics.firstStep) to \(metrics.lastStep) skipped,"
                        + " \(trainer.skipped) so far: the loss or its gradients were not finite")
            }
        }
        told = TrainFigures(trainer, start: clock.now)
        if (trainer.step - range.first + 1) * Self.mostRanges >= trainer.steps { endRange() }
    }

    private var fraction: Double { share * Double(trainer.step) / Double(trainer.steps) }

    /// Records the metrics of the steps since the last range.
    private mutating func endRange() {
        if let metrics = range.metrics(phase, until: clock.now) {
            record(TrainingRows(steps: [metrics]))
        }
        range = TrainFigures(trainer, start: clock.now)
    }

    private mutating func record(_ rows: TrainingRows) {
        context.job.record(rows)
        unsaved.append(rows)
    }

    // MARK: Validation

    /// Validates after the current step if that is due and not done yet. If the worker is draining, a checkpoint is saved
    /// without it, and the next attempt begins with this validation.
    private mutating func validateIfDue() throws {
        guard let (plan, networks) = validation, trainer.step > course.step else { return }
        let interval = plan.interval(stepsPerEpoch: trainer.stepsPerEpoch)
        guard trainer.step % interval == 0 || trainer.isFinished else { return }
        tell()
        endRange()
        try saveBeforeValidation()
        let began = clock.now
        let job = context.job, done = fraction
        let at = "step \(trainer.step)/\(trainer.steps), validation"
        let measured: [Validation.Measured]
        do {
            measured = try networks.measure { share in
                job.progress(fraction: done, message: "\(at) \(Int(100 * share)) %")
                try job.stopIfAsked()
            }
        } catch JobInterruption.draining {
            try saveNow()
            throw JobInterruption.draining
        }
        course.note(measured, plan.measure, trainer.step)
        record(
            TrainingRows(
                validations: try measured.map {
                    ValidationMetrics(
                        step: trainer.step, network: $0.member.rawValue,
                        arch: try JSONText.encode($0.config), accuracy: $0.result.top1,
                        loss: $0.result.loss, images: $0.result.images)
                }))
        validationTook = clock.now - began
        // The time of the validation is not the training's.
        told = TrainFigures(trainer, start: clock.now)
        range = told
    }
}

/// Sums over consecutive steps. Means leave out skipped steps.
struct TrainFigures {
    /// The first step, counted from 1.
    let first: Int
    /// When the first step began.
    let start: ContinuousClock.Instant
    private var steps = 0, moved = 0
    private var loss = 0.0, accuracy = 0.0, norm = 0.0, rate = 0.0
    private var distillation: Double?

    /// Begins after step `step`.
    init(after step: Int, start: ContinuousClock.Instant = .now) {
        first = step + 1
        self.start = start
    }

    /// Begins after the trainer's current step.
    init(_ trainer: Trainer, start: ContinuousClock.Instant = .now) {
        self.init(after: trainer.step, start: start)
    }

    /// Adds a step that was trained with the learning rate `rate`.
    mutating func add(_ result: Trainer.StepResult, rate: Double) {
        steps += 1
        self.rate += rate
        guard result.gradientNorm.isFinite else { return }
        moved += 1
        loss += result.loss
        accuracy += result.accuracy
        norm += result.gradientNorm
        if let part = result.distillationLoss { distillation = (distillation ?? 0) + part }
    }

    /// Returns the metrics of the steps; nil if there are none.
    func metrics(_ phase: TrainingPhase, until end: ContinuousClock.Instant) -> StepMetrics? {
        metrics(batch: phase.batch, subnets: phase.subnets, seconds: (end - start) / .seconds(1))
    }

    /// Returns the metrics of the steps, which took `seconds`; nil if there are none.
    func metrics(batch: Int, subnets: Int, seconds: Double) -> StepMetrics? {
        guard steps > 0 else { return nil }
        func mean(_ sum: Double) -> Double? { moved == 0 ? nil : sum / Double(moved) }
        return StepMetrics(
            firstStep: first, lastStep: first + steps - 1, skipped: steps - moved,
            networks: steps * subnets, images: steps * batch, seconds: seconds,
            learningRate: rate / Double(steps), loss: mean(loss),
            distillationLoss: distillation.flatMap(mean), accuracy: mean(accuracy),
            gradientNorm: mean(norm))
    }

    /// Returns the job's progress message, which mentions skipped steps if there are any; `skipped` counts those of the
    /// whole phase.
    static func words(_ metrics: StepMetrics, skipped: Int) -> String {
        let means =
            if let loss = metrics.loss, let accuracy = metrics.accuracy,
                let norm = metrics.gradientNorm
            {
                String(
                    format: "loss %.3f, accuracy %.1f %%, gradient norm %.3g", loss,
                    100 * accuracy, norm)
            } else { "no finite loss" }
        return means
            + String(
                format: ", rate %.4f, %.0f images/s", metrics.learningRate,
                metrics.imagesPerSecond ?? 0) + (skipped == 0 ? "" : ", \(skipped) steps skipped")
    }
}

// Writes and reads the metrics of training jobs. What a later attempt trained again is read once, from that attempt.
import Postgres
import Schema

/// How one training job went so far.
public struct TrainingCurve: Sendable, Equatable {
    /// The job.
    public let job: JobID
    /// The job's stage.
    public let stage: String
    /// The last step that is known.
    public let lastStep: Int
    /// The metrics, thinned out, in the order of steps.
    public internal(set) var points: [StepMetrics] = []
    /// The accuracies on held-out images, in the order of steps.
    public internal(set) var validations: [ValidationMetrics] = []

    /// The accuracies after the last step that was validated.
    public var lastValidation: [ValidationMetrics] {
        validations.filter { $0.step == validations.last?.step }
    }
}

extension JobQueue {
    /// Returns the curves of the training stages of a run that have trained a step or validated, in the order of the stages. Each has
    /// about `points` points at most; the server thins out the rows. With `stages`, only these stages' curves are
    /// returned; without any of these, that of the last stage that trained.
    public func trainingCurves(run: RunID, points: Int, stages: Set<String>? = nil) throws
        -> [TrainingCurve]
    {
        var attempts = try ask(.trainingAttempts(run: run))
        if let stages {
            let wanted = try attempts.filter { stages.contains(try $0.text("stage")) }
            let last = try attempts.last?.text("stage")
            attempts =
                wanted.isEmpty ? try attempts.filter { try $0.text("stage") == last } : wanted
        }
        guard let month = try attempts.first?.int("month") else { return [] }
        var curves: [TrainingCurve] = [], place: [JobID: Int] = [:]
        let jobs = try attempts.map { try $0.int64("job_id") }
        let untils = try attempts.map { try $0.int("until") }
        let tokens = try attempts.map { try $0.int64("token") }
        let last = Dictionary(zip(jobs, untils), uniquingKeysWith: max)
        for attempt in attempts {
            let job = try attempt.int64("job_id")
            guard place[job] == nil else { continue }
            place[job] = curves.count
            curves.append(
                TrainingCurve(
                    job: job, stage: try attempt.text("stage"), lastStep: last[job] ?? 0))
        }
        let widths = jobs.map { max(1, ((last[$0] ?? 0) + points - 1) / max(points, 1)) }
        for row in try ask(
            .trainingCurve(
                jobs: jobs, tokens: tokens, untils: untils, widths: widths, month: month))
        {
            guard let place = place[try row.int64("job_id")] else { continue }
            curves[place].points.append(try Self.metrics(row))
        }
        for row in try ask(
            .trainingValidations(jobs: jobs, tokens: tokens, untils: untils, month: month))
        {
            guard let place = place[try row.int64("job_id")] else { continue }
            curves[place].validations.append(
                ValidationMetrics(
                    step: try row.int("step"), network: try row.text("network"),
                    arch: try row.json("arch"), accuracy: try row.double("accuracy"),
                    loss: try row.double("loss"), images: try row.int("images")))
        }
        return curves
    }

    private static func metrics(_ row: Row) throws -> StepMetrics {
        StepMetrics(
            firstStep: try row.int("first_step"), lastStep: try row.int("last_step"),
            skipped: try row.int("skipped"), networks: try row.int("networks"),
            images: try row.int("images"), seconds: try row.double("seconds"),
            learningRate: try row.double("learning_rate"), loss: try row.optionalDouble("loss"),
            distillationLoss: try row.optionalDouble("distillation_loss"),
            accuracy: try row.optionalDouble("accuracy"),
            gradientNorm: try row.optionalDouble("gradient_norm"))
    }

    /// Returns the statements that append metrics of a job's attempt.
    public static func requests(of lease: Lease, _ rows: TrainingRows) -> [Request] {
        var requests: [Request] = []
        let steps = rows.steps, validations = rows.validations
        if !steps.isEmpty {
            requests.append(
                .trainingMetricsAdd(
                    job: lease.jobID, token: lease.token, firstSteps: steps.map(\.firstStep),
                    lastSteps: steps.map(\.lastStep), skipped: steps.map(\.skipped),
                    networks: steps.map { Int64($0.networks) },
                    images: steps.map { Int64($0.images) }, seconds: steps.map(\.seconds),
                    learningRates: steps.map(\.learningRate), losses: steps.map(\.loss),
                    distillationLosses: steps.map(\.distillationLoss),
                    accuracies: steps.map(\.accuracy), gradientNorms: steps.map(\.gradientNorm)))
        }
        if !validations.isEmpty {
            requests.append(
                .trainingValidationAdd(
                    job: lease.jobID, token: lease.token, steps: validations.map(\.step),
                    networks: validations.map(\.network), archs: validations.map(\.arch),
                    accuracies: validations.map(\.accuracy),
                    // The column has no NULL: NaN stands for a loss that is not finite.
                    losses: validations.map { $0.loss ?? .nan },
                    images: validations.map(\.images)))
        }
        return requests
    }

    /// Appends metrics of a job's attempt. Rows that were written already are left as they are.
    public func record(_ lease: Lease, _ rows: TrainingRows) throws {
        for request in Self.requests(of: lease, rows) { try connection.execute(request) }
    }
}

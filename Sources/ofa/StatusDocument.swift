// The JSON form of `ofa status`.

import Accounting
import Foundation
import Jobs

/// The JSON form of a run's status.
struct StatusDocument: Encodable {
    private struct Stage: Encodable {
        let name, state: String
        let needs: [String]
        let progress: Double
        let seconds_left: Double?
        let message, problem: String?
        let jobs, attempts, failures, lost: Int
        let counts: [String: Int]
        let seconds: Double
        let energy_j: Double?
    }

    private let run: Int64
    private let name, state: String
    private let created_at: Date
    private let ended_at, jobs_dropped_at: Date?
    private let stages: [Stage]
    private let energy_j: Double
    /// What holds the run, and what soft budgets warn of, also of money that they do not count.
    private let held: String?
    private let warnings: [String]
    /// When the run starts or started and why, if its start may wait; null for other runs.
    private let start: StartPlan?
    /// The curves of the stages that run, or else of the last one that trained, in `TrainingLine.cells` points.
    private let training: [TrainingDocument]
    private let workers: [WorkerStatus]
    private let unserved: [UnservedJobs]

    /// Takes what was read.
    init(_ reading: StatusReading) {
        let status = reading.status
        start = reading.deferred?.plan
        held = reading.held
        warnings = reading.budgets.filter(\.isSoft).map(\.reason) + reading.uncounted
        training = reading.curves.map(TrainingDocument.init)
        (workers, unserved) = (reading.workers, reading.unserved)
        let energy = reading.joules
        run = status.run.id
        name = status.run.name
        state = status.run.state.rawValue
        created_at = status.run.createdAt
        ended_at = status.run.endedAt
        jobs_dropped_at = status.run.jobsDroppedAt
        stages = status.stages.map { stage in
            Stage(
                name: stage.name, state: stage.state.rawValue, needs: stage.needs,
                progress: stage.progress,
                seconds_left: StatusText.secondsLeft(stage, asOf: status.asOf),
                message: stage.message,
                problem: stage.problem, jobs: stage.jobs, attempts: stage.attempts,
                failures: stage.failures,
                lost: stage.lost, counts: stage.counts, seconds: stage.attemptSeconds,
                energy_j: energy[stage.name])
        }
        energy_j = reading.used.joules
    }
}

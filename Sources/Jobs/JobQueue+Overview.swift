// What pages show of many runs and jobs at once: lists that are read page by page, and sums by stage, kind and hour.
import Foundation
import Postgres
import Schema

/// A run in a list of runs.
public struct RunOverview: Sendable, Equatable {
    /// The number and the name of the run.
    public let id: RunID
    public let name: String
    /// The state of the run.
    public let state: RunSummary.State
    /// Whether the cancellation of the run was requested.
    public let isCancelRequested: Bool
    /// When the run was enqueued, and when it ended; nil while it is unfinished.
    public let createdAt: Date
    public let endedAt: Date?
    /// The number of its stages, and of those that have ended. Both are 0 if the jobs were dropped.
    public let stages, endedStages: Int
    /// Why a job of a failed run ended badly; nil for other runs, and if the jobs were dropped.
    public let problem: String?
    /// The time of the database's clock.
    public let asOf: Date

    /// The time since the run was enqueued, until its end or now, in seconds.
    public var seconds: Double { (endedAt ?? asOf).timeIntervalSince(createdAt) }
}

/// An error of a job or an attempt.
public struct RunError: Sendable, Equatable {
    /// The job and its stage.
    public let job: JobID
    public let stage: String
    /// How it ended: `discarded`, or of an attempt at a job that is tried again `failed` or `lost`.
    public let outcome: String
    /// The error.
    public let error: String
    /// When it ended.
    public let at: Date
}

/// An attempt at a job of a stage.
public struct StageAttempt: Sendable, Equatable {
    /// The stage and the job.
    public let stage: String
    public let job: JobID
    /// The number of the attempt.
    public let attempt: Int
    /// When the attempt began, and when it ended; nil while it runs.
    public let startedAt: Date
    public let endedAt: Date?
    /// How the attempt ended; nil while it runs.
    public let outcome: AttemptOutcome?
}

/// The jobs of one queue, kind and state that wait or run.
public struct QueueDepth: Sendable, Equatable {
    /// The queue and the kind.
    public let queue, kind: String
    /// The state: available, scheduled, retryable or running.
    public let state: String
    /// The number of jobs, and how many of these wait because their run is held.
    public let jobs, held: Int
    /// Since when the first of them could have run, or has run; nil if unknown.
    public let since: Date?
    /// When the next of them is due; nil unless they are scheduled or retryable.
    public let dueAt: Date?
    /// The time of the database's clock.
    public let asOf: Date
}

/// The attempts that ended in one hour.
public struct AttemptHour: Sendable, Equatable {
    /// The begin of the hour.
    public let hour: Date
    /// How many completed, failed, were lost with their worker, and were cancelled or released.
    public let completed, failed, lost, stopped: Int
}

/// A maintenance task of the queue, which one worker does at a time.
public struct DutyStatus: Sendable, Equatable {
    /// The name of the duty.
    public let name: String
    /// The worker that holds the duty, and its machine; nil if none does.
    public let worker, host: String?
    /// Until when the worker holds it, and when it was last done; nil if it never was.
    public let heldUntil, doneAt: Date?
}

/// A job that runs.
public struct RunningJob: Sendable, Equatable {
    /// The number of the worker's session (`WorkerStatus.id`).
    public let session: Int64
    /// The job, its run, its stage and its kind.
    public let job: JobID
    public let run: RunID
    public let stage, kind: String
    /// When the attempt began.
    public let startedAt: Date
    /// The progress in 0...1, and the message; nil before the first.
    public let fraction: Double?
    public let message: String?
    /// Whether the worker was asked to stop the job.
    public let isCancelRequested: Bool
}

extension JobQueue {
    /// Returns the newest runs before the run `before`, newest first; nil for `before` and `state` means any.
    public func runOverview(
        before: RunID? = nil, state: RunSummary.State? = nil, limit: Int = 50
    ) throws -> [RunOverview] {
        try ask(.runOverview(before: before, state: state?.rawValue, most: limit)).map { row in
            let text = try row.text("state")
            guard let known = RunSummary.State(rawValue: text) else {
                throw JobsError(.wrongState, "run state \(text) is not known to this program")
            }
            return RunOverview(
                id: try row.int64("id"), name: try row.text("name"), state: known,
                isCancelRequested: try row.bool("cancel_requested"),
                createdAt: try row.date("created_at"), endedAt: try row.optionalDate("ended_at"),
                stages: try row.int("stages"), endedStages: try row.int("ended"),
                problem: try row.optionalText("problem"), asOf: try row.date("as_of"))
        }
    }

    /// Returns how many runs are in each state.
    public func runCounts() throws -> [String: Int] {
        Dictionary(
            try ask(.runStateCounts).map { (try $0.text("state"), try $0.int("runs")) },
            uniquingKeysWith: +)
    }

    /// Returns the newest errors of a run, newest first: those of its discarded jobs, and of attempts at jobs that are
    /// tried again.
    public func errors(run: RunID, limit: Int = 10) throws -> [RunError] {
        try ask(.runErrors(run: run, most: limit)).map { row in
            RunError(
                job: try row.int64("job_id"), stage: try row.text("stage"),
                outcome: try row.text("state"), error: try row.optionalText("error") ?? "",
                at: try row.date("at"))
        }
    }

    /// Returns the first `limit` attempts at the jobs of `stages` of a run, in the order of their begins.
    public func attempts(run: RunID, stages: [String], limit: Int) throws -> [StageAttempt] {
        if stages.isEmpty { return [] }
        return try ask(.stageAttempts(run: run, stages: stages, most: limit)).map { row in
            StageAttempt(
                stage: try row.text("stage"), job: try row.int64("job_id"),
                attempt: try row.int("attempt"), startedAt: try row.date("started_at"),
                endedAt: try row.optionalDate("ended_at"),
                outcome: try row.optionalText("outcome").flatMap(AttemptOutcome.init))
        }
    }

    /// Returns jobs of a stage of a run in order, after the first `skip`; a nil `state` means any state.
    public func jobs(
        run: RunID, stage: String, state: JobState? = nil, skip: Int, limit: Int
    ) throws -> [JobDetails] {
        let numbers = try ask(
            .stageJobNumbers(
                run: run, stage: stage, state: state?.rawValue, most: limit, skip: skip)
        ).map { try $0.int64("id") }
        return numbers.isEmpty ? [] : try ask(.jobsOf(jobs: numbers)).map(Self.details)
    }

    /// Returns the jobs that wait or run, by queue, kind and state.
    public func depth() throws -> [QueueDepth] {
        try ask(.queueDepth).map { row in
            QueueDepth(
                queue: try row.text("queue"), kind: try row.text("kind"),
                state: try row.text("state"), jobs: try row.int("jobs"), held: try row.int("held"),
                since: try row.optionalDate("since"), dueAt: try row.optionalDate("due_at"),
                asOf: try row.date("as_of"))
        }
    }

    /// Returns the attempts of the last 24 hours by hour; none if there are too many to count.
    public func attemptHours() throws -> [AttemptHour] {
        try ask(.attemptHours).map { row in
            AttemptHour(
                hour: try row.date("hour"), completed: try row.int("completed"),
                failed: try row.int("failed"), lost: try row.int("lost"),
                stopped: try row.int("stopped"))
        }
    }

    /// Returns the duties of the queue.
    public func duties() throws -> [DutyStatus] {
        try ask(.dutyList).map { row in
            DutyStatus(
                name: try row.text("name"), worker: try row.optionalText("worker"),
                host: try row.optionalText("host"), heldUntil: try row.optionalDate("held_until"),
                doneAt: try row.optionalDate("done_at"))
        }
    }

    /// Returns up to `limit` jobs that run, of each worker the longest first.
    public func runningJobs(limit: Int = 1000) throws -> [RunningJob] {
        try ask(.runningJobs(most: limit)).map { row in
            RunningJob(
                session: try row.int64("session_id"), job: try row.int64("job_id"),
                run: try row.int64("run_id"), stage: try row.text("stage"),
                kind: try row.text("kind"), startedAt: try row.date("started_at"),
                fraction: try row.optionalDouble("fraction"),
                message: try row.optionalText("message"), isCancelRequested: try row.bool("cancel"))
        }
    }
}

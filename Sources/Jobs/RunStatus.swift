// RunStatus, JobDetails and the other status types of the queue.
import Foundation

/// One execution of a pipeline.
public struct RunSummary: Codable, Sendable, Equatable {
    /// The states of a run.
    public enum State: String, Codable, Sendable, CaseIterable {
        /// Some stage has not ended.
        case running
        /// Every stage succeeded.
        case completed
        /// A stage failed.
        case failed
        /// It was cancelled.
        case cancelled
    }

    /// Its number.
    public let id: RunID
    /// Its name.
    public let name: String
    /// Its state.
    public let state: State
    /// Whether cancellation was requested.
    public let isCancelRequested: Bool
    /// A digest of its definition.
    public let definitionHash: String
    /// The text it was made from.
    public let definition: String
    /// When it was enqueued.
    public let createdAt: Date
    /// When it ended.
    public let endedAt: Date?
    /// When its jobs were dropped by retention; its stages are then unknown.
    public var jobsDroppedAt: Date?
}

/// A stage of a run: its counts, progress and times.
public struct StageStatus: Codable, Sendable, Equatable {
    /// The states of a stage.
    public enum State: String, Codable, Sendable, CaseIterable {
        /// Waits for other stages.
        case blocked
        /// Waits for a worker.
        case available
        /// Has a running job.
        case running
        /// Waits for a retry after a failure, or for its start time.
        case retryable
        /// All its jobs completed.
        case completed
        /// A job was discarded.
        case failed
        /// It was cancelled, manually or because a needed stage failed.
        case cancelled
    }

    /// Its name.
    public let name: String
    /// Its state.
    public let state: State
    /// The stages it needs.
    public let needs: [String]
    /// The number of jobs by state, without empty states.
    public let counts: [String: Int]
    /// Its number of jobs so far.
    public let jobs: Int
    /// Its progress, in 0...1.
    public let progress: Double
    /// The latest progress message of its running job.
    public let message: String?
    /// Attempts begun.
    public let attempts: Int
    /// Attempts that failed.
    public let failures: Int
    /// Attempts lost with their worker.
    public let lost: Int
    /// When the first attempt began.
    public let startedAt: Date?
    /// When its last job ended.
    public let endedAt: Date?
    /// The summed time of all attempts, in seconds.
    public let attemptSeconds: Double
    /// Why it failed, or the newest error of a job that will be retried.
    public let problem: String?
}

/// A run with its stages in the order of the pipeline.
public struct RunStatus: Codable, Sendable, Equatable {
    /// The run.
    public let run: RunSummary
    /// Its stages.
    public let stages: [StageStatus]
    /// The database's clock when this was read.
    public let asOf: Date
}

/// A job in full detail.
public struct JobDetails: Codable, Sendable, Equatable {
    /// Its number.
    public let id: JobID
    /// The run.
    public let runID: RunID
    /// The group.
    public let groupID: GroupID
    /// The stage.
    public let stage: String
    /// Its position in its group.
    public let ordinal: Int
    /// Names the handler.
    public let kind: String
    /// The handler's arguments, JSON text.
    public let args: String
    /// The queue.
    public let queue: String
    /// Lower runs first.
    public let priority: Int
    /// Its concurrency key.
    public let key: String?
    /// Processors it reserves; 0 for none.
    public let threads: Int
    /// Megabytes it reserves; 0 for none.
    public let memoryMB: Int
    /// The longest an attempt may take, in seconds.
    public let timeoutSeconds: Double?
    /// The longest an attempt may go without progress, in seconds.
    public let stallSeconds: Double?
    /// Its state.
    public let state: JobState
    /// The current attempt, or the one to be retried; 0 before the first and after the end.
    public let attempt: Int
    /// Attempts begun, including lost ones.
    public let attempts: Int
    /// Attempts lost with their worker, in total.
    public let lost: Int
    /// Workers that crashed on it since it last made progress; counts towards `max_crashes`.
    public let crashes: Int
    /// How often it may fail.
    public let maxAttempts: Int
    /// When its next attempt is due, while it is scheduled or retryable.
    public let dueAt: Date?
    /// When the current attempt began.
    public let startedAt: Date?
    /// When the current attempt times out.
    public let deadlineAt: Date?
    /// When the current attempt counts as stalled, unless it makes progress.
    public let stallAt: Date?
    /// When it ended.
    public let endedAt: Date?
    /// Whether it is available and workers have crashed on it: it will be run alone.
    public let isQuarantined: Bool
    /// Whether its worker was asked to stop.
    public let isCancelRequested: Bool
    /// What the handler returned, JSON text.
    public let result: String?
    /// Why it was cancelled or discarded.
    public let reason: String?
    /// Its progress, in 0...1.
    public let fraction: Double?
    /// Its progress message.
    public let message: String?
}

/// One attempt at a job.
public struct AttemptRecord: Codable, Sendable, Equatable {
    /// Its fencing token.
    public let token: Int64
    /// Its number; after a lost or released attempt the number is reused.
    public let attempt: Int
    /// The worker.
    public let worker: String
    /// The worker's machine.
    public let host: String
    /// When it began.
    public let startedAt: Date
    /// When it ended.
    public let endedAt: Date?
    /// How it ended; nil while it runs.
    public let outcome: AttemptOutcome?
    /// Its error.
    public let error: String?
}

/// A log line of a job.
public struct JobLogLine: Codable, Sendable, Equatable {
    /// Its number; later lines of a job have higher ones.
    public let id: Int64
    /// When it was written.
    public let at: Date
    /// The token of its attempt.
    public let token: Int64
    /// The text.
    public let line: String
}

/// A queue and its job counts.
public struct QueueSummary: Codable, Sendable, Equatable {
    /// Its name.
    public let name: String
    /// Whether it is paused.
    public let isPaused: Bool
    /// Jobs that can be claimed.
    public let available: Int
    /// Those among them that are quarantined: each is run alone.
    public let quarantined: Int
    /// Jobs waiting for their start time.
    public let scheduled: Int
    /// Jobs waiting for a retry.
    public let retryable: Int
    /// Running jobs.
    public let running: Int
}

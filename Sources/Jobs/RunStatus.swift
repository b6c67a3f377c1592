// RunStatus, JobDetails and the rest of what people read about the queue.
import Foundation

/// One execution of a pipeline.
public struct RunSummary: Codable, Sendable, Equatable {
    /// The states of a run.
    public enum State: String, Codable, Sendable, CaseIterable {
        /// Some stage has not ended.
        case running
        /// Every stage ended well.
        case completed
        /// A stage ended badly.
        case failed
        /// It was cancelled.
        case cancelled
    }

    /// Its number.
    public let id: RunID
    /// Its name.
    public let name: String
    /// What it is doing.
    public let state: State
    /// True when it is to be cancelled.
    public let isCancelRequested: Bool
    /// A digest of what it does.
    public let definitionHash: String
    /// The text it was made from.
    public let definition: String
    /// When it was enqueued.
    public let createdAt: Date
    /// When it ended.
    public let endedAt: Date?
    /// When it was said that its jobs are dropped: its stages are no longer known.
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
        /// Has a job that runs.
        case running
        /// Waits for another attempt after a failure, or for the time of its start.
        case retryable
        /// All its jobs are done.
        case completed
        /// A job was discarded.
        case failed
        /// It was cancelled, by hand or because a stage it needs ended badly.
        case cancelled
    }

    /// Its name.
    public let name: String
    /// What it is doing.
    public let state: State
    /// The stages it needs.
    public let needs: [String]
    /// How many jobs are in each state; states without jobs are left out.
    public let counts: [String: Int]
    /// How many jobs it has by now.
    public let jobs: Int
    /// How much is done, in 0...1.
    public let progress: Double
    /// What the job that runs last said of its progress.
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
    /// The time of all attempts together, in seconds.
    public let attemptSeconds: Double
    /// Why it ended badly, or the newest error of a job that is tried again.
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

/// A job with everything that is known of it.
public struct JobDetails: Codable, Sendable, Equatable {
    /// Its number.
    public let id: JobID
    /// The run.
    public let runID: RunID
    /// The group.
    public let groupID: GroupID
    /// The stage.
    public let stage: String
    /// Its place in its group.
    public let ordinal: Int
    /// Names the handler.
    public let kind: String
    /// What the handler gets, JSON text.
    public let args: String
    /// The queue.
    public let queue: String
    /// Lower runs first.
    public let priority: Int
    /// What only so many jobs may use at once.
    public let key: String?
    /// Processors it reserves; 0 for none.
    public let threads: Int
    /// Megabytes it reserves; 0 for none.
    public let memoryMB: Int
    /// The longest an attempt may take, in seconds.
    public let timeoutSeconds: Double?
    /// The longest an attempt may go without getting further, in seconds.
    public let stallSeconds: Double?
    /// What it is doing.
    public let state: JobState
    /// The attempt it is at or waits to repeat; 0 before the first and after the end.
    public let attempt: Int
    /// Attempts begun, lost ones too.
    public let attempts: Int
    /// Attempts lost with their worker, of all there were.
    public let lost: Int
    /// Workers that died on it and were not made good by progress since: what counts against `max_crashes`.
    public let crashes: Int
    /// How often it may fail.
    public let maxAttempts: Int
    /// When its next attempt is due, while it is scheduled or retryable.
    public let dueAt: Date?
    /// When the present attempt began.
    public let startedAt: Date?
    /// When the present attempt runs out of time.
    public let deadlineAt: Date?
    /// When the present attempt counts as standing still, unless it gets further.
    public let stallAt: Date?
    /// When it ended.
    public let endedAt: Date?
    /// True when it can be claimed and workers died on it: it will be run alone.
    public let isQuarantined: Bool
    /// True when its worker is asked to stop.
    public let isCancelRequested: Bool
    /// What the handler returned, JSON text.
    public let result: String?
    /// Why it was cancelled or discarded.
    public let reason: String?
    /// How far it is, in 0...1.
    public let fraction: Double?
    /// What it said of its progress.
    public let message: String?
}

/// One attempt at a job.
public struct AttemptRecord: Codable, Sendable, Equatable {
    /// Its fencing token.
    public let token: Int64
    /// Its number; a lost or released attempt gives its number back.
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
    /// What went wrong.
    public let error: String?
}

/// A line that a job said.
public struct JobLogLine: Codable, Sendable, Equatable {
    /// Its number; later lines of a job have higher ones.
    public let id: Int64
    /// When it was written down.
    public let at: Date
    /// The attempt that said it.
    public let token: Int64
    /// What it said.
    public let line: String
}

/// A queue and what waits in it.
public struct QueueSummary: Codable, Sendable, Equatable {
    /// Its name.
    public let name: String
    /// True while claims are stopped.
    public let isPaused: Bool
    /// Jobs that can be claimed.
    public let available: Int
    /// Those among them that workers died on: each is run alone.
    public let quarantined: Int
    /// Jobs that wait for the time of their start.
    public let scheduled: Int
    /// Jobs that wait for another attempt.
    public let retryable: Int
    /// Jobs that run.
    public let running: Int
}

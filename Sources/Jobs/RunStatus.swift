// RunStatus, JobDetails and other types that describe the status of the queue.
import Foundation

/// One execution of a pipeline.
public struct RunSummary: Codable, Sendable, Equatable {
    /// The states of a run.
    public enum State: String, Codable, Sendable, CaseIterable {
        /// Not all stages and fan-outs of the run have ended.
        case running
        /// All stages have ended and fulfilled their rules (`GroupRule`).
        case completed
        /// All stages have ended, one of them did not fulfil its rule, and the run was not
        /// cancelled.
        case failed
        /// The run was cancelled, and one of its stages did not fulfil its rule.
        case cancelled
    }

    /// The number of the run.
    public let id: RunID
    /// The name of the run.
    public let name: String
    /// The state of the run.
    public let state: State
    /// Whether the cancellation of the run was requested.
    public let isCancelRequested: Bool
    /// The digest of everything that determines what the run does (`RunSpec.definitionHash`).
    public let definitionHash: String
    /// The text of the pipeline that the run executes.
    public let definition: String
    /// When the run was enqueued.
    public let createdAt: Date
    /// When the run ended; nil while it is unfinished.
    public let endedAt: Date?
    /// When retention marked the month of the run for deletion. The jobs and stages of the run
    /// are dropped then or soon after. Nil while the jobs and stages are kept.
    public var jobsDroppedAt: Date?
}

/// A stage of a run: its counts, progress and times.
public struct StageStatus: Codable, Sendable, Equatable {
    /// The states of a stage.
    public enum State: String, Codable, Sendable, CaseIterable {
        /// All unfinished jobs of the stage wait for other stages or jobs.
        case blocked
        /// A job waits for a worker. No job is running or waits for a retry or for its start time.
        case available
        /// A job is running.
        case running
        /// A job waits for a retry after a failure; no job is running.
        case retryable
        /// A job waits for its start time, or its run is held; no job is running or waits for a retry.
        case scheduled
        /// The stage has ended, and no job was cancelled or discarded.
        case completed
        /// The stage has ended, and a job was discarded.
        case failed
        /// The stage has ended, no job was discarded, and a job was cancelled, manually or because
        /// a stage that this stage needs did not fulfil its rule.
        case cancelled
    }

    /// The name of the stage.
    public let name: String
    /// The state of the stage.
    public let state: State
    /// The names of the stages that this stage needs.
    public let needs: [String]
    /// The number of jobs by state; states without jobs are left out.
    public let counts: [String: Int]
    /// The number of jobs that the stage has so far; fan-outs may add more.
    public let jobs: Int
    /// The progress of the stage, in 0...1.
    public let progress: Double
    /// The latest progress message of a running job.
    public let message: String?
    /// The number of attempts that have begun.
    public let attempts: Int
    /// The number of attempts that failed.
    public let failures: Int
    /// The number of attempts that were lost with their worker.
    public let lost: Int
    /// When the first attempt began.
    public let startedAt: Date?
    /// When the stage ended, as its rule (`GroupRule`) defines the end; nil while the stage is
    /// unfinished.
    public let endedAt: Date?
    /// The sum of the durations of all attempts, in seconds.
    public let attemptSeconds: Double
    /// The reason of a discarded or cancelled job, else the newest error of a job that is tried
    /// again, else nil.
    public let problem: String?
}

/// A run with its stages in the order of the pipeline.
public struct RunStatus: Codable, Sendable, Equatable {
    /// The run.
    public let run: RunSummary
    /// The stages of the run.
    public let stages: [StageStatus]
    /// The time of the database's clock when the status was read.
    public let asOf: Date
}

/// A job in full detail.
public struct JobDetails: Codable, Sendable, Equatable {
    /// The number of the job.
    public let id: JobID
    /// The run.
    public let runID: RunID
    /// The group.
    public let groupID: GroupID
    /// The stage.
    public let stage: String
    /// The position of the job in its group.
    public let ordinal: Int
    /// The kind of the job, which names the handler.
    public let kind: String
    /// The handler's arguments, JSON text.
    public let args: String
    /// The queue.
    public let queue: String
    /// The priority; jobs with a lower number run first.
    public let priority: Int
    /// The concurrency key of the job, if it has one.
    public let key: String?
    /// The number of processors that the job reserves; 0 for none.
    public let threads: Int
    /// The memory that the job reserves, in megabytes; 0 for none.
    public let memoryMB: Int
    /// The longest time that an attempt may take, in seconds; nil for no limit.
    public let timeoutSeconds: Double?
    /// The longest time that an attempt may go without progress, in seconds; nil for no limit.
    public let stallSeconds: Double?
    /// The state of the job.
    public let state: JobState
    /// The number of the running attempt; while the job waits, the number of attempts that have
    /// failed; 0 after the end of the job.
    public let attempt: Int
    /// The number of attempts that have begun, including lost ones.
    public let attempts: Int
    /// The number of attempts that were lost with their worker.
    public let lost: Int
    /// The crash count, which is compared with `JobSpec.maxCrashes`. It falls by one for each full
    /// hour that an attempt lasts. It also falls by one for the first checkpoint of an attempt, if
    /// the number of this checkpoint exceeds the numbers of all earlier checkpoints of the same
    /// name.
    public let crashes: Int
    /// The largest number of attempts: if the last one fails, the job is discarded.
    public let maxAttempts: Int
    /// When the next attempt is due; nil unless the job is scheduled or retryable.
    public let dueAt: Date?
    /// When the current attempt began.
    public let startedAt: Date?
    /// When the current attempt times out.
    public let deadlineAt: Date?
    /// When the current attempt counts as stalled, unless it makes progress.
    public let stallAt: Date?
    /// When the job ended; nil while it is unfinished.
    public let endedAt: Date?
    /// Whether the job is available and its crash count is above 0: such a job is run alone.
    public let isQuarantined: Bool
    /// Whether the worker that runs the job was asked to stop it.
    public let isCancelRequested: Bool
    /// The result that the handler returned, JSON text; nil if the job has not completed.
    public let result: String?
    /// Why the job was cancelled or discarded; nil if it was not.
    public let reason: String?
    /// The progress of the job, in 0...1.
    public let fraction: Double?
    /// The progress message of the job.
    public let message: String?
}

/// One attempt at a job.
public struct AttemptRecord: Codable, Sendable, Equatable {
    /// The fencing token of the attempt.
    public let token: Int64
    /// The number of the attempt; after a lost or released attempt the number is used again.
    public let attempt: Int
    /// The name of the worker.
    public let worker: String
    /// The host name of the worker's machine.
    public let host: String
    /// When the attempt began.
    public let startedAt: Date
    /// When the attempt ended; nil while it runs.
    public let endedAt: Date?
    /// How the attempt ended; nil while it runs.
    public let outcome: AttemptOutcome?
    /// The error of the attempt, or why it was released, cancelled or lost; nil if it completed or
    /// runs.
    public let error: String?
}

/// A log line of a job.
public struct JobLogLine: Codable, Sendable, Equatable {
    /// The number of the line; later lines of a job have higher numbers.
    public let id: Int64
    /// When the line was written.
    public let at: Date
    /// The token of the attempt that wrote the line.
    public let token: Int64
    /// The text.
    public let line: String
}

/// A queue and the numbers of its jobs that wait or run.
public struct QueueSummary: Codable, Sendable, Equatable {
    /// The name of the queue.
    public let name: String
    /// Whether the queue is paused.
    public let isPaused: Bool
    /// The number of available jobs, which can be claimed unless the queue is paused.
    public let available: Int
    /// The number of available jobs that are quarantined: each of them is run alone.
    public let quarantined: Int
    /// The number of jobs that wait for their start time.
    public let scheduled: Int
    /// The number of jobs that wait for a retry.
    public let retryable: Int
    /// The number of running jobs.
    public let running: Int
}

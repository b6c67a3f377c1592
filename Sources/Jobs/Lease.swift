// Session, Lease, Beat: a worker's session, its leases, and the response to a heartbeat.

/// A worker's session; it lasts while the worker sends heartbeats.
public struct Session: Sendable, Equatable {
    /// Its number.
    public let id: Int64
    /// Identifies the session's leases even if a restored database reuses numbers.
    public let uuid: String
    /// How long it lasts without a heartbeat, in seconds.
    public let ttlSeconds: Double
}

/// The right to work on one job; every write under it carries job, token and session.
public struct Lease: Sendable, Equatable {
    /// The job.
    public let jobID: JobID
    /// The fencing token: new at every claim, never reused.
    public let token: Int64
    /// The session that holds the lease.
    public let sessionUUID: String
    /// Names the handler.
    public let kind: String
    /// The handler's arguments, JSON text.
    public let args: String
    /// The attempt, from 1.
    public let attempt: Int
    /// How often the job may fail.
    public let maxAttempts: Int
    /// How many workers crashed on the job.
    public let crashes: Int
    /// The run.
    public let runID: RunID
    /// The group the job belongs to.
    public let groupID: GroupID
    /// The stage's name.
    public let stage: String
    /// The job's position in its group.
    public let ordinal: Int
    /// The longest the attempt may take, in seconds.
    public let timeoutSeconds: Double?
    /// The longest the attempt may go without progress, in seconds.
    public let stallSeconds: Double?
    /// Processors the job reserves.
    public let threads: Int
    /// Memory the job reserves, in megabytes.
    public let memoryMB: Int
    /// The lane the job was claimed from, and its position there.
    let laneID: Int, seq: Int64
    /// The pauses between attempts.
    public let backoff: RetryPolicy

    /// For tests: only a lease returned by `JobQueue.claim` passes the fence.
    public init(
        jobID: JobID, token: Int64, sessionUUID: String, kind: String, args: String = "{}",
        attempt: Int = 1, maxAttempts: Int = 3, crashes: Int = 0, runID: RunID, groupID: GroupID,
        stage: String, ordinal: Int = 0, timeoutSeconds: Double? = nil,
        stallSeconds: Double? = nil, threads: Int = 0, memoryMB: Int = 0, laneID: Int = 0,
        seq: Int64 = 0, backoff: RetryPolicy = RetryPolicy()
    ) {
        self.jobID = jobID
        self.token = token
        self.sessionUUID = sessionUUID
        self.kind = kind
        self.args = args
        self.attempt = attempt
        self.maxAttempts = maxAttempts
        self.crashes = crashes
        self.runID = runID
        self.groupID = groupID
        self.stage = stage
        self.ordinal = ordinal
        self.timeoutSeconds = timeoutSeconds
        self.stallSeconds = stallSeconds
        self.threads = threads
        self.memoryMB = memoryMB
        self.laneID = laneID
        self.seq = seq
        self.backoff = backoff
    }
}

/// The response to a heartbeat.
public struct Beat: Sendable, Equatable {
    /// Tokens of leases whose job is to be cancelled.
    public var cancelled: Set<Int64> = []
    /// Tokens of leases past their timeout.
    public var overdue: Set<Int64> = []
    /// Tokens of leases whose job makes no progress.
    public var stalled: Set<Int64> = []
    /// The requested tokens that the session holds.
    public var held: Set<Int64> = []
    /// The duties that the session currently holds.
    public var duties: Set<String> = []
}

/// The answer to a worker that ends an attempt.
public enum CompletionAnswer: String, Sendable, Codable {
    /// The end was recorded.
    case done
    /// The end was recorded before: the first response was lost.
    case already
    /// The lease is over; nothing was recorded.
    case fenced
}

/// How an attempt ended.
public enum AttemptOutcome: String, Sendable, Codable, CaseIterable {
    /// The job completed.
    case completed
    /// The handler threw.
    case failed
    /// It was stopped because the job or the run was cancelled.
    case cancelled
    /// The worker released the job.
    case released
    /// The worker released the job before starting it.
    case unbegun
    /// The worker's session expired.
    case lost
}

/// The states of a job that users see.
public enum JobState: String, Sendable, Codable, CaseIterable {
    /// Waits for other jobs.
    case blocked
    /// Can be claimed.
    case available
    /// Waits for its start time.
    case scheduled
    /// A worker runs it.
    case running
    /// Failed and waits for its next attempt.
    case retryable
    /// Done.
    case completed
    /// Ended on request, or because a dependency failed.
    case cancelled
    /// Failed too often.
    case discarded
}

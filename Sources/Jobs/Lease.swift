// Session, Lease, Beat: what a worker holds, and what it is told.

/// A worker's standing with the queue; it lasts while the worker beats.
public struct Session: Sendable, Equatable {
    /// Its number.
    public let id: Int64
    /// What proves that a lease is this session's, even where numbers were issued twice.
    public let uuid: String
    /// How long it lasts without a beat, in seconds.
    public let ttlSeconds: Double
}

/// The right to work on one job; every write in its name carries job, token and session.
public struct Lease: Sendable, Equatable {
    /// The job.
    public let jobID: JobID
    /// New at every claim, never used again.
    public let token: Int64
    /// The session that holds the lease.
    public let sessionUUID: String
    /// Names the handler.
    public let kind: String
    /// What the handler gets, JSON text.
    public let args: String
    /// The attempt, from 1.
    public let attempt: Int
    /// How often the job may fail.
    public let maxAttempts: Int
    /// How many workers died on the job.
    public let crashes: Int
    /// The run.
    public let runID: RunID
    /// The group the job belongs to.
    public let groupID: GroupID
    /// The stage's name.
    public let stage: String
    /// The job's place in its group.
    public let ordinal: Int
    /// The longest the attempt may take, in seconds.
    public let timeoutSeconds: Double?
    /// The longest the attempt may go without getting further, in seconds.
    public let stallSeconds: Double?
    /// Processors the job keeps busy.
    public let threads: Int
    /// Memory the job takes, in megabytes.
    public let memoryMB: Int
    /// The lane the job was taken from, and its place there.
    let laneID: Int, seq: Int64
    /// The pauses between attempts.
    public let backoff: RetryPolicy

    /// Makes a lease; only one that `JobQueue.claim` returned opens the fence.
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

/// What a worker is told in answer to its beat.
public struct Beat: Sendable, Equatable {
    /// Tokens of leases whose job is to be cancelled.
    public var cancelled: Set<Int64> = []
    /// Tokens of leases that ran over their time.
    public var overdue: Set<Int64> = []
    /// Tokens of leases whose job stands still.
    public var stalled: Set<Int64> = []
    /// The tokens among those asked about that the session holds.
    public var held: Set<Int64> = []
    /// The duties that the session has for now.
    public var duties: Set<String> = []
}

/// The answer to a worker that ends an attempt.
public enum CompletionAnswer: String, Sendable, Codable {
    /// It is written.
    case done
    /// It was written before: the first answer did not arrive.
    case already
    /// The lease is over; nothing was written.
    case fenced
}

/// How an attempt ended.
public enum AttemptOutcome: String, Sendable, Codable, CaseIterable {
    /// The job is done.
    case completed
    /// The handler threw.
    case failed
    /// It was stopped because the job or the run was cancelled.
    case cancelled
    /// The worker gave the job back.
    case released
    /// The worker gave the job back before it had begun with it.
    case unbegun
    /// The worker was gone.
    case lost
}

/// The states of a job that users see.
public enum JobState: String, Sendable, Codable, CaseIterable {
    /// Waits for other jobs.
    case blocked
    /// Can be claimed.
    case available
    /// Waits for the time of its start.
    case scheduled
    /// A worker is at it.
    case running
    /// Failed and waits for its next attempt.
    case retryable
    /// Done.
    case completed
    /// Ended without being done, on demand or because what it needs ended badly.
    case cancelled
    /// Failed too often.
    case discarded
}

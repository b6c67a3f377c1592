// Session, Lease, Beat: a worker's session, its leases, and the response to a heartbeat.

/// A worker's session, which lasts while the worker sends heartbeats.
public struct Session: Sendable, Equatable {
    /// The number of the session.
    public let id: Int64
    /// The uuid of the session. It stays unique even if a restored database reuses the number.
    public let uuid: String
    /// How long the session lasts without a heartbeat, in seconds.
    public let ttlSeconds: Double
}

/// The right to work on one job. To end the attempt or to save a checkpoint, a worker must present
/// the job, token and session of the lease.
public struct Lease: Sendable, Equatable {
    /// The job.
    public let jobID: JobID
    /// The fencing token: each claim gives a new token.
    public let token: Int64
    /// The uuid of the session that holds the lease.
    public let sessionUUID: String
    /// The kind of job, which names the handler.
    public let kind: String
    /// The handler's arguments, JSON text.
    public let args: String
    /// The number of the attempt, from 1.
    public let attempt: Int
    /// The largest number of attempts: if the last one fails, the job is discarded.
    public let maxAttempts: Int
    /// The job's crash count, as in `JobDetails.crashes`.
    public let crashes: Int
    /// The run of the job.
    public let runID: RunID
    /// The group the job belongs to.
    public let groupID: GroupID
    /// The stage's name.
    public let stage: String
    /// The job's position in its group.
    public let ordinal: Int
    /// The longest time that the attempt may take, in seconds; nil for no limit.
    public let timeoutSeconds: Double?
    /// The longest time that the attempt may go without progress, in seconds; nil for no limit.
    public let stallSeconds: Double?
    /// The number of processors that the job reserves; 0 for none.
    public let threads: Int
    /// The memory that the job reserves, in megabytes; 0 for none.
    public let memoryMB: Int
    /// The lane (jobs of equal kind, queue, priority and requirements) of the job, and the job's
    /// position in the lane.
    let laneID: Int, seq: Int64
    /// The pauses between attempts.
    public let backoff: RetryPolicy

    /// Makes a lease for tests: the database accepts only leases that `JobQueue.claim` returned.
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
    /// The tokens of leases whose job is to be cancelled.
    public var cancelled: Set<Int64> = []
    /// The tokens of leases that are past their timeout.
    public var overdue: Set<Int64> = []
    /// The tokens of leases whose job made no progress within its stall timeout.
    public var stalled: Set<Int64> = []
    /// The tokens of leases that the session still holds; the other leases of the heartbeat are
    /// over.
    public var held: Set<Int64> = []
    /// The duties that the session holds now.
    public var duties: Set<String> = []
}

/// The answer to a request to end an attempt.
public enum CompletionAnswer: String, Sendable, Codable {
    /// This request ended the attempt.
    case done
    /// An earlier request had already ended the attempt in the same way, but its response was lost.
    case already
    /// The lease is over; nothing was recorded.
    case fenced
}

/// How an attempt ended.
public enum AttemptOutcome: String, Sendable, Codable, CaseIterable {
    /// The job completed.
    case completed
    /// The handler threw, or the attempt exceeded a time limit.
    case failed
    /// The attempt was stopped because the job or the run was cancelled.
    case cancelled
    /// The worker released the job.
    case released
    /// The worker released the job before starting it.
    case unbegun
    /// The worker's session ended while the attempt was running.
    case lost
}

/// The state of a job, as users see it.
public enum JobState: String, Sendable, Codable, CaseIterable {
    /// The job waits for other jobs.
    case blocked
    /// The job can be claimed.
    case available
    /// The job waits for its start time.
    case scheduled
    /// A worker runs the job.
    case running
    /// The job waits for its next attempt after a failed one.
    case retryable
    /// The job is done.
    case completed
    /// The job was cancelled on request, or because a job or stage that it waited for failed or was
    /// cancelled.
    case cancelled
    /// The job failed for good, or crashed more workers than it may.
    case discarded
}

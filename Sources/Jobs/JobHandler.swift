// JobHandler: the protocol of job handlers and their output.
import Postgres

/// Handles the jobs of one kind.
public protocol JobHandler: Sendable {
    /// Runs one job, on a dedicated thread with a large stack.
    ///
    /// An error other than a `JobInterruption` or a lost database connection ends the attempt as
    /// failed. The job is then retried, unless the error is a `PermanentError` or this was the last
    /// attempt. The handler should stop soon after `context.isCancelled` turns true: `try
    /// context.stopIfCancelled()` throws the right error.
    func run(_ context: JobContext) throws -> JobOutput
}

/// The output of a job.
public struct JobOutput {
    /// The result, a JSON text; dependent stages read it.
    public var result: String
    /// Jobs to add to the stage when the job completes.
    public var fanOut: FanOut?
    /// Statements that run in the transaction that ends the attempt, after the attempt is recorded
    /// as ended. Each must be idempotent, and do nothing if the attempt did not complete. The
    /// records of several jobs are batched: requests of the same statement are merged if all its
    /// binds are arrays.
    public var records: [Request]
    /// This closure is called in the transaction that completes the job: after the lease was
    /// checked and locked, and before the attempt is recorded as ended. It may be called more than
    /// once. A job with this closure needs a transaction of its own; `records` are cheaper.
    public var inTransaction: ((Connection) throws -> Void)?

    /// `result` must be JSON text.
    public init(
        result: String = "{}", fanOut: FanOut? = nil, records: [Request] = [],
        inTransaction: ((Connection) throws -> Void)? = nil
    ) {
        self.result = result
        self.fanOut = fanOut
        self.records = records
        self.inTransaction = inTransaction
    }
}

/// Why a job must stop early.
public enum JobInterruption: String, Error, Sendable, CustomStringConvertible {
    /// The job or its run was cancelled.
    case cancelled
    /// The attempt exceeded its timeout.
    case timedOut
    /// The attempt made no progress within its stall timeout.
    case stalled
    /// The lease is over, or may be over because the database was unreachable.
    case fenced
    /// The worker is draining, and the job goes back to the queue.
    case draining

    /// A description for people.
    public var description: String {
        switch self {
        case .cancelled: "cancelled on demand"
        case .timedOut: "ran over its time limit"
        case .stalled: "made no progress for longer than its limit"
        case .fenced: "lost touch with the database for longer than the lease lasts"
        case .draining: "released because the worker is draining"
        }
    }
}

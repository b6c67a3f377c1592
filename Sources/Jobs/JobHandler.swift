// JobHandler: the protocol of job handlers and their output.
import Postgres

/// Handles the jobs of one kind.
public protocol JobHandler: Sendable {
    /// Runs one job, on a dedicated thread with a large stack.
    ///
    /// An error fails the attempt; the job is retried unless it is a `PermanentError`. Stop soon
    /// after `context.isCancelled` turns true: `try context.stopIfCancelled()` throws the right
    /// error.
    func run(_ context: JobContext) throws -> JobOutput
}

/// The output of a job.
public struct JobOutput {
    /// The result, JSON text; dependent stages read it.
    public var result: String
    /// Jobs to add to the stage.
    public var fanOut: FanOut?
    /// Statements run in the transaction that completes the job, after its end. They must be
    /// idempotent and do nothing for an attempt that did not complete. They are batched with those
    /// of other jobs; requests of one statement are merged if all their binds are arrays.
    public var records: [Request]
    /// Runs in the transaction that completes the job, behind the fence, possibly more than once.
    /// Such a job needs a transaction of its own: prefer `records`.
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
    /// It exceeded its timeout.
    case timedOut
    /// It made no progress for too long.
    case stalled
    /// The database was unreachable for so long that the lease may be over.
    case fenced
    /// The worker is draining; the job returns to the queue.
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

// JobHandler: the work itself, and what it hands back.
import Postgres

/// Does the jobs of one kind.
public protocol JobHandler: Sendable {
    /// Does one job, on a thread of its own with a large stack.
    ///
    /// What is thrown fails the attempt, which is tried again unless it is a `PermanentError`. When
    /// `context.isCancelled` turns true, stop soon: `try context.stopIfCancelled()` throws the
    /// right thing.
    func run(_ context: JobContext) throws -> JobOutput
}

/// What a job hands back.
public struct JobOutput {
    /// The result, JSON text; the stages that need this one read it.
    public var result: String
    /// Jobs to add to the stage.
    public var fanOut: FanOut?
    /// What is written in the transaction that completes the job, after it has ended: statements that do nothing for
    /// an attempt that has not, and nothing the second time. They end together with those of other jobs, and those of one
    /// statement are put together where all their binds are arrays.
    public var records: [Request]
    /// Runs in the transaction that completes the job, behind the fence; perhaps more than once. Such a job ends in a
    /// transaction of its own: prefer `records`.
    public var inTransaction: ((Connection) throws -> Void)?

    /// Makes an output.
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

/// Why a job has to stop before it is done.
public enum JobInterruption: String, Error, Sendable, CustomStringConvertible {
    /// The job or its run was cancelled.
    case cancelled
    /// It ran over its time.
    case timedOut
    /// It got no further for too long.
    case stalled
    /// The worker lost touch with the database for so long that its lease may be over.
    case fenced
    /// The worker is asked to go; the job goes back to the queue.
    case draining

    /// What happened, in words.
    public var description: String {
        switch self {
        case .cancelled: "cancelled on demand"
        case .timedOut: "ran over its time limit"
        case .stalled: "got no further for longer than its limit"
        case .fenced: "lost touch with the database for longer than the lease lasts"
        case .draining: "given back because the worker is going"
        }
    }
}

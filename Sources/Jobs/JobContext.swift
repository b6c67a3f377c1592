// JobContext: the interface through which a handler deals with its job.
import Foundation
import Postgres

/// The context of one attempt. Only the thread that runs the handler uses it.
public final class JobContext {
    /// The attempt's lease.
    public let lease: Lease
    /// How many processors the handler may keep busy.
    public let threads: Int
    /// The interruption, progress and log of the attempt, for the handler's other threads.
    public let signal: AttemptSignal
    private let policy: ReconnectPolicy
    private let connect: () throws -> Connection

    /// `connect` returns the handler's connection and opens it at first use.
    init(
        lease: Lease, threads: Int, signal: AttemptSignal, policy: ReconnectPolicy,
        connect: @escaping () throws -> Connection
    ) {
        self.lease = lease
        self.threads = threads
        self.signal = signal
        self.policy = policy
        self.connect = connect
    }

    /// A connection for the handler, opened at first use.
    public var connection: Connection { get throws { try connect() } }

    private var queue: JobQueue { get throws { JobQueue(try connection, policy: policy) } }

    /// The run of the job.
    public var runID: RunID { lease.runID }
    /// Whether the job must stop: it was cancelled, it exceeded a time limit, or its lease may be
    /// over.
    public var isCancelled: Bool { signal.isCancelled }
    /// Whether the worker is draining.
    public var isDraining: Bool { signal.isDraining }

    /// Decodes the job's arguments; throws the decoder's errors.
    public func args<T: Decodable>(_ type: T.Type) throws -> T {
        try JSONDecoder().decode(type, from: Data(lease.args.utf8))
    }

    /// Sets the job's progress, `fraction` in 0...1.
    public func progress(fraction: Double, message: String = "") {
        signal.progress(fraction: fraction, message: message)
    }

    /// Appends a line to the job's log.
    public func log(_ line: String) { signal.log(line) }

    /// Appends metrics of the job's training; does not wait for the database.
    public func record(_ rows: TrainingRows) { signal.record(rows) }

    /// Throws the interruption if the job must stop at once.
    public func stopIfCancelled() throws {
        if let interruption = signal.interruption { throw interruption }
    }

    /// Throws the interruption if the job must stop at once, or `JobInterruption.draining` if the
    /// worker is draining. Call this after saving a checkpoint, so that no work is lost.
    public func stopIfAsked() throws {
        try stopIfCancelled()
        if signal.isDraining { throw JobInterruption.draining }
    }

    /// Saves the checkpoint `payload` (JSON text) with the number `seq`. `inTransaction` runs
    /// before the checkpoint is written, in the same transaction. Throws `JobInterruption.fenced`
    /// if the lease is over.
    public func saveCheckpoint(
        name: String = "state", seq: Int64, payload: String,
        inTransaction: (Connection) throws -> Void = { _ in }
    ) throws {
        let answer = try queue.saveCheckpoint(
            lease, name: name, seq: seq, payload: payload, inTransaction: inTransaction)
        if answer == .fenced {
            signal.interrupt(.fenced)
            throw JobInterruption.fenced
        }
        signal.noteCheckpoint()
    }

    /// Returns the job's newest checkpoint with this name, from any attempt.
    public func latestCheckpoint(name: String = "state") throws -> Checkpoint? {
        try queue.latestCheckpoint(lease.jobID, name: name)
    }

    /// Returns the job's checkpoints with this name from all attempts, newest first.
    public func checkpoints(name: String = "state") throws -> [Checkpoint] {
        try queue.checkpoints(lease.jobID, name: name)
    }

    /// Deletes an unreadable checkpoint, so that it is not the newest one any more.
    public func forgetCheckpoint(name: String = "state", seq: Int64) throws {
        try queue.forgetCheckpoint(lease.jobID, name: name, seq: seq)
    }

    /// Returns the results (JSON texts) of the completed jobs of a stage of this run, in order. A
    /// fan-out is represented by its continuation or, without one, by its children.
    public func results(ofStage stage: String) throws -> [String] {
        try queue.results(run: lease.runID, stage: stage)
    }

    /// Returns the results of the children, in order, if this job is the continuation of a fan-out.
    public func childResults() throws -> [String] { try queue.childResults(of: lease.jobID) }
}

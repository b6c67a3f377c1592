// JobContext: everything a handler gets for one job.
import Foundation
import Postgres

/// The surroundings of one attempt, for the thread that runs its handler.
public final class JobContext {
    /// The lease the attempt works under.
    public let lease: Lease
    /// How many threads the handler may keep busy.
    public let threads: Int
    /// For other threads of the handler: asks to stop, progress, log.
    public let signal: AttemptSignal
    private let policy: ReconnectPolicy
    private let connect: () throws -> Connection

    /// Makes a context. `connect` opens the handler's connection when it is first asked for.
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

    /// A connection for the handler's use while it runs, opened when it is first asked for.
    public var connection: Connection { get throws { try connect() } }

    private var queue: JobQueue { get throws { JobQueue(try connection, policy: policy) } }

    /// The run.
    public var runID: RunID { lease.runID }
    /// True when the job has to stop: cancelled, over its time, or the lease may be lost.
    public var isCancelled: Bool { signal.isCancelled }
    /// True when the worker is asked to go.
    public var isDraining: Bool { signal.isDraining }

    /// The arguments, decoded; throws what the decoder throws.
    public func args<T: Decodable>(_ type: T.Type) throws -> T {
        try JSONDecoder().decode(type, from: Data(lease.args.utf8))
    }

    /// Notes how far the job is, `fraction` in 0...1.
    public func progress(fraction: Double, message: String = "") {
        signal.progress(fraction: fraction, message: message)
    }

    /// Writes a line into the job's log.
    public func log(_ line: String) { signal.log(line) }

    /// Throws the interruption when the job has to stop at once.
    public func stopIfCancelled() throws {
        if let interruption = signal.interruption { throw interruption }
    }

    /// Throws the interruption when the job has to stop, also for a worker that is going: for the
    /// moment after a checkpoint was saved, where nothing is lost.
    public func stopIfAsked() throws {
        try stopIfCancelled()
        if signal.isDraining { throw JobInterruption.draining }
    }

    /// Saves a checkpoint; throws `JobInterruption.fenced` when the lease is over.
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

    /// The newest checkpoint that an attempt at this job saved.
    public func latestCheckpoint(name: String = "state") throws -> Checkpoint? {
        try queue.latestCheckpoint(lease.jobID, name: name)
    }

    /// The checkpoints that attempts at this job saved, the newest first.
    public func checkpoints(name: String = "state") throws -> [Checkpoint] {
        try queue.checkpoints(lease.jobID, name: name)
    }

    /// Forgets a checkpoint that cannot be read, so that it is not taken for the newest.
    public func forgetCheckpoint(name: String = "state", seq: Int64) throws {
        try queue.forgetCheckpoint(lease.jobID, name: name, seq: seq)
    }

    /// The results of a stage of this run in order, JSON texts: those of its last layer, where jobs
    /// fanned out.
    public func results(ofStage stage: String) throws -> [String] {
        try queue.results(run: lease.runID, stage: stage)
    }

    /// For the job after a fan-out: the results of the children, in the order they were given.
    public func childResults() throws -> [String] { try queue.childResults(of: lease.jobID) }
}

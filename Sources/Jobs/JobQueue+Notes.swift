// Writes and reads the checkpoints, progress and log lines of jobs. Only checkpoints are refused if
// the worker's session is over.
import Intake
import Postgres
import Schema

/// A saved checkpoint of a job.
public struct Checkpoint: Sendable, Equatable {
    /// The number of the checkpoint; a newer one has a higher number.
    public let seq: Int64
    /// The saved state, JSON text.
    public let payload: String
    /// The digest of the checkpoint's blob; nil if it has none.
    public internal(set) var digest: [UInt8]?
}

extension JobQueue {
    /// Saves a checkpoint of a job, if the lease is valid. Of the older checkpoints with the same
    /// name, only the newest is kept.
    ///
    /// `digest` is the digest of the checkpoint's blob. Two closures run in the same transaction.
    /// `inTransaction` runs before the checkpoint is written, and protects the blob from deletion.
    /// `remove` runs afterwards, and gets the digests of the blobs of deleted checkpoints. Returns
    /// `fenced` if the lease is over and nothing was saved. Errors: `invalidText` if `payload` is
    /// not storable JSON.
    public func saveCheckpoint(
        _ lease: Lease, name: String, seq: Int64, payload: String, digest: [UInt8]? = nil,
        inTransaction: (Connection) throws -> Void = { _ in },
        remove: ([[UInt8]], Connection) throws -> Void = { _, _ in }
    ) throws -> CompletionAnswer {
        do {
            try JSONRule.result.check(payload)
        } catch {
            throw JobsError(
                .invalidText, "checkpoint \(name): the text \(error.reason)", remedy: error.remedy)
        }
        return try fenced(lease) { connection in
            try inTransaction(connection)
            let superseded = try connection.query(
                .checkpointSave(
                    job: lease.jobID, token: lease.token, name: name, seq: seq, payload: payload,
                    digest: digest))
            try remove(try Self.digests(superseded), connection)
        }
    }

    /// Returns the newest checkpoint of a job with this name, from any attempt.
    public func latestCheckpoint(_ job: JobID, name: String) throws -> Checkpoint? {
        try checkpoints(job, name: name).first
    }

    /// Returns the checkpoints of a job with this name from all attempts, newest first.
    public func checkpoints(_ job: JobID, name: String) throws -> [Checkpoint] {
        try connection.withReconnect(policy) {
            try $0.query(.checkpointList(job: job, name: name)).map {
                Checkpoint(
                    seq: try $0.int64("seq"), payload: try $0.json("payload"),
                    digest: try $0.optionalBytes("digest"))
            }
        }
    }

    /// Deletes all checkpoints of a job in the open transaction; returns the digests of their
    /// blobs.
    public static func dropCheckpoints(of job: JobID, _ connection: Connection) throws -> [[UInt8]]
    {
        try digests(try connection.query(.checkpointDrop(job: job)))
    }

    /// Deletes one checkpoint of a job, such as a damaged one; returns the digest of its blob, or
    /// nil if there is no blob.
    @discardableResult
    public func forgetCheckpoint(_ job: JobID, name: String, seq: Int64) throws -> [UInt8]? {
        try connection.withReconnect(policy) {
            try Self.digests(
                try $0.query(.checkpointForget(job: job, name: name, seq: seq))
            ).first
        }
    }

    private static func digests(_ rows: [Row]) throws -> [[UInt8]] {
        try rows.compactMap { try $0.optionalBytes("digest") }
    }

    /// A checkpoint with a blob.
    public struct CheckpointReference: Sendable, Equatable {
        /// The job, its run and its stage.
        public let job: JobID, run: RunID, stage: String
        /// The name and the number of the checkpoint.
        public let name: String, seq: Int64
        /// The blob's digest.
        public let digest: [UInt8]
    }

    /// Returns all checkpoints that have a blob.
    public func checkpointReferences() throws -> [CheckpointReference] {
        try ask(.checkpointReferences).map { row in
            CheckpointReference(
                job: try row.int64("job_id"), run: try row.int64("run_id"),
                stage: try row.text("stage"), name: try row.text("name"),
                seq: try row.int64("seq"), digest: try row.bytes("digest"))
        }
    }

    /// Writes the progress of a job's attempt, with `fraction` in 0...1. Does nothing if the job
    /// has a newer attempt.
    public func progress(_ lease: Lease, fraction: Double, message: String) throws {
        if try connection.execute(Self.progress(lease, fraction, message)) == 0 {
            try connection.execute(
                .progressSaveLast(
                    job: lease.jobID, token: lease.token, fraction: Self.bounded(fraction),
                    message: message))
        }
    }

    private static func progress(_ lease: Lease, _ fraction: Double, _ message: String) -> Request {
        .progressSave(
            job: lease.jobID, token: lease.token, fraction: bounded(fraction), message: message)
    }

    private static func bounded(_ fraction: Double) -> Double {
        fraction.isNaN ? 0 : max(0, min(1, fraction))
    }

    /// Returns the statements that write progress, log lines and metrics.
    static func notes(of lease: Lease, _ notes: AttemptSignal.Notes) -> [Request] {
        var requests: [Request] = []
        if let progress = notes.progress {
            requests.append(Self.progress(lease, progress.fraction, progress.message))
        }
        let lines = notes.lines
        if !lines.isEmpty { requests.append(log(lease, lines)) }
        return requests + Self.requests(of: lease, notes.rows)
    }

    private static func log(_ lease: Lease, _ lines: [String]) -> Request {
        .jobLogAdd(job: lease.jobID, token: lease.token, lines: lines)
    }

    /// Appends lines to the log of a job.
    public func log(_ lease: Lease, lines: [String]) throws {
        if !lines.isEmpty { try connection.execute(Self.log(lease, lines)) }
    }

    /// Returns the newest log lines of a job, in order.
    public func log(of job: JobID, newest limit: Int = 10_000) throws -> [JobLogLine] {
        try ask(.jobLogNewest(job: job, most: limit)).map(Self.logLine)
    }

    /// Returns the first `limit` log lines of a job after line `id` (0: from the start), in order.
    public func log(of job: JobID, after id: Int64, limit: Int = 10_000) throws -> [JobLogLine] {
        try ask(.jobLogAfter(job: job, after: id, most: limit)).map(Self.logLine)
    }

    /// Returns how many log lines of a job precede line `id`.
    public func logCount(of job: JobID, before id: Int64) throws -> Int {
        try ask(.jobLogCount(job: job, before: id)).first?.int("lines") ?? 0
    }

    private static func logLine(_ row: Row) throws -> JobLogLine {
        JobLogLine(
            id: try row.int64("id"), at: try row.date("logged_at"), token: try row.int64("token"),
            line: try row.text("line"))
    }
}

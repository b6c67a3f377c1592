// What a running job leaves behind: checkpoints (fenced), progress and log lines.
import Intake
import Postgres
import Schema

/// A checkpoint as the next attempt finds it.
public struct Checkpoint: Sendable, Equatable {
    /// Its number; higher is newer.
    public let seq: Int64
    /// What was saved, JSON text.
    public let payload: String
}

extension JobQueue {
    /// Saves a checkpoint of a job behind the fence; the newest two of each name are kept.
    ///
    /// `inTransaction` runs in the same transaction, for the blobs it names. `fenced` means nothing
    /// was saved.
    public func saveCheckpoint(
        _ lease: Lease, name: String, seq: Int64, payload: String,
        inTransaction: (Connection) throws -> Void = { _ in }
    ) throws -> CompletionAnswer {
        do {
            try JSONRule.result.check(payload)
        } catch {
            throw JobsError(
                .invalidText, "checkpoint \(name): the text \(error.reason)", remedy: error.remedy)
        }
        return try fenced(lease) { connection in
            try inTransaction(connection)
            try connection.execute(
                .checkpointSave,
                [.int(lease.jobID), .text(name), .int(seq), .int(lease.token), .json(payload)])
        }
    }

    /// The newest checkpoint of a job, from whichever attempt.
    public func latestCheckpoint(_ job: JobID, name: String) throws -> Checkpoint? {
        try ask(.checkpointLatest, [.int(job), .text(name)]).first.map {
            Checkpoint(seq: try $0.int64("seq"), payload: try $0.json("payload"))
        }
    }

    /// The checkpoints of a job, from whichever attempts, the newest first.
    public func checkpoints(_ job: JobID, name: String) throws -> [Checkpoint] {
        try ask(.checkpointList, [.int(job), .text(name)]).map {
            Checkpoint(seq: try $0.int64("seq"), payload: try $0.json("payload"))
        }
    }

    /// Forgets the checkpoints of a job before `seq`, in the connection's transaction; returns the digests of the
    /// blobs that their payloads name under `blob`.
    @discardableResult
    public static func dropCheckpoints(
        of job: JobID, name: String, before seq: Int64 = .max, _ connection: Connection
    ) throws -> [String] {
        try connection.query(.checkpointDrop, [.int(job), .text(name), .int(seq)])
            .compactMap { try $0.optionalText("blob") }
    }

    /// Forgets one checkpoint of a job, such as one whose bytes are damaged.
    public func forgetCheckpoint(_ job: JobID, name: String, seq: Int64) throws {
        try connection.withReconnect(policy) {
            _ = try $0.execute(.checkpointForget, [.int(job), .text(name), .int(seq)])
        }
    }

    /// A checkpoint whose payload names a blob.
    public struct CheckpointReference: Sendable, Equatable {
        /// The job, its run and its stage.
        public let job: JobID, run: RunID, stage: String
        /// What it is called, and its number.
        public let name: String, seq: Int64
        /// The blob's digest, hexadecimal.
        public let blob: String
        /// Whether the job has ended.
        public let hasEnded: Bool
    }

    /// Every checkpoint that names a blob.
    public func checkpointReferences() throws -> [CheckpointReference] {
        try ask(.checkpointReferences).map { row in
            CheckpointReference(
                job: try row.int64("job_id"), run: try row.int64("run_id"),
                stage: try row.text("stage"), name: try row.text("name"),
                seq: try row.int64("seq"), blob: try row.text("blob"),
                hasEnded: try row.bool("ended"))
        }
    }

    /// Notes how far a job is, `fraction` in 0...1; nothing happens once there is a newer attempt.
    public func progress(_ lease: Lease, fraction: Double, message: String) throws {
        let bounded = fraction.isNaN ? 0 : max(0, min(1, fraction))
        try connection.execute(
            .progressSave, [.int(lease.jobID), .int(lease.token), .double(bounded), .text(message)])
    }

    /// Writes lines that a job said.
    public func log(_ lease: Lease, lines: [String]) throws {
        if lines.isEmpty { return }
        try connection.execute(
            .jobLogAdd, [.int(lease.jobID), .int(lease.token), .textArray(lines)])
    }

    /// The newest lines of a job, oldest first.
    public func log(of job: JobID, newest limit: Int = 10_000) throws -> [JobLogLine] {
        try ask(.jobLogNewest, [.int(job), .int(limit)]).map(Self.logLine)
    }

    /// The lines of a job after the one with this number, oldest first; 0 is before all of them.
    public func log(of job: JobID, after id: Int64, limit: Int = 10_000) throws -> [JobLogLine] {
        try ask(.jobLogAfter, [.int(job), .int(id), .int(limit)]).map(Self.logLine)
    }

    /// How many lines of a job come before the one with this number.
    public func logCount(of job: JobID, before id: Int64) throws -> Int {
        try ask(.jobLogCount, [.int(job), .int(id)]).first?.int("lines") ?? 0
    }

    private static func logLine(_ row: Row) throws -> JobLogLine {
        JobLogLine(
            id: try row.int64("id"), at: try row.date("logged_at"), token: try row.int64("token"),
            line: try row.text("line"))
    }
}

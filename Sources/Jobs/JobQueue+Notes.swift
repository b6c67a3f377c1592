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
            throw JobsError(.invalidText, "checkpoint \(name): the text \(error.reason)")
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

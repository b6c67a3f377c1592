// The living workers of a queue, and the jobs that none of them can take.
import Foundation
import Postgres
import Schema

/// A living worker.
public struct WorkerStatus: Codable, Sendable, Equatable {
    /// Its session's number.
    public let id: Int64
    /// Its name, machine and process.
    public let name, host: String
    public let process: Int
    /// The version of its program's queue.
    public let version: String
    /// The number of its slots, and of those whose thread is running.
    public let slots, workingSlots: Int
    /// Its kinds of jobs, its capabilities and its maintenance duties.
    public let kinds, offers, duties: [String]
    /// When its session was opened, and its last heartbeat.
    public let openedAt, beatAt: Date

    private enum CodingKeys: String, CodingKey {
        case id, name, host, process, version, slots
        case workingSlots = "working_slots"
        case kinds, offers, duties
        case openedAt = "opened_at"
        case beatAt = "beat_at"
    }
}

/// Jobs that no living worker can take.
public struct UnservedJobs: Codable, Sendable, Equatable {
    /// Their kind and required capabilities.
    public let kind: String
    public let requires: [String]
    /// How many wait.
    public let jobs: Int
}

extension JobQueue {
    /// The living workers, oldest first.
    public func workers() throws -> [WorkerStatus] {
        try ask(.workerList).map { row in
            WorkerStatus(
                id: try row.int64("id"), name: try row.text("name"), host: try row.text("host"),
                process: try row.int("process"), version: try row.text("version"),
                slots: try row.int("slots"), workingSlots: try row.int("working_slots"),
                kinds: try row.textArray("kinds"), offers: try row.textArray("offers"),
                duties: try row.textArray("duties"), openedAt: try row.date("opened_at"),
                beatAt: try row.date("beat_at"))
        }
    }

    /// Waiting jobs whose required capabilities no living worker offers, of one run or of any.
    public func unserved(run: RunID? = nil) throws -> [UnservedJobs] {
        try ask(.jobsUnserved(run: run)).map { row in
            UnservedJobs(
                kind: try row.text("kind"), requires: try row.textArray("requires"),
                jobs: try row.int("jobs"))
        }
    }
}

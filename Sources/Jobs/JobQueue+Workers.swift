// The workers of a queue as people see them: which are alive, with how many slots, and which jobs none of them can take.
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
    /// How many jobs it was to run at once, and how many of its slots work.
    public let slots, workingSlots: Int
    /// The kinds it takes, what it offers, and the maintenance it does.
    public let kinds, offers, duties: [String]
    /// When it began, and when its last heartbeat came.
    public let openedAt, beatAt: Date

    private enum CodingKeys: String, CodingKey {
        case id, name, host, process, version, slots
        case workingSlots = "working_slots"
        case kinds, offers, duties
        case openedAt = "opened_at"
        case beatAt = "beat_at"
    }
}

/// Jobs that wait for a worker there is none of.
public struct UnservedJobs: Codable, Sendable, Equatable {
    /// Their kind, and what they require.
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

    /// The jobs that wait and require what no living worker offers; of one run or of any.
    public func unserved(run: RunID? = nil) throws -> [UnservedJobs] {
        try ask(.jobsUnserved(run: run)).map { row in
            UnservedJobs(
                kind: try row.text("kind"), requires: try row.textArray("requires"),
                jobs: try row.int("jobs"))
        }
    }
}

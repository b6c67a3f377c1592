// The living workers of a queue, and the waiting jobs whose required capabilities none of these
// workers offers.
import Foundation
import Postgres
import Schema

/// A living worker.
public struct WorkerStatus: Codable, Sendable, Equatable {
    /// The number of the worker's session.
    public let id: Int64
    /// The worker's name, the host name of its machine, and its process id.
    public let name, host: String
    public let process: Int
    /// The version of the queue in the worker's program.
    public let version: String
    /// The number of slots (handler threads), and how many of these threads run.
    public let slots, workingSlots: Int
    /// The kinds of jobs that the worker takes, its capabilities, and the duties that it holds.
    public let kinds, offers, duties: [String]
    /// When the session was opened, and when its last heartbeat arrived.
    public let openedAt, beatAt: Date

    private enum CodingKeys: String, CodingKey {
        case id, name, host, process, version, slots
        case workingSlots = "working_slots"
        case kinds, offers, duties
        case openedAt = "opened_at"
        case beatAt = "beat_at"
    }
}

/// Waiting jobs of one kind that no living worker can take, because no worker for this kind offers
/// all capabilities that the jobs require.
public struct UnservedJobs: Codable, Sendable, Equatable {
    /// The kind of the jobs and the capabilities that they require.
    public let kind: String
    public let requires: [String]
    /// The number of these jobs.
    public let jobs: Int
}

extension JobQueue {
    /// Returns the living workers, oldest first.
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

    /// Counts, by kind and required capabilities, the waiting jobs that no living worker can take,
    /// because no worker for the kind offers all of these capabilities. With `run`, only jobs of
    /// this run count.
    public func unserved(run: RunID? = nil) throws -> [UnservedJobs] {
        try ask(.jobsUnserved(run: run)).map { row in
            UnservedJobs(
                kind: try row.text("kind"), requires: try row.textArray("requires"),
                jobs: try row.int("jobs"))
        }
    }
}

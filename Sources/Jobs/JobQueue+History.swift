// History in daily partitions: they are created ahead and dropped whole after their retention
// period. Neither takes a lock that would block the end of an attempt.
import Foundation
import Postgres
import Schema

/// One partition of the queue's history, or of the ledger's records.
public struct HistoryDay: Codable, Sendable, Equatable {
    /// The partition's name, such as attempt_20261124.
    public let name: String
    /// Its size on disk with indexes, in bytes.
    public let bytes: Int64
    /// Its approximate number of rows; -1 before the first ANALYZE.
    public let rows: Int64
}

/// The data with a configurable retention period.
public enum Retained: String, Codable, Sendable, CaseIterable {
    /// Attempts and job log lines, by day.
    case history
    /// Meter rows of attempts, by month; the sums are kept.
    case meter
    /// Stages and jobs of ended runs, by the month of the run's creation; the runs, their costs,
    /// and the jobs that made artifacts are kept.
    case jobs
}

/// The dropped partitions, and the first that could not be dropped yet.
public struct DroppedHistory: Sendable, Equatable, Encodable {
    /// The dropped partitions.
    public var dropped: [String] = []
    /// The oldest partition still in use (such as by a backup): it and later ones are dropped next
    /// time.
    public var inUse: String?

    private enum CodingKeys: String, CodingKey {
        case dropped
        case inUse = "in_use"
    }
}

extension JobQueue {
    /// How many days of history to create ahead, and how many per transaction.
    static let daysAhead = (days: 60, atATime: 8)
    /// How long dropping a partition waits for its readers, in milliseconds; behind a pooler,
    /// writers are blocked as long.
    private static let dropPatience = 300

    /// Creates days of history ahead.
    public func openDays() throws {
        _ = try connection.query(
            .partitionsAhead(days: Self.daysAhead.days, most: Self.daysAhead.atATime))
    }

    /// Folds past days of the ledger into sums, so that queries over all runs stay fast.
    public func foldDays() throws { _ = try connection.query(.foldDays) }

    /// The partitions of history and of the ledger's records.
    public func history() throws -> [HistoryDay] {
        try ask(.historyList).map { row in
            HistoryDay(
                name: try row.text("name"), bytes: try row.int64("bytes"),
                rows: try row.int64("rows"))
        }
    }

    /// The retention period in days; without an entry data is kept forever.
    public func retention() throws -> [Retained: Int] {
        var kept: [Retained: Int] = [:]
        for row in try ask(.retentionList) {
            if let what = Retained(rawValue: try row.text("what")) {
                kept[what] = try row.int("days")
            }
        }
        return kept
    }

    /// Sets a retention period in days; nil means forever.
    public func retain(_ what: Retained, days: Int?) throws {
        if let days, days < 1 {
            throw JobsError(
                .wrongState, "today's \(what.rawValue) cannot be dropped",
                remedy: "keep 1 day or more, not \(days)")
        }
        try transact { connection in
            try connection.execute(
                days.map { .retentionSet(what: what.rawValue, days: $0) }
                    ?? .retentionRemove(what: what.rawValue))
            try connection.note(
                "retain", what.rawValue, ["days": days.map { "\($0)" } ?? "forever"])
        }
    }

    /// Drops all data older than its retention period.
    @discardableResult
    public func applyRetention() throws -> DroppedHistory {
        var all = DroppedHistory()
        let kept = try retention()
        if kept.isEmpty { return all }
        try requireOwner()
        for (what, days) in kept.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            let one = try drop(what, olderThanDays: days)
            all.dropped += one.dropped
            all.inUse = all.inUse ?? one.inUse
        }
        return all
    }

    /// Drops the partitions older than `days` days; the costs of their attempts are kept.
    ///
    /// It blocks no writer: a partition is detached concurrently, which waits for current readers,
    /// and then dropped. One that is still in use after a moment is left for the next time,
    /// possibly with its detach pending.
    public func drop(_ what: Retained, olderThanDays days: Int) throws -> DroppedHistory {
        guard days >= 1 else {
            throw JobsError(
                .wrongState, "today's history cannot be dropped",
                remedy: "keep 1 day or more, not \(days)")
        }
        try requireOwner()
        var answer = DroppedHistory()
        while what == .jobs, try closeMonth(olderThanDays: days) {}
        let old = try connection.query(.historyOld(kind: what.rawValue, days: days))
        if old.isEmpty { return answer }
        let usual = Int(connection.limits.lockTimeoutSeconds * 1000)
        if !connection.isPooled {
            try connection.script("set lock_timeout = \(Self.dropPatience)")
        }
        defer {
            // If this fails the connection is lost, and the setting with it.
            do {
                if !connection.isPooled { try connection.script("set lock_timeout = \(usual)") }
            } catch {}
        }
        for row in old {
            let name = try row.text("name")
            do {
                try drop(name, of: try row.text("parent"), state: try row.text("state"))
                answer.dropped.append(name)
            } catch let error as PostgresError where ["55P03", "57014"].contains(error.sqlState) {
                answer.inUse = name
                break
            }
        }
        return answer
    }

    /// Throws before any change if this database role may not drop partitions.
    private func requireOwner() throws {
        guard try connection.queryOne(.schemaIsOwned).bool("owned") else {
            throw JobsError(
                .notOwner,
                "only the owner of the schema may drop old data, and this database role is not the owner",
                remedy:
                    "let a worker run as the owner, or run `ofa queue retention --apply` as the owner"
            )
        }
    }

    /// Closes a month whose jobs are due for dropping, now or at the next call; false if there is
    /// none.
    private func closeMonth(olderThanDays days: Int) throws -> Bool {
        try transact { connection in
            guard let row = try connection.query(.monthClose(days: days)).first else {
                return false
            }
            try connection.note("drop", "jobs of \(try row.int("month"))")
            return true
        }
    }

    /// Drops one partition. The names come from the catalogue and match a pattern.
    private func drop(_ name: String, of parent: String, state: String) throws {
        if connection.isPooled {
            // Statements outside a transaction have no limits behind a pooler: use a plain detach
            // with a short lock timeout.
            let detach =
                state == "attached" ? "alter table ofa.\(parent) detach partition ofa.\(name);" : ""
            return try connection.script(
                "set local lock_timeout = \(Self.dropPatience); \(detach) drop table ofa.\(name)",
                name: "drop \(name)")
        }
        if state != "detached" {
            let how = state == "pending" ? "finalize" : "concurrently"
            try connection.script(
                "alter table ofa.\(parent) detach partition ofa.\(name) \(how)",
                name: "detach \(name)")
        }
        try connection.script("drop table ofa.\(name)", name: "drop \(name)")
    }
}

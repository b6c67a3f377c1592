// History by the day: partitions are made ahead, and dropped as a whole when they are older than what is to be kept. Both
// beside those who work: neither takes a lock that an attempt's end would wait for.
import Foundation
import Postgres
import Schema

/// One partition of the queue's history, or of the ledger's records.
public struct HistoryDay: Codable, Sendable, Equatable {
    /// The partition's name, such as attempt_20261124.
    public let name: String
    /// What it takes on disk with its index, in bytes.
    public let bytes: Int64
    /// About how many rows it has; -1 before the first look.
    public let rows: Int64
}

/// What is dropped after a while, where it is said how long to keep it.
public enum Retained: String, Codable, Sendable, CaseIterable {
    /// Attempts and the lines of job logs, by the day.
    case history
    /// What was metered of each attempt, by the month; the sums stay.
    case meter
    /// The stages and jobs of runs that have ended, by the month the runs were made in; the runs, what they cost, and what
    /// made an artifact stay.
    case jobs
}

/// What was dropped, and what could not be yet.
public struct DroppedHistory: Sendable, Equatable, Encodable {
    /// The partitions that are gone.
    public var dropped: [String] = []
    /// The oldest partition that is still read, by a backup perhaps: it and later ones are dropped the next time.
    public var inUse: String?

    private enum CodingKeys: String, CodingKey {
        case dropped
        case inUse = "in_use"
    }
}

extension JobQueue {
    /// How many days of history are made ahead, and how many of them at a time.
    static let daysAhead = (days: 60, atATime: 8)
    /// How long dropping a partition waits for its readers, in milliseconds; behind a pooler, writers wait as long.
    private static let dropPatience = 300

    /// Makes days of history ahead.
    public func openDays() throws {
        _ = try connection.query(
            .partitionsAhead(days: Self.daysAhead.days, most: Self.daysAhead.atATime))
    }

    /// Sums up the days of the ledger that are over, so that what is asked of all runs stays quick.
    public func foldDays() throws { _ = try connection.query(.foldDays) }

    /// The partitions of history and of the ledger's records.
    public func history() throws -> [HistoryDay] {
        try ask(.historyList).map { row in
            HistoryDay(
                name: try row.text("name"), bytes: try row.int64("bytes"),
                rows: try row.int64("rows"))
        }
    }

    /// How many days each is kept; what is not there is kept for good.
    public func retention() throws -> [Retained: Int] {
        var kept: [Retained: Int] = [:]
        for row in try ask(.retentionList) {
            if let what = Retained(rawValue: try row.text("what")) {
                kept[what] = try row.int("days")
            }
        }
        return kept
    }

    /// Sets how many days something is kept; nil for good.
    public func retain(_ what: Retained, days: Int?) throws {
        if let days, days < 1 {
            throw JobsError(
                .wrongState, "today's \(what.rawValue) stays",
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

    /// Drops everything that is older than it is to be kept.
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

    /// Drops the partitions older than `days` days; what their attempts cost stays.
    ///
    /// It blocks no writer: a partition is detached concurrently, which waits for the table's present readers, and then
    /// dropped. One that is still read after a moment is left for the next time, perhaps half detached.
    public func drop(_ what: Retained, olderThanDays days: Int) throws -> DroppedHistory {
        guard days >= 1 else {
            throw JobsError(
                .wrongState, "today's history stays", remedy: "keep 1 day or more, not \(days)")
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
            // Where this fails the connection is gone, and with it the setting.
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

    /// Refuses where this database role may not drop anything, before anything is changed.
    private func requireOwner() throws {
        guard try connection.queryOne(.schemaIsOwned).bool("owned") else {
            throw JobsError(
                .notOwner,
                "what is older than it is to be kept is dropped by the owner of the schema, which this database role is not",
                remedy:
                    "let a worker run as the owner, or run `ofa queue retention --apply` as the owner"
            )
        }
    }

    /// Closes a month whose jobs may be dropped, so that they are, now or the next time; false when there is none.
    private func closeMonth(olderThanDays days: Int) throws -> Bool {
        try transact { connection in
            guard let row = try connection.query(.monthClose(days: days)).first else {
                return false
            }
            try connection.note("drop", "jobs of \(try row.int("month"))")
            return true
        }
    }

    /// Drops one partition; the names are those of the catalogue, which a pattern has checked.
    private func drop(_ name: String, of parent: String, state: String) throws {
        if connection.isPooled {
            // What has to run outside a transaction has no limits there: the usual way, as long as others may wait.
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

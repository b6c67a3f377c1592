// Creates the partitions of history (one for each day or month) in advance, and drops whole partitions after their
// retention period. Creating partitions takes no lock that would block a worker that ends an attempt. Dropping
// partitions takes such a lock only behind a pooler.
import Foundation
import Postgres
import Schema

/// One partition of a table of history (attempts or log lines), of meter rows, or of the jobs of
/// runs.
public struct HistoryDay: Codable, Sendable, Equatable {
    /// The partition's name, such as attempt_20261124.
    public let name: String
    /// The size of the partition on disk with its indexes, in bytes.
    public let bytes: Int64
    /// The approximate number of rows of the partition; -1 before the first ANALYZE.
    public let rows: Int64
}

/// The kinds of data that have a retention period.
public enum Retained: String, Codable, Sendable, CaseIterable {
    /// Attempts and job log lines, in one partition per day.
    case history
    /// Meter rows of attempts, in one partition per month. The ledger keeps the sums of these rows.
    case meter
    /// Stages and jobs of ended runs, in partitions by the month in which the run was created. The
    /// runs, their costs, and the arguments of jobs that made artifacts are kept.
    case jobs
}

/// The partitions that were dropped, and the first that could not be dropped.
public struct DroppedHistory: Sendable, Equatable, Encodable {
    /// The dropped partitions.
    public var dropped: [String] = []
    /// The first partition that could not be dropped because it is in use, for example by a backup.
    /// A later call drops this partition and the newer ones of its kind.
    public var inUse: String?

    private enum CodingKeys: String, CodingKey {
        case dropped
        case inUse = "in_use"
    }
}

extension JobQueue {
    /// Partitions are created for `days` days in advance, for at most `atATime` of these days per
    /// transaction.
    static let daysAhead = (days: 60, atATime: 8)
    /// How long dropping a partition waits for a lock, in milliseconds. Behind a pooler, writers
    /// may be blocked during this wait.
    private static let dropPatience = 300

    /// Creates missing partitions for today and the next 60 days, for at most 8 of these days per
    /// call (`daysAhead`).
    public func openDays() throws {
        _ = try connection.query(
            .partitionsAhead(days: Self.daysAhead.days, most: Self.daysAhead.atATime))
    }

    /// Sums the ledgers of past days in ofa.cost_day, so that queries over all runs stay fast.
    /// Some days at a time, each in a transaction of its own.
    public func foldDays() throws {
        while try connection.queryOne(.foldDays).int("rows") > 0 {}
    }

    /// Returns the partitions of history, of meter rows and of the jobs of runs.
    public func history() throws -> [HistoryDay] {
        try ask(.historyList).map { row in
            HistoryDay(
                name: try row.text("name"), bytes: try row.int64("bytes"),
                rows: try row.int64("rows"))
        }
    }

    /// Returns the retention periods in days. Data without an entry is kept forever.
    public func retention() throws -> [Retained: Int] {
        var kept: [Retained: Int] = [:]
        for row in try ask(.retentionList) {
            if let what = Retained(rawValue: try row.text("what")) {
                kept[what] = try row.int("days")
            }
        }
        return kept
    }

    /// Sets how many days `what` is kept; nil means forever. Errors: `wrongState` for less than 1.
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

    /// Drops the data that is older than its retention period. Errors: `notOwner` if there is any
    /// retention period and this role does not own the schema.
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

    /// Drops the partitions of `what` whose day or month ended at least `days` days ago. The costs
    /// of their attempts are kept.
    ///
    /// Except behind a pooler, this blocks no writer: each partition is first detached with `concurrently`, which waits
    /// for current readers, and then dropped. A partition that is still in use after `dropPatience` is left for a later
    /// call; the server may then still have to finish detaching it. Errors: `wrongState` if `days` is less than 1;
    /// `notOwner`.
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
            // The error is ignored: if this statement fails, the connection is lost, and the
            // changed setting ends with the connection.
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

    /// Throws `notOwner` if this database role may not drop partitions.
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

    /// Closes the oldest month that ended at least `days` days ago and whose runs have all ended at
    /// least `days` days ago. The jobs of closed months may be dropped. Returns false if there is
    /// no such month.
    private func closeMonth(olderThanDays days: Int) throws -> Bool {
        try transact { connection in
            guard let row = try connection.query(.monthClose(days: days)).first else {
                return false
            }
            try connection.note("drop", "jobs of \(try row.int("month"))")
            return true
        }
    }

    /// Drops one partition. Its name needs no quoting, because it comes from the catalogue and
    /// matches the pattern of partition names.
    private func drop(_ name: String, of parent: String, state: String) throws {
        if connection.isPooled {
            // Behind a pooler, statements outside a transaction have no time limits. So the
            // partition is detached in a transaction, with a short lock timeout.
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

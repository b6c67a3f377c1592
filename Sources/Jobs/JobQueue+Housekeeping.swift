// Housekeeping of the queue: recurring runs, history and the ledger. Workers do this work as
// duties; one worker at a time does a duty: see Maintenance/Duty.swift.
import Foundation
import Postgres
import Schema

/// A run that is enqueued periodically.
public struct RecurringRun: Codable, Sendable, Equatable {
    /// The name of the recurring run.
    public let name: String
    /// The time from one run to the next, in seconds.
    public let everySeconds: Double
    /// When a run is enqueued next.
    public let nextAt: Date
    /// The run that was enqueued last.
    public let lastRun: RunID?
}

extension JobQueue {
    /// The period of the duties `history`, `ledger` and `retention`, in seconds.
    static let historySeconds = 3600.0

    /// Does the due work of all standard duties except `rescue`: promotes due jobs, creates
    /// partitions in advance, sums days of the ledger, applies retention, and enqueues due
    /// recurring runs.
    ///
    /// Errors: `invalidRun` if a stored recurring run cannot be read. This error is thrown after
    /// all other recurring runs were processed.
    public func housekeep() throws {
        // Each statement promotes at most a thousand jobs, to hold their locks only briefly.
        while try connection.queryOne(.jobPromote).int("promoted") >= 1000 {}
        for duty in [Duty.history, .ledger, .retention] {
            let due = Request.dutyIsDue(name: duty.name, seconds: Self.historySeconds)
            guard try connection.queryOne(due).bool("due") else { continue }
            try duty.body(
                Duty.Work(
                    queue: self, observer: nil, isStopping: { false }, report: { _ in }))
            try connection.execute(.dutyDone(name: duty.name))
        }
        try enqueueDue()
    }

    /// Enqueues the due recurring runs. Errors: `invalidRun` if a stored recurring run cannot be
    /// read, thrown after all other recurring runs were processed.
    func enqueueDue() throws {
        var unreadable: [String] = []
        while try enqueueDue(&unreadable) {}
        guard unreadable.isEmpty else {
            throw JobsError(
                .invalidRun,
                "unreadable recurring runs, which are skipped: \(unreadable.joined(separator: ", "))",
                remedy: "enqueue them again with --every, or `ofa queue recurring remove` them")
        }
    }

    // MARK: Recurring runs

    /// Adds or replaces a recurring run: `given` is enqueued every `everySeconds`, first at
    /// `startingAt` (nil: now). `body` runs in the transaction that stores the recurring run.
    ///
    /// No run is enqueued while a run of the same pipeline is unfinished. If no worker enqueued
    /// runs for several periods, a single run is enqueued for all these periods. Errors:
    /// `invalidRun`.
    public func recur(
        _ given: RunSpec, everySeconds: Double, startingAt: Date? = nil,
        alongside body: (Connection) throws -> Void = { _ in }
    ) throws {
        let run = try given.checked()
        _ = try run.stagesInOrder()
        guard everySeconds >= 1, everySeconds < 1e9 else {
            throw JobsError(
                .invalidRun, "a run recurs every second at most, not every \(everySeconds) s")
        }
        let spec = String(decoding: try JSONEncoder().encode(run), as: UTF8.self)
        try transact { connection in
            try connection.execute(
                .recurringSet(
                    name: run.name, spec: spec, everySeconds: everySeconds, nextAt: startingAt))
            try body(connection)
            try connection.note("recur", "recurring \(run.name)", ["every": "\(everySeconds) s"])
        }
    }

    /// Returns the recurring runs.
    public func recurring() throws -> [RecurringRun] {
        try ask(.recurringList).map { row in
            RecurringRun(
                name: try row.text("name"), everySeconds: try row.double("every_seconds"),
                nextAt: try row.date("next_at"), lastRun: try row.optionalInt64("last_run"))
        }
    }

    /// Removes a recurring run. Runs that were already enqueued continue. Errors: `notFound`.
    public func stopRecurring(_ name: String) throws {
        let name = name.precomposedStringWithCanonicalMapping
        let isRemoved = try transact { connection in
            guard try connection.execute(.recurringRemove(name: name)) > 0 else { return false }
            try connection.note("remove", "recurring \(name)")
            return true
        }
        if !isRemoved { throw JobsError(.notFound, "there is no recurring run \(name)") }
    }

    /// Enqueues one due recurring run; returns false if none is due.
    private func enqueueDue(_ unreadable: inout [String]) throws -> Bool {
        let isDue: Bool
        do { isDue = try enqueueDue(leaveOut: false, &unreadable) } catch let error as JobsError
            where error.code == .notUnique
        {
            // Unfinished jobs of another run hold the unique keys of this run. This run is skipped
            // once, so that the other recurring runs are still processed.
            isDue = try enqueueDue(leaveOut: true, &unreadable)
        }
        if isDue { try hint() }
        return isDue
    }

    private func enqueueDue(leaveOut: Bool, _ unreadable: inout [String]) throws -> Bool {
        var broken: String?
        let isDue = try transact { connection in
            broken = nil
            guard let row = try connection.query(.recurringDue).first else { return false }
            let name = try row.text("name")
            var id: RunID?
            do {
                let run = try JSONDecoder().decode(
                    RunSpec.self, from: Data(try row.json("spec").utf8)
                )
                .checked()
                if !leaveOut { id = try insert(run, try run.stagesInOrder(), connection) }
            } catch let error as DecodingError {
                broken = "\(name) (\(error.localizedDescription))"
            } catch let error as JobsError where error.code == .invalidRun {
                broken = "\(name) (\(error.message))"
            }
            try connection.execute(.recurringAdvance(name: name, run: id))
            return true
        }
        if let broken { unreadable.append(broken) }
        return isDue
    }
}

/// What people do now and then, and whose time is kept as that of a duty.
public enum RecordedWork: String, Sendable {
    /// A backup was written.
    case backup
    /// An audit found nothing.
    case audit
}

extension JobQueue {
    /// Records that something was done now. Errors: those of the database, with SQLSTATE 42501 for a role that only reads.
    public func record(_ work: RecordedWork) throws {
        try connection.execute(.dutyDone(name: work.rawValue))
    }
}

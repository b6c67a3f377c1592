// `ofa queue history`, `retention` and `audit`: list or drop the days of the queue's history, set
// retention periods, and check the queue's consistency.

import ArgumentParser
import Jobs
import Postgres

/// Lists the days of history, or drops old days.
struct QueueHistory: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "The days of attempts and job logs that are kept; drops old ones.",
        discussion: """
            Every day has its own partition, so dropping it is quick, leaves nothing to clean up, and blocks no writer. \
            The costs of its attempts stay in the ledger. ROWS is the server's estimate. Workers drop days that exceed \
            the period of ofa queue retention.

            Example:
              ofa queue history
              ofa queue history --drop-older-than 90
            """)

    /// The age in days beyond which days of history are dropped; nil to list the days.
    @Option(
        help: ArgumentHelp("Drop days older than this many days.", valueName: "days"),
        transform: Number.whole(1...100_000))
    var dropOlderThan: Int?
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Prints the days of history, or drops old days and prints the dropped days.
    mutating func run() throws {
        let queue = JobQueue(try database.connectToExisting(takesLong: true))
        if let dropOlderThan {
            let answer = try queue.drop(.history, olderThanDays: dropOlderThan)
            return try Output.answer(answer, output) {
                try Self.tell(answer, nothing: "nothing is older than \(dropOlderThan) days")
            }
        }
        let days = try queue.history()
        try Output.answer(days, output) {
            var table = Table(.text("PARTITION"), .number("SIZE"), .number("ROWS"))
            table.rows = days.map { day in
                [
                    day.name, Format.bytes(Int(day.bytes)),
                    day.rows < 0 ? "?" : Format.grouped(Int(day.rows)),
                ]
            }
            try Output.table(table)
        }
    }
}

extension QueueHistory {
    /// Prints the names of the dropped partitions, and of the first partition that could not be dropped because it is
    /// in use. If there are none, prints the argument `nothing`.
    static func tell(_ answer: DroppedHistory, nothing: String) throws {
        for name in answer.dropped { try Output.line("dropped \(name)") }
        if let name = answer.inUse {
            Output.note(
                "\(name) and later ones are still read (by a backup?): try again when that has ended"
            )
        } else if answer.dropped.isEmpty {
            Output.note(nothing)
        }
    }
}

/// Sets, prints and applies retention periods.
struct QueueRetention: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "retention",
        abstract: "Retention periods of history, meter rows and jobs; workers drop older data.",
        discussion: """
            Nothing is dropped unless a period is set here. history: attempts and job logs, by day. meter: the meter \
            readings of each attempt, by month; the sums that ofa cost shows are kept. jobs: the stages and jobs of a \
            month's runs, once all of these have ended; the runs, their costs, artifacts and lineage are kept.

            Example:
              ofa queue retention
              ofa queue retention history 90
              ofa queue retention history forever
              ofa queue retention --apply
            """)

    /// The kind of data whose period is set; nil to set none.
    @Argument(
        help: "history, meter or jobs.", completion: Word.completion(Retained.self),
        transform: Word.one(of: Retained.self))
    var what: Retained?
    /// The retention period in days.
    @Argument(help: "How many days, or forever.", transform: Keep.read) var days: Keep?
    /// Whether to drop older data now.
    @Flag(help: "Drop older data now, as the schema's owner; otherwise workers do so hourly.")
    var apply = false
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Refuses incomplete combinations of arguments.
    mutating func validate() throws {
        if what != nil, days == nil {
            throw ValidationError("how long?", remedy: "name a number of days, or forever")
        }
    }

    /// Sets the period if given. Then drops older data with `--apply`, or else prints all periods.
    mutating func run() throws {
        let queue = JobQueue(
            try what == nil ? database.connectToExisting(takesLong: apply) : database.connect())
        if let what, let days { try queue.retain(what, days: days.days) }
        if apply {
            let dropped = try queue.applyRetention()
            return try Output.answer(dropped, output) {
                try QueueHistory.tell(dropped, nothing: "nothing exceeds its retention period")
            }
        }
        let kept = try queue.retention()
        let rows = Retained.allCases.map { Row(what: $0.rawValue, days: kept[$0]) }
        try Output.answer(rows, output) {
            var table = Table(.text("WHAT"), .text("KEPT"))
            table.rows = rows.map { [$0.what, $0.days.map { "\($0) days" } ?? "for good"] }
            try Output.table(table)
        }
    }

    /// A number of days, or forever.
    struct Keep {
        /// The number of days; nil means forever.
        let days: Int?

        /// Reads a number, or `forever`.
        @Sendable static func read(_ text: String) throws -> Keep {
            Keep(days: text == "forever" ? nil : try Number.whole(1...100_000)(text))
        }
    }

    private struct Row: Encodable {
        let what: String
        let days: Int?
    }
}

/// Checks the queue's consistency.
struct QueueAudit: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Checks the queue's consistency; exit code 2 for violations.",
        discussion: """
            The check reads every job, which takes seconds per million. Workers may run meanwhile.

            Example:
              ofa queue audit --json
            """)

    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Prints violations, one line each.
    mutating func run() throws {
        let queue = JobQueue(try database.connectToExisting(takesLong: true))
        let problems = try queue.audit()
        if problems.isEmpty { record(queue) }
        try Output.answer(Answer(sound: problems.isEmpty, problems: problems), output) {
            for problem in problems { try Output.line(problem) }
            if problems.isEmpty { try Output.line("sound: every counter, lease and permit fits") }
        }
        if !problems.isEmpty {
            throw CommandFailure.notTrue(
                "the queue is not sound (\(problems.count) findings)",
                remedy: "pause it, keep a backup (ofa db backup), report it"
            )
        }
    }

    /// Records the time of the audit, for the metric ofa_audit_age_seconds. Readers and standbys cannot, and need not.
    private func record(_ queue: JobQueue) {
        do { try queue.record(.audit) } catch let error as PostgresError
            where error.sqlState == "42501" || error.isReadOnly
        {} catch {
            Output.note(
                "note: the time of the audit is not recorded: \(Output.describe(error))", .warning)
        }
    }

    private struct Answer: Encodable {
        let sound: Bool
        let problems: [String]
    }
}

// `ofa queue history` and `ofa queue audit`: the days of the queue's history, and the proof that it is sound.

import ArgumentParser
import Jobs

/// The days of history.
struct QueueHistory: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "The days of attempts and job logs that are kept; drops old ones.",
        discussion: """
            Every day has a partition of its own, so dropping it is quick and leaves nothing to clean up. What its \
            attempts cost stays in the ledger. Rows are an estimate until the server has counted them.

            Example:
              ofa queue history
              ofa queue history --drop-older-than 90
            """)

    /// What to drop.
    @Option(
        help: ArgumentHelp("Drop the days older than so many days.", valueName: "days"),
        transform: Number.whole(1...100_000))
    var dropOlderThan: Int?
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Refuses to drop today.
    /// Prints the days there are, or those it dropped.
    mutating func run() throws {
        let queue = JobQueue(try database.connect())
        if let dropOlderThan {
            let dropped = try queue.dropHistory(olderThanDays: dropOlderThan)
            return try Output.answer(["dropped": dropped], output) {
                for name in dropped { try Output.line("dropped \(name)") }
                if dropped.isEmpty { Output.note("nothing is older than \(dropOlderThan) days") }
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

/// The recount.
struct QueueAudit: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Recounts everything the queue holds; exit code 2 when something does not fit.",
        discussion: """
            It reads every job, so it takes seconds per million of them. It may run beside working workers.

            Example:
              ofa queue audit --json
            """)

    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Prints what must not be, a line each.
    mutating func run() throws {
        let problems = try JobQueue(try database.connect()).audit()
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

    private struct Answer: Encodable {
        let sound: Bool
        let problems: [String]
    }
}

// `ofa queue recurring`: lists and removes recurring runs. `ofa enqueue --every` adds one.

import ArgumentParser
import Foundation
import Jobs

/// The commands about recurring runs.
struct QueueRecurring: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "recurring",
        abstract: "Recurring runs: list, remove.",
        discussion: """
            ofa enqueue FILE --every 1d adds one.

            Example:
              ofa queue recurring
              ofa queue recurring remove fashion-mnist-quick
            """,
        subcommands: [QueueRecurringList.self, QueueRecurringRemove.self],
        defaultSubcommand: QueueRecurringList.self)

    /// Prints the recurring runs.
    static func show(_ queue: JobQueue, _ output: OutputOptions) throws {
        let recurring = try queue.recurring()
        try Output.answer(recurring.map(RecurringDocument.init), output) {
            var table = Table(
                .text("NAME"), .number("EVERY"), .text("NEXT"), .number("LAST RUN"))
            table.rows = recurring.map { run in
                [
                    run.name, Span.text(run.everySeconds), run.nextAt.formatted(.iso8601),
                    run.lastRun.map(String.init) ?? "",
                ]
            }
            try Output.table(table)
        }
    }
}

/// The JSON form of a recurring run.
struct RecurringDocument: Encodable {
    /// The name of the recurring run.
    let name: String
    /// The period in seconds.
    let every_seconds: Double
    /// The time at which the next run is enqueued.
    let next_at: Date
    /// The run that was enqueued last.
    let last_run: Int64?

    /// Makes the document of a recurring run; dates are encoded in ISO 8601.
    init(_ run: RecurringRun) {
        name = run.name
        every_seconds = run.everySeconds
        next_at = run.nextAt
        last_run = run.lastRun
    }
}

/// Lists recurring runs.
struct QueueRecurringList: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists recurring runs.",
        discussion: "Example:\n  ofa queue recurring list --json")

    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Prints the recurring runs.
    mutating func run() throws {
        try QueueRecurring.show(JobQueue(try database.connectToExisting()), output)
    }
}

/// Removes a recurring run.
struct QueueRecurringRemove: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Removes a recurring run; runs already enqueued continue.",
        discussion: "Example:\n  ofa queue recurring remove fashion-mnist-quick")

    /// The run's name.
    @Argument(help: "The name of the recurring run.", completion: .recurring) var name: String
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Removes the recurring run and prints the others; exit code 2 if no recurring run has this name.
    mutating func run() throws {
        let queue = JobQueue(try database.connectToExisting())
        try queue.stopRecurring(name)
        try QueueRecurring.show(queue, output)
    }
}

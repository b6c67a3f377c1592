// `ofa report`: what came out of a run.

import Accounting
import ArgumentParser
import Foundation
import Jobs
import Pipelines

/// Shows what came out of a run.
struct ReportCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract:
            "What came out of a run: its networks, predicted beside measured, and what every stage cost.",
        discussion: """
            With --html the report is also written as a page with the fronts drawn; it needs nothing else and no network.

            Example:
              ofa report
              ofa report 3 --json
              ofa report 3 --html report.html
            """)

    /// The run.
    @Argument(
        help: ArgumentHelp("The run's number; the newest otherwise.", valueName: "run"),
        transform: Number.id)
    var runID: Int64?
    /// Where the page goes.
    @Option(help: ArgumentHelp("Write the report to this file as a page too.", valueName: "file"))
    var html: String?
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Collects, writes the page where one is wanted, and prints.
    mutating func run() throws {
        let connection = try database.connect()
        let id = try runID ?? StatusCommand.newest(JobQueue(connection))
        let report = try RunReport(connection, run: id, factors: try FactorSet.load(connection))
        if let html { try ReportPrinter.write(report, to: html) }
        try Output.answer(report, output) { try ReportPrinter.show(report) }
    }
}

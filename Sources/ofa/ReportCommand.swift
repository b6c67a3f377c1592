// `ofa report`: prints the results of a run, and can write them as an HTML page.

import Accounting
import ArgumentParser
import Foundation
import Jobs
import Pipelines

/// Shows the results of a run.
struct ReportCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract:
            "The results of a run: networks with predicted and measured figures, and the costs of stages.",
        discussion: """
            With --html the report is also written as a self-contained page, which draws the fronts. If stored bytes are \
            damaged or missing, the report omits what they held, and the exit code is 2.

            Example:
              ofa report
              ofa report 3 --json
              ofa report 3 --html report.html
            """)

    /// The run; nil for the newest.
    @Argument(
        help: ArgumentHelp("The run's number; by default the newest.", valueName: "run"),
        completion: .runs, transform: Number.id)
    var runID: Int64?
    /// The HTML file to write; nil for none.
    @Option(
        help: ArgumentHelp(
            "Write the report to this file as a page too; with - the page alone, on standard output.",
            valueName: "file"), completion: .file())
    var html: String?
    /// Whether to replace an existing file.
    @OptionGroup var files: FileOptions
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Collects the report, writes the HTML page if a file is given, and prints the report. Exit code 2 if stored bytes
    /// that belong to the report are damaged or missing.
    mutating func run() throws {
        let page = try html.map { try OutputFile($0, files, output) }
        let connection = try database.connectToExisting(takesLong: true)
        let id = try runID ?? StatusCommand.newest(JobQueue(connection))
        let report = try RunReport(connection, run: id, factors: try FactorSet.load(connection))
        if let page {
            try ReportPrinter.write(report, to: page)
        }
        if page?.isStandardOutput != true {
            try Output.answer(report, output) { try ReportPrinter.show(report) }
        }
        for row in report.networks {
            guard let difference = row.tableDifference else { continue }
            Output.note("warning: device \(row.device): \(difference)")
        }
        guard let missing = report.unreadable.first else { return }
        throw CommandFailure(
            exitCode: ExitCode(2), code: "incomplete",
            reason: "the report is incomplete: \(missing.reason)",
            remedy: missing.remedy)
    }
}

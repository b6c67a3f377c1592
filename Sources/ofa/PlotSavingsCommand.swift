// `ofa plot savings`: draws what the supernet of a run saved against networks that the run trained alone.

import Accounting
import ArgumentParser
import Foundation
import Jobs
import Pipelines

/// Draws the costs of networks over the number of devices.
struct PlotSavings: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "savings",
        abstract:
            "Energy over the number of devices: networks cut from the run's supernet, and the same trained alone.",
        discussion: """
            The picture is self-contained SVG: a line for each way, the mean over the seeds, with a thin line for each seed, \
            and a mark where the supernet begins to pay. If an energy is unknown, it shows time. The run must have trained \
            networks alone that its searches chose, and evaluated them, as pipelines/measured-savings.yaml does. ofa report \
            prints the figures, and --json prints them here too, with or without a file.

            Example:
              ofa plot savings -o savings.svg
              ofa plot savings 3 --json
            """)

    /// The run; nil for the newest.
    @Argument(
        help: ArgumentHelp("The run's number; by default the newest.", valueName: "run"),
        completion: .runs, transform: Number.id)
    var runID: Int64?
    /// The file to write; nil for none.
    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: "The SVG file to write; - for standard output.", completion: .file())
    var file: String?
    /// Whether to replace an existing file.
    @OptionGroup var files: FileOptions
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Refuses a call that would write nothing.
    mutating func validate() throws {
        guard file != nil || output.json else {
            throw ValidationError("nothing to write", remedy: "give -o FILE.svg, or --json")
        }
    }

    /// Reads the figures and writes the plot.
    mutating func run() throws {
        let target = try file.map { try OutputFile($0, files, output) }
        let connection = try database.connectToExisting(takesLong: true)
        let queue = JobQueue(connection)
        let run = try queue.run(try runID ?? StatusCommand.newest(queue))
        let report = try RunReport(
            connection, run: run.id, factors: try FactorSet.load(connection))
        guard let savings = report.savings, let plot = SavingsPlot(savings) else {
            throw CommandFailure.notFound(
                "run \(run.id) has no networks that were trained alone beside those cut from its supernet",
                remedy: "ofa run pipelines/measured-savings.yaml makes both")
        }
        if let target {
            try target.write(plot.svg)
            if target.isStandardOutput { return }
        }
        let answer = SavingsAnswer(run: run.id, file: file, savings: savings)
        try Output.answer(answer, output) {
            try Output.line(
                "\(target?.name ?? ""): \(savings.devices.count) devices in \(savings.ways.count) ways, "
                    + "\(savings.seeds.count) seeds")
        }
    }
}

/// The JSON answer of `ofa plot savings`.
private struct SavingsAnswer: Encodable {
    let run: Int64
    let file: String?
    let savings: SupernetSavings
}

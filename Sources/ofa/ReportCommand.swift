// `ofa report`: what came out of a run.

import Accounting
import ArgumentParser
import Foundation
import Jobs
import Pipelines

/// Shows what came out of a run.
struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "What came out of a run: its networks and what every stage cost.",
        discussion: """
            Example:
              ofa report
              ofa report 3 --json
            """)

    @Argument(help: ArgumentHelp("The run's number; the newest otherwise.", valueName: "run"))
    var runID: Int64?
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    mutating func run() throws {
        let connection = try database.connect()
        let id = try runID ?? StatusCommand.newest(JobQueue(connection))
        let report = try RunReport(connection, run: id, factors: try FactorSet.load(connection))
        try Output.answer(report, output) { try ReportPrinter.show(report) }
    }
}

/// Prints a report for people.
enum ReportPrinter {
    /// The networks, the supernet's ends, and the costs by stage.
    static func show(_ report: RunReport) throws {
        try Output.line(
            "run \(report.run.id) \(report.run.name): \(report.run.state.rawValue), \(Format.duration(report.seconds))"
        )
        for (name, row) in [("largest", report.largest), ("smallest", report.smallest)] {
            guard let row else { continue }
            let figures = row.figures
            try Output.line(
                "\(name) network: \(percent(figures.testAccuracy)) on the test images,"
                    + " \(Format.grouped(figures.macs)) MACs, \(Format.grouped(figures.params)) parameters"
            )
        }
        if !report.networks.isEmpty {
            try Output.line()
            try Output.table(networks(report.networks))
            for row in report.networks {
                try Output.line("  \(row.figures.device): \(row.figures.assumption)")
            }
        }
        try Output.line()
        try Output.table(costs(report.cost))
        try Output.line(
            "  energy and carbon with their intervals; zone \(report.cost.zones.joined(separator: ", "));"
                + " ofa cost explain says where they come from")
    }

    private static func networks(_ rows: [RunReport.NetworkRow]) -> Table {
        var table = Table(
            .text("DEVICE"), .number("PREDICTED"), .number("TEST"), .number("LATENCY ms"),
            .number("MACs"),
            .number("PARAMETERS"), .number("FLASH"), .number("PEAK MEMORY"), .number("STORED"),
            .text("RESOLUTION"),
            .number("ARTIFACT"))
        table.rows = rows.map { row in
            let figures = row.figures
            return [
                figures.device, figures.predictedAccuracy.map(percent) ?? "",
                percent(figures.testAccuracy),
                figures.latencyMs.map { Format.decimal($0, 3) } ?? "", Format.grouped(figures.macs),
                Format.grouped(figures.params), Format.bytes(figures.flashBytes),
                Format.bytes(figures.peakActivationBytes),
                Format.bytes(row.storedBytes), String(figures.arch.resolution),
                row.artifact.description,
            ]
        }
        return table
    }

    private static func costs(_ report: CostReport) -> Table {
        var table = Table(
            .text("STAGE"), .number("ATTEMPTS"), .number("TIME"), .number("CPU"),
            .number("ENERGY J"), .text("INTERVAL"),
            .number("gCO2e"), .text("TIER"))
        table.rows = (report.rows + [report.total]).map { row in
            [
                row.label, String(row.attempts), Format.duration(Double(row.wallNs) / 1e9),
                Format.duration(Double(row.cpuNs) / 1e9),
                Format.decimal(Double(row.energy.microjoules) / 1e6, 1),
                "\(Format.decimal(Double(row.energy.low) / 1e6, 0))…\(Format.decimal(Double(row.energy.high) / 1e6, 0))",
                Format.decimal(row.grams, 3), row.tier?.rawValue ?? "",
            ]
        }
        return table
    }

    private static func percent(_ share: Double) -> String { Format.decimal(100 * share, 2) + " %" }
}

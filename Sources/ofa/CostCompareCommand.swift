// `ofa cost compare`: the published figures about training once, each with its baseline, and a measured run beside them.

import Accounting
import ArgumentParser
import Foundation
import Intake
import Jobs
import Metering
import Pipelines
import Postgres

/// Compares published costs, and those of a run.
struct CostCompare: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract:
            "Published costs with their baselines, corrections and limits, and a run beside them.",
        discussion: """
            The rows are computed from the published hours, watts, PUE and carbon intensity. A factor stands only between \
            rows of one baseline. With a run, its measured costs follow, and with --alone RUN those of networks trained \
            alone. Without a run no database is needed.

            Example:
              ofa cost compare
              ofa cost compare --targets 5 --csv
              ofa cost compare 3 --alone 5 --json
            """)

    /// The run to compare; nil for published rows only.
    @Argument(
        help: ArgumentHelp("The run that trained a supernet.", valueName: "run"),
        completion: .runs, transform: Number.id)
    var runID: Int64?
    /// The number of devices of the published rows.
    @Option(
        help: ArgumentHelp("The number of devices of the published rows.", valueName: "n"),
        transform: Number.whole(1...1_000_000))
    var targets = 40
    /// The run that trained networks alone.
    @Option(
        help: ArgumentHelp("The run that trained networks alone.", valueName: "run"),
        completion: .runs)
    var alone: String?
    @OptionGroup var stages: AloneOptions
    @OptionGroup var question: CostQuestion

    mutating func validate() throws {
        guard runID != nil || alone == nil && !stages.isGiven && question.factors == nil else {
            throw ValidationError(
                "--alone, --alone-stages, --networks and --factors are for a run",
                remedy: "give the run that trained the supernet, or omit them")
        }
        guard alone != nil || !stages.isGiven else {
            throw ValidationError(
                "--alone-stages and --networks are for --alone RUN", remedy: "give it too")
        }
        if let alone, let runID { _ = try stages.stages(of: alone, besides: runID) }
    }

    mutating func run() throws {
        var comparison = CostComparison(targets: targets)
        var version: Int?
        if let runID {
            let alone = try alone.map { try stages.stages(of: $0, besides: runID) }
            (comparison, version) = try question.ask(
                runs: [runID] + [alone?.run].compactMap(\.self)
            ) { ledger, factors, _ in
                let savings = try ledger.savings(run: runID, alone: alone, factors: factors)
                return (
                    CostComparison(targets: targets, savings: savings, pue: factors.pue.interval),
                    factors.version
                )
            }
        }
        try question.answer(
            comparison.document(factors: version), rows: comparison.rows.map(\.document),
            columns: ["source", "counted", "baseline", "hours", "kwh", "lb_co2e", "kg_co2e", "usd"]
        ) {
            try Output.table(Self.table(comparison))
            try Output.line()
            for note in comparison.notes { try Output.line(note) }
        }
    }

    /// Returns the table of the rows.
    static func table(_ comparison: CostComparison) -> Table {
        var table = Table(
            .text("SOURCE", .medium), .text("COUNTED"), .number("HOURS", .medium),
            .number("kWh", .medium), .number("lb CO2e"), .number("kg CO2e", .medium),
            .number("RANGE kg", .low), .number("$", .low), .number("FACTOR"), .text("TIER", .low))
        table.rows = comparison.rows.map { row in
            [
                row.source, row.counted, CostText.amount(row.hours, ""),
                CostText.amount(row.facilityKWh?.value, ""),
                CostText.amount(row.pounds?.value, ""),
                CostText.amount(row.kilograms?.value, ""), CostText.range(row.kilograms),
                CostText.amount(row.dollars, ""), Self.factor(row.factor),
                row.tier?.rawValue ?? "-",
            ]
        }
        return table
    }

    /// Formats a quotient: `× 12.5`, or `÷ 18.7` if it is below 1.
    private static func factor(_ factor: Double?) -> String {
        factor.map {
            $0 < 1 ? "÷ \(ReportText.amount(1 / $0))" : "× \(ReportText.amount($0))"
        } ?? ""
    }
}

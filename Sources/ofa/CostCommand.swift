// `ofa cost`: shows the costs of runs by stage, device, attempt, host, kind, day, zone, pipeline or run, and how these
// costs are derived.

import Accounting
import ArgumentParser
import Foundation
import Intake
import Jobs
import Metering
import Pipelines
import Postgres

/// The commands about costs: the table, and the derivation of its numbers.
struct CostCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cost", abstract: "What runs cost: time, energy, carbon; sums are exact.",
        discussion: "Example:\n  ofa cost 3 --by device\n  ofa cost explain 3",
        subcommands: [
            CostShow.self, CostExplain.self, CostAmortise.self, CostBreakEven.self,
            CostCompare.self, CostForecastCommand.self, CostWhenCommand.self,
        ], defaultSubcommand: CostShow.self)
}

/// The selection of costs.
struct CostOptions: ParsableArguments {
    /// The run; nil for all.
    @Argument(
        help: ArgumentHelp("The run's number; by default all runs.", valueName: "run"),
        completion: .runs, transform: Number.id)
    var runID: Int64?
    /// The first day (UTC): only attempts that ended on this day or later are counted; nil for no limit.
    @Option(
        help: "Only attempts that ended on that day (UTC) or later, as 2026-01-31.",
        transform: CostOptions.date)
    var since: Date?
    /// The last day (UTC) that is counted; nil for no limit.
    @Option(
        help: "Only attempts that ended on that day (UTC) or earlier, as 2026-01-31.",
        transform: CostOptions.date)
    var until: Date?
    /// The type and signal of carbon intensities; nil for lifecycle averages, or the only ones of the set.
    @Option(
        help:
            "Carbon intensities: lifecycle-average (default), direct-average, lifecycle-marginal, direct-marginal.",
        transform: CostOptions.basis)
    var intensity: IntensityBasis?
    /// The version of the conversion factors, such as carbon intensities; nil for the newest.
    @Option(
        help: "The version of the factors; by default the newest.",
        transform: Number.whole(1...Int(Int32.max)))
    var factors: Int?
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Returns the selected costs; exit code 2 for an unknown run or factor set.
    func report(by grouping: CostGrouping) throws -> CostReport {
        try read { try report(by: grouping, $0, $1) }
    }

    /// Returns the selected costs, and the costs of each device's network, including those of devices that later runs
    /// added.
    func reportAndBranches(by grouping: CostGrouping) throws -> (
        report: CostReport, branches: [BranchCost]
    ) {
        try read { ledger, factors in
            (
                try report(by: grouping, ledger, factors),
                // The costs of devices always cover whole runs, so they are left out if only a period is selected.
                since == nil && until == nil
                    ? try ledger.branches(run: runID, factors: factors) : []
            )
        }
    }

    /// Returns the selected costs as they are in `ledger`.
    func report(
        by grouping: CostGrouping, _ ledger: CostLedger, _ factors: FactorSet,
        listsAllRuns: Bool = false
    ) throws -> CostReport {
        try ledger.report(
            run: runID, by: grouping, since: since, until: until, factors: factors,
            listsAllRuns: listsAllRuns)
    }

    /// Calls `body` with the ledger and the selected factors; exit code 2 for an unknown run or factor set.
    func read<Answer>(_ body: (CostLedger, FactorSet) throws -> Answer) throws -> Answer {
        let connection = try database.connectToExisting(takesLong: true)
        do {
            if let runID { _ = try JobQueue(connection).run(runID) }
            return try body(
                CostLedger(connection),
                try FactorSet.load(connection, version: factors, basis: intensity))
        } catch let error as JobsError where error.code == .notFound {
            throw CommandFailure.notFound(error.reason, remedy: error.remedy)
        } catch let error as AccountingError where error.code == .unknownFactorSet {
            throw CommandFailure.notFound(error.reason, remedy: error.remedy)
        }
    }

    /// Parses the value of `--since`.
    @Sendable private static func date(_ text: String) throws -> Date {
        do throws(InputFault) { return try MomentText.read(text, orDay: true) } catch {
            throw ValueFault(error)
        }
    }

    /// Parses the value of `--intensity`.
    @Sendable private static func basis(_ text: String) throws -> IntensityBasis {
        do throws(InputFault) { return try IntensityBasis(text) } catch {
            throw ValueFault(error)
        }
    }
}

/// Shows the table of costs.
struct CostShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows the costs of a run, or of all.",
        discussion: """
            Columns of water, money and embodied carbon are shown if something is known of them: water and prices from the \
            factor set (`ofa factors`), all of them from what is stated of machines (`ofa host`). Of all runs, --by attempt lists \
            the attempts of the newest 100, and --by run the newest 1,000, without --csv; the others are one row.

            Example:
              ofa cost 3 --by stage --json
              ofa cost --by pipeline --since 2026-01-01 --until 2026-01-31 --csv
              ofa cost --codecarbon-csv > emissions.csv
              ofa cost 3 --codecarbon-csv --by attempt
            """)

    @OptionGroup var options: CostOptions
    @Option(
        help:
            "stage, device, attempt, host, kind, day, zone, pipeline or run. (default: stage; run with --codecarbon-csv)",
        completion: Word.completion(CostGrouping.self), transform: Word.one(of: CostGrouping.self))
    var by: CostGrouping?
    @Flag(help: "Print the rows as comma-separated values.") var csv = false
    @Flag(
        name: .customLong("codecarbon-csv"),
        help:
            "Print a row for each run, or with --by attempt each attempt, with the columns of CodeCarbon's emissions.csv."
    )
    var codeCarbon = false

    mutating func validate() throws {
        guard [csv, codeCarbon, options.output.json].count(where: { $0 }) <= 1 else {
            throw ValidationError(
                "--csv, --codecarbon-csv and --json exclude each other", remedy: "choose one")
        }
        guard !codeCarbon || [nil, .run, .attempt].contains(by) else {
            throw ValidationError(
                "--codecarbon-csv has a row for each run or attempt",
                remedy: "choose --by run or --by attempt")
        }
    }

    mutating func run() throws {
        if codeCarbon {
            let text = try options.read { ledger, factors in
                try ledger.codeCarbon(
                    try options.report(by: by ?? .run, ledger, factors, listsAllRuns: true),
                    run: options.runID)
            }
            return try Output.bytes(Data(text.utf8))
        }
        let grouping = by ?? .stage
        if csv {
            let report = try options.read { ledger, factors in
                try options.report(by: grouping, ledger, factors, listsAllRuns: true)
            }
            return try Output.bytes(Data(report.csv.utf8))
        }
        let (report, branches) = try options.reportAndBranches(by: grouping)
        let machine = try options.machine()
        let saving = try options.saving(report)
        try Output.answer(CostDocument(report, branches, machine, saving), options.output) {
            try Output.table(Self.table(report))
            if !branches.isEmpty {
                try Output.line()
                try Output.table(BranchTable.table(branches))
            }
            try Output.line()
            for line in Self.notes(report) { try Output.line(line) }
            if let saving { try Output.line(saving.words { ReportText.amount($0) }) }
            try MachineTable.show(machine, ofRun: options.runID != nil)
        }
    }

    /// Returns the table of the rows and their sum.
    static func table(_ report: CostReport) -> Table {
        let total = report.total.energy.microjoules
        let rows = report.rows + [report.total]
        let figures = FigureColumns(rows)
        var table = Table(
            columns: [
                .text(report.grouping.rawValue.uppercased()), .number("ATTEMPTS", .low),
                .number("WALL", .medium), .number("CPU", .low), .number("ENERGY J"),
                .number("SHARE", .medium), .number("RANGE J", .low), .number("gCO2e"),
                .number("RANGE g", .low), .text("TIER", .medium),
            ] + figures.columns)
        let shares = Format.shares(rows.map { $0.share(of: total) })
        let grams = ReportText.column(
            rows.map { $0.isCarbonKnown ? $0.grams : nil }
                + rows.map { $0.isCarbonKnown ? $0.gramsLow : nil }
                + rows.map { $0.isCarbonKnown ? $0.gramsHigh : nil })
        for (place, row) in rows.enumerated() {
            let isKnown = row.isKnown
            let (low, high) = (grams[place + rows.count], grams[place + 2 * rows.count])
            let isCarbonKnown = row.isCarbonKnown
            let cells = [
                row.label, row.gaps == 0 ? "\(row.attempts)" : "\(row.attempts) (\(row.gaps) gaps)",
                Format.duration(Double(row.wallNs) / 1e9), Format.duration(Double(row.cpuNs) / 1e9),
                isKnown ? Format.decimal(Double(row.energy.microjoules) / 1e6, 3) : "gap",
                shares[place], isKnown ? joules(row.energy) : "",
                isCarbonKnown ? grams[place] : isKnown ? "unknown" : "gap",
                isCarbonKnown ? "\(low)…\(high)" : "",
                row.tier?.rawValue ?? "-",
            ]
            table.rows.append(cells + figures.cells[place])
        }
        return table
    }

    private static func joules(_ energy: Energy) -> String {
        let ends = [energy.low, energy.high].map { Format.decimal(Double($0) / 1e6, 1) }
        return ends.joined(separator: "…")
    }

    /// Returns the notes below the table.
    private static func notes(_ report: CostReport) -> [String] {
        let total = report.total
        let zones = report.zones.isEmpty ? "none" : report.zones.joined(separator: ", ")
        let pue = report.pue
        var lines = [
            "IT energy; gCO2e with PUE \(ReportText.amount(pue.interval.value))"
                + (pue.isStated ? " as stated of the machines" : "") + " in zone \(zones), "
                + "factor set \(report.factors.version); `ofa cost explain` shows how"
        ]
        lines += total.methods.map { "method: \($0)" }
        if total.notCompleted > 0 {
            lines.append("\(total.notCompleted) attempts did not complete; they are charged too")
        }
        if total.gaps > 0 {
            lines.append(
                "\(total.gaps) attempts were not metered: their energy is missing, not zero")
        }
        if total.gapNs > 0 {
            lines.append(
                "the energy of \(Format.duration(Double(total.gapNs) / 1e9)) of attempts is missing, not zero: no meter ran, or a counter could not be read"
            )
        }
        return lines + FigureColumns.notes(report)
    }
}

/// Shows the derivation of the costs.
struct CostExplain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Shows formulas, factors and sources behind the costs.",
        discussion: "Example:\n  ofa cost explain 3\n  ofa cost explain 3 --rows")

    @OptionGroup var options: CostOptions
    @Flag(
        help:
            "Also list the rows behind the sums: by stage, machine and hour, each with its factors."
    )
    var rows = false

    mutating func run() throws {
        let (report, explanation) = try options.read { ledger, factors in
            let report = try options.report(by: .stage, ledger, factors)
            var explanation = try CostExplanation(report)
            if rows {
                explanation.rows = try ledger.lines(
                    run: options.runID, since: options.since, until: options.until,
                    factors: factors)
            }
            return (report, explanation)
        }
        try Output.answer(explanation, options.output) {
            try Output.line("Formulas")
            for formula in explanation.formulas { try Output.line("  " + formula) }
            try Output.line()
            try Output.line("Factors (set \(explanation.factors): \(report.factors.note))")
            var table = Table(
                .text("NAME"), .number("VALUE"), .number("RANGE", .low), .text("UNIT", .medium),
                .wrapping("SOURCE"))
            for input in explanation.inputs {
                table.rows.append([
                    input.name, "\(input.value.value)", Self.range(input.value), input.unit,
                    input.source,
                ])
            }
            try Output.table(table)
            try Output.line()
            try Output.line("Methods, tier \(explanation.tier?.rawValue ?? "-")")
            for method in explanation.methods { try Output.line("  " + method) }
            try Output.line()
            try Output.line(
                "\(explanation.attempts) attempts, \(explanation.gaps) of them without energy")
            try Output.table(Self.results(explanation))
            if let rows = explanation.rows {
                try Output.line()
                try Output.table(FigureColumns.table(rows))
                if rows.count == CostLine.most {
                    try Output.line("only the first \(CostLine.most) rows are shown")
                }
            }
        }
    }

    private static func range(_ interval: Interval) -> String {
        interval.low < interval.high ? "\(interval.low)…\(interval.high)" : ""
    }

    private static func results(_ explanation: CostExplanation) -> Table {
        var table = Table(
            .text("RESULT"), .number("VALUE"), .number("LOW", .medium),
            .number("HIGH", .medium))
        let figures = [
            ("kWh of IT", explanation.itKWh), ("kWh of the building", explanation.facilityKWh),
            ("g CO2e", explanation.grams), ("g CO2e, worst case", explanation.gramsBox),
        ]
        for (name, figure) in figures {
            table.rows.append(
                [name] + [figure.value, figure.low, figure.high].map { Format.decimal($0, 9) })
        }
        return table
    }
}

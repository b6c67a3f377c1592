// `ofa cost breakeven`: from how many devices on a supernet costs less than training a network for each.

import Accounting
import ArgumentParser
import Foundation
import Intake
import Jobs
import Metering
import Pipelines
import Postgres

/// Computes break-evens, of a run or of plain numbers.
struct CostBreakEven: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "breakeven",
        abstract: "From how many devices on a supernet costs less than a network trained for each.",
        discussion: """
            The number of devices is F / (m - s), rounded up: F is what does not depend on the number of devices, s what \
            each device adds, m what a network trained for one device alone costs; never, if m is at most s. Of a run, F \
            and s are measured, failed attempts included; s is the mean over the devices of this run and of later ones. m \
            is measured from a run that trained networks alone (--alone RUN), or given.

            Numbers may have a range, as value:low:high. If one meter measured F, s and m, its error scales them alike, \
            and the range of the answer is that of common errors; otherwise it is the widest.

            Example:
              ofa cost breakeven --fixed 1240 --alone 150,180,500,576
              ofa cost breakeven --fixed 1240 --per-target 25,75 --alone 150
              ofa cost breakeven 3 --alone-hours 2.5
              ofa cost breakeven 3 --alone 5 --json
              ofa cost breakeven 3 --alone 3 --alone-stages alone-
            """)

    /// The run that trained the supernet; nil for plain numbers.
    @Argument(
        help: ArgumentHelp("The run that trained the supernet.", valueName: "run"),
        completion: .runs, transform: Number.id)
    var runID: Int64?
    /// F, without a run.
    @Option(
        help: ArgumentHelp("What does not depend on the devices, in any unit.", valueName: "number")
    )
    var fixed: String?
    /// The values of s, without a run.
    @Option(
        help: ArgumentHelp(
            "What each device adds, in that unit; by default 0.", valueName: "numbers"))
    var perTarget: String?
    /// The values of m, or the run that trained networks alone.
    @Option(
        help: ArgumentHelp(
            "What a network trained alone costs, separated by commas; with a run, the run that trained networks alone.",
            valueName: "numbers|run"))
    var alone: String?
    /// m in kWh of IT energy.
    @Option(
        help: ArgumentHelp("The kWh (IT) of a network trained alone.", valueName: "number"))
    var aloneKwh: String?
    /// m in hours of attempts.
    @Option(
        help: ArgumentHelp("The hours of a network trained alone.", valueName: "number"))
    var aloneHours: String?
    @OptionGroup var stages: AloneOptions
    @OptionGroup var question: CostQuestion

    mutating func validate() throws {
        guard let runID else {
            guard fixed != nil, alone != nil else {
                throw ValidationError(
                    "neither a run nor numbers are given",
                    remedy:
                        "give a run, or --fixed and --alone, such as --fixed 1240 --alone 150,180")
            }
            guard aloneKwh == nil, aloneHours == nil, !stages.isGiven else {
                throw ValidationError(
                    "--alone-kwh, --alone-hours, --alone-stages and --networks are for a run",
                    remedy: "omit them, or give a run instead of --fixed")
            }
            _ = try plain()
            return
        }
        guard fixed == nil, perTarget == nil else {
            throw ValidationError(
                "--fixed and --per-target are measured of a run", remedy: "omit them, or the run")
        }
        let ways = [alone, aloneKwh, aloneHours].compactMap(\.self)
        guard ways.count == 1 else {
            throw ValidationError(
                ways.isEmpty
                    ? "what a network trained alone costs is not given"
                    : "--alone, --alone-kwh and --alone-hours say the same",
                remedy: "give one of --alone RUN, --alone-kwh and --alone-hours")
        }
        if alone == nil, stages.isGiven {
            throw ValidationError(
                "--alone-stages and --networks are for --alone RUN", remedy: "omit them")
        }
        if let alone { _ = try stages.stages(of: alone, besides: runID) }
        _ = try CostNumber.read(aloneKwh ?? aloneHours ?? "0", "--alone-kwh or --alone-hours")
    }

    mutating func run() throws {
        let rows = try runID.map { try measured($0) } ?? plain()
        try question.answer(
            Answer(run: runID, rows: rows.map(\.document)), rows: rows.map(\.document),
            columns: [
                "against", "unit", "fixed", "per_target", "alone", "targets", "targets_low",
                "targets_high", "never", "may_never",
            ]
        ) {
            try Output.table(Self.table(rows))
            try Output.line()
            try Output.line(
                "devices from which a supernet costs less: fixed / (alone - per device), rounded up"
                    + (rows.contains { $0.even.isOneMeter }
                        ? "; ranges for errors common to all three costs, which one meter measured"
                        : ""))
        }
    }

    /// A break-even and what it is of.
    struct Row {
        let against: String
        let unit: String
        let even: BreakEven
        let tier: MeteringTier?

        var document: BreakEven.Document {
            even.document(against: against, unit: unit, tier: tier)
        }
    }

    private struct Answer: Encodable {
        let run: Int64?
        let rows: [BreakEven.Document]
    }

    /// The break-evens of plain numbers.
    private func plain() throws -> [Row] {
        let fixed = try CostNumber.list(fixed ?? "", "--fixed")
        guard fixed.count == 1 else {
            throw ValidationError("--fixed is one number", remedy: "give the others to --alone")
        }
        let each = try CostNumber.list(perTarget ?? "0", "--per-target")
        let alone = try CostNumber.list(alone ?? "", "--alone")
        return each.flatMap { each in
            alone.map { alone in
                Row(
                    against: ReportText.amount(alone.value), unit: "as given",
                    even: BreakEven(fixed: fixed[0], perTarget: each, alone: alone),
                    tier: .declared)
            }
        }
    }

    /// The break-evens of a run.
    private func measured(_ run: Int64) throws -> [Row] {
        let alone = try alone.map { try stages.stages(of: $0, besides: run) }
        let savings = try question.ask(runs: [run] + [alone?.run].compactMap(\.self)) {
            ledger, factors, _ in try ledger.savings(run: run, alone: alone, factors: factors)
        }
        let measure: MeasuredSavings.Measure? =
            aloneKwh != nil ? .energy : aloneHours != nil ? .time : nil
        if let measure {
            let given = try CostNumber.read(aloneKwh ?? aloneHours ?? "", "--alone")
            guard let even = savings.breakEven(measure, against: given) else {
                throw CommandFailure.notFound(
                    "the energy of run \(run) was not metered",
                    remedy: "compare times, with --alone-hours")
            }
            return [
                Row(
                    against: "a network alone, as given", unit: measure.rawValue, even: even,
                    tier: measure == .energy ? .declared : nil)
            ]
        }
        let against = "\(savings.aloneNetworks ?? 0) networks trained alone, their mean"
        return MeasuredSavings.Measure.allCases.compactMap { measure in
            savings.breakEven(measure).map {
                Row(
                    against: against, unit: measure.rawValue, even: $0,
                    tier: measure == .time ? nil : savings.tier)
            }
        }
    }

    /// Returns the table of the break-evens.
    static func table(_ rows: [Row]) -> Table {
        var table = Table(
            .text("AGAINST"), .text("UNIT", .medium), .number("FIXED", .medium),
            .number("PER DEVICE", .medium), .number("ALONE", .medium), .number("DEVICES"),
            .number("RANGE"), .text("TIER", .low))
        func word(_ count: Int?) -> String { count.map { Format.grouped($0) } ?? "never" }
        table.rows = rows.map { row in
            let even = row.even
            let isExact = even.fewest == even.targets && even.most == even.targets
            return [
                row.against, row.unit, ReportText.amount(even.fixed.value),
                ReportText.amount(even.perTarget.value), ReportText.amount(even.alone.value),
                word(even.targets),
                isExact ? "" : "\(word(even.fewest))…\(word(even.most))",
                row.tier?.rawValue ?? "-",
            ]
        }
        return table
    }
}

/// Numbers with a range, such as `150` or `150:120:200`.
enum CostNumber {
    private static let bounds = 0...1e15

    /// Parses a number; `option` is its option.
    static func read(_ text: String, _ option: String) throws -> Interval {
        do throws(InputFault) {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            var values: [Double] = []
            for part in parts { values.append(try DecimalNumber.real(String(part), in: bounds)) }
            if values.count == 1 { return Interval(exactly: values[0]) }
            guard values.count == 3, values[1] <= values[0], values[0] <= values[2] else {
                throw InputFault(
                    "is '\(Shown.excerpt(text))'",
                    remedy: "write a value, or value:low:high, such as 150:120:200")
            }
            return Interval(value: values[0], low: values[1], high: values[2])
        } catch {
            throw ValidationError("\(option): a number \(error.reason)", remedy: error.remedy)
        }
    }

    /// Parses numbers separated by commas.
    static func list(_ text: String, _ option: String) throws -> [Interval] {
        try text.split(separator: ",", omittingEmptySubsequences: false).map {
            try read($0.trimmingCharacters(in: .whitespaces), option)
        }
    }
}

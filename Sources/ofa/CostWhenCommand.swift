// `ofa cost when`: when a run whose start may wait starts, why, and what that saves.

import Accounting
import ArgumentParser
import Foundation
import Intake
import Jobs
import Metering
import Pipelines
import Postgres

/// Shows the choice of a start.
struct CostWhenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "when",
        abstract: "When a deferrable run starts, why, and what that saves.",
        discussion: """
            Of a run, the planned start and, once it has started, what waiting saved, from real intensities of the factor set \
            (--factors). Of a pipeline file, the start that it would have now; nothing is enqueued.

            Energy is taken as even over the duration, both as in like runs (ofa cost forecast), or the duration as stated. \
            Of all starts at which the deadline is met, the one is chosen whose window has the least mean intensity in the \
            newest forecast of this machine's zone (OFA_ZONE). Windows that touch hours without a forecast are no candidates. \
            A newer forecast plans the runs anew that wait.

            Example:
              ofa factors import forecast.csv --forecast
              ofa cost when pipelines/fashion-mnist-quick.yaml --deferrable --deadline 2026-12-02T08:00+01:00
              ofa cost when 3 --json
            """)

    /// The run or the file.
    @Argument(
        help: ArgumentHelp("A run's number, or a pipeline file.", valueName: "run-or-file"),
        completion: .file())
    var target: String
    /// Overrides of the file's values.
    @Option(
        help: ArgumentHelp(
            "Replace a value of the file, by path; may be repeated.", valueName: "key=value"))
    var set: [String] = []
    /// The name of the runs of the file.
    @Option(help: "The name of the runs that are alike; by default the file's.") var name: String?
    /// Within which times the start may wait.
    @OptionGroup var deferral: DeferralOptions
    /// The number of jobs that run at once; nil for the slots of the living workers.
    @Option(
        help: ArgumentHelp(
            "How many jobs of the file run at once; by default the slots of the living workers.",
            valueName: "n"), transform: Number.whole(1...100_000))
    var workers: Int?
    /// The type and signal of intensities; nil for lifecycle averages, or the only ones.
    @Option(
        help: ArgumentHelp(
            "The type and signal of the intensities, such as direct-marginal: of a file, of the forecast; of a run, of the"
                + " real ones.", valueName: "basis"),
        transform: CostWhenCommand.basis)
    var intensity: IntensityBasis?
    @OptionGroup var question: CostQuestion

    /// Refuses options of a file for a run.
    mutating func validate() throws {
        name = try name.map { try ArgumentGate.name($0, "--name") }
        guard Self.run(target) != nil else { return }
        let given = [
            ("--set", !set.isEmpty), ("--name", name != nil), ("--workers", workers != nil),
            ("--deferrable", deferral.deferrable), ("--earliest", deferral.earliest != nil),
            ("--deadline", deferral.deadline != nil), ("--duration", deferral.duration != nil),
        ].first { $0.1 }
        if let given {
            throw ValidationError("\(given.0) is for a pipeline file", remedy: "omit it")
        }
    }

    mutating func run() throws {
        let answer: StartDocument
        if let run = Self.run(target) {
            answer = try of(run: run)
        } else {
            answer = try ofFile()
        }
        try question.answer(
            answer, rows: answer.windows,
            columns: ["start", "until", "g_per_kwh", "gco2e", "gco2e_low", "gco2e_high"]
        ) {
            if !answer.windows.isEmpty {
                try Output.table(Self.table(answer))
                try Output.line()
            }
            for note in Self.notes(answer) { try Output.line(note) }
        }
    }

    /// The number of a run; nil for the name of a file.
    private static func run(_ target: String) -> Int64? {
        target.allSatisfy { ("0"..."9").contains($0) } ? Int64(target) : nil
    }

    /// Returns the planned start of a run, and what waiting saved.
    private func of(run: Int64) throws -> StartDocument {
        let connection = try question.database.connectToExisting(takesLong: true)
        let summary: RunSummary
        do { summary = try JobQueue(connection).run(run) } catch let error as JobsError
            where error.code == .notFound
        {
            throw CommandFailure.notFound(error.reason, remedy: error.remedy)
        }
        guard let deferred = try DeferralLedger(connection).deferred(run), let plan = deferred.plan
        else {
            throw CommandFailure.notFound(
                "run \(run) is not deferrable: it started as soon as a worker was free",
                remedy: "ofa cost when FILE says when a run of a pipeline file would start")
        }
        let factors = try factorSet(connection, basis: intensity)
        return StartDocument(
            run: run, name: summary.name, as_of: deferred.asOf, planned_at: deferred.plannedAt,
            waits: deferred.waits, plan: plan, windows: try StartWindow.list(plan, connection),
            saving: deferred.waits
                ? nil : try CostLedger(connection).saving(run: run, factors: factors))
    }

    /// Returns the start that a run of the file would have now.
    private func ofFile() throws -> StartDocument {
        let definition = try PipelineDefinition(path: target, overrides: set)
        guard let wanted = try deferral.merged(definition.deferral) else {
            throw CommandFailure.failed(
                "\(target) is not deferrable: its runs start as soon as a worker is free",
                remedy:
                    "add --deferrable --deadline TIME, or deferrable: true and a deadline to the file"
            )
        }
        let connection = try question.database.connectToExisting(takesLong: true)
        let checked = try CheckedPipeline(definition, name: name, deferral: wanted)
        let queue = JobQueue(connection)
        let slots = try workers ?? queue.workers().reduce(0) { $0 + $1.workingSlots }
        let now = try CostLedger(connection).moment()
        try wanted.check(now: now)
        let planner = StartPlanner(connection, factors: try factorSet(connection, basis: nil))
        var plan = try planner.plan(
            wanted, zone: StartText.zone(connection),
            status: RunStatus(unstarted: checked.spec, asOf: now), workers: max(1, slots), now: now,
            basis: intensity)
        if workers == nil { try planner.noteOthers(in: &plan, of: nil, slots: slots) }
        return StartDocument(
            run: nil, name: checked.spec.name, as_of: now, planned_at: nil, waits: false,
            plan: plan,
            windows: try StartWindow.list(plan, connection), saving: nil)
    }

    private func factorSet(_ connection: Connection, basis: IntensityBasis?) throws -> FactorSet {
        do {
            return try FactorSet.load(connection, version: question.factors, basis: basis)
        } catch let error as AccountingError where error.code == .unknownFactorSet {
            throw CommandFailure.notFound(error.reason, remedy: error.remedy)
        }
    }

    /// Parses the value of `--intensity`.
    @Sendable private static func basis(_ text: String) throws -> IntensityBasis {
        do throws(InputFault) { return try IntensityBasis(text) } catch { throw ValueFault(error) }
    }
}

/// The answer of `ofa cost when`.
struct StartDocument: Encodable {
    /// The run; nil for a file.
    let run: Int64?
    /// The name of the run.
    let name: String
    /// The time of the answer, and when the start was planned; nil for a file.
    let as_of: Date
    /// When the start was planned; nil for a file.
    let planned_at: Date?
    /// Whether the run waits for its start.
    let waits: Bool
    /// The choice.
    let plan: StartPlan
    /// Windows by the hour, with the chosen one.
    let windows: [StartWindow]
    /// What waiting saved, from real intensities; nil before the start, and for a file.
    let saving: ShiftSaving?
}

extension CostWhenCommand {
    /// Returns the table of windows.
    static func table(_ answer: StartDocument) -> Table {
        let bars = TrainingLine.sparkline(answer.windows.map(\.g_per_kwh)).map(String.init)
        let isCarbonKnown = answer.windows.contains { $0.gco2e != nil }
        var columns: [Table.Column] = [
            .text("START"), .text("END", .low), .number("g/kWh"), .text("", .medium),
        ]
        if isCarbonKnown { columns += [.number("gCO2e"), .number("RANGE g", .low)] }
        var table = Table(columns: columns + [.text("")])
        for (place, window) in answer.windows.enumerated() {
            var cells = [
                window.start.formatted(.iso8601), window.until.formatted(.iso8601),
                window.g_per_kwh.map { Format.decimal($0, 1) } ?? "unknown",
                place < bars.count ? bars[place] : "",
            ]
            if isCarbonKnown {
                let range = [window.gco2e_low, window.gco2e_high].compactMap(\.self)
                cells += [
                    CostText.amount(window.gco2e),
                    range.map { ReportText.amount($0) }.joined(separator: "…"),
                ]
            }
            let notes = [
                window.chosen ? "chosen" : nil, window.at_once ? "first" : nil,
                window.g_per_kwh == nil && answer.plan.forecast != nil ? "no forecast" : nil,
            ]
            table.rows.append(cells + [notes.compactMap(\.self).joined(separator: ", ")])
        }
        return table
    }

    /// Returns the notes below the table.
    static func notes(_ answer: StartDocument) -> [String] {
        let plan = answer.plan
        let subject = (answer.run.map { "run \($0) " } ?? "a run of ") + answer.name
        var notes = [
            answer.run != nil && !answer.waits
                ? "\(subject): start at \(plan.starts_at.formatted(.iso8601))\(StartText.why(plan))"
                : "\(subject) \(StartText.line(plan, now: answer.as_of))"
        ]
        if let duration = plan.duration {
            let range =
                duration.low < duration.high
                ? " (\(Format.duration(duration.low))…\(Format.duration(duration.high)))" : ""
            let runs = plan.seconds_basis == "stated" ? "" : " (\(plan.like_runs))"
            notes.append(
                "takes \(Format.duration(duration.value))\(range), \(plan.seconds_basis ?? "")\(runs); deadline"
                    + " \(plan.deadline.formatted(.iso8601)), latest start \(plan.latest_start?.formatted(.iso8601) ?? "unknown")"
            )
        }
        notes.append(carbon(plan))
        if let basis = plan.intensity, let issued = plan.forecast_issued_at {
            notes.append(
                "forecast \(plan.forecast.map(String.init) ?? "") of zone \(plan.zone): \(plan.forecast_source ?? ""), issued"
                    + " \(issued.formatted(.iso8601)), \(basis)")
        }
        if plan.gap_seconds > 0 {
            notes.append(
                "starts of \(Format.duration(plan.gap_seconds)) are no candidates: their windows touch hours without a forecast"
            )
        }
        if let saving = answer.saving { notes.append(saving.words { ReportText.amount($0) }) }
        return notes
    }

    /// Returns the expected carbon against that of the first start.
    private static func carbon(_ plan: StartPlan) -> String {
        guard let grams = plan.grams else {
            let why =
                plan.joules == nil
                ? "no completed run of this name tells the energy"
                : "the forecast does not cover the window"
            return "expected carbon is unknown: \(why)"
        }
        func text(_ amount: Interval) -> String {
            "\(ReportText.amount(amount.value)) g (\(ReportText.amount(amount.low))…\(ReportText.amount(amount.high)))"
        }
        let against =
            plan.atOnceGrams.map { "\(text($0)) at the first start" }
            ?? "unknown at the first start"
        let saved = plan.saved.map { "; expected to save \(text($0))" } ?? ""
        return
            "expected \(text(grams)) CO2e against \(against)\(saved); tier \(plan.tier?.rawValue ?? "-"), energy of like runs, PUE"
            + " \(ReportText.amount(plan.pue)), factor set \(plan.factors)"
    }
}

extension CostOptions {
    /// Returns what a deferred run saved by waiting; nil for other runs, for all runs, and for a period.
    func saving(_ report: CostReport) throws -> ShiftSaving? {
        guard let runID, since == nil, until == nil else { return nil }
        return try CostLedger(try database.connectToExisting(takesLong: true)).saving(
            run: runID, factors: report.factors)
    }
}

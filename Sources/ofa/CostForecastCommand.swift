// `ofa cost forecast`: what the remaining stages of a run will cost.

import Accounting
import ArgumentParser
import Foundation
import Intake
import Jobs
import Metering
import Pipelines
import Postgres

/// Forecasts the remaining cost of a run.
struct CostForecastCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forecast",
        abstract:
            "What the remaining stages of a run will cost: time, energy, carbon, with intervals.",
        discussion: """
            A running stage is extrapolated from its progress. Stages are also compared with those of the newest completed \
            runs of the same definition, or of the same name; without such runs, with stages of the same kind. The \
            intervals are to hold in nine of ten cases, and become narrower as stages advance and end. A stage of which \
            nothing is known is named: sums are then lower bounds.

            Example:
              ofa cost forecast
              ofa cost forecast 3 --workers 2 --json
            """)

    /// The run; nil for the newest.
    @Argument(
        help: ArgumentHelp("The run's number; by default the newest.", valueName: "run"),
        completion: .runs, transform: Number.id)
    var runID: Int64?
    /// The number of jobs that run at once; nil for the slots of the living workers.
    @Option(
        help: ArgumentHelp(
            "How many jobs run at once; by default the slots of the living workers.",
            valueName: "n"), transform: Number.whole(1...100_000))
    var workers: Int?
    @OptionGroup var question: CostQuestion

    mutating func run() throws {
        let (status, forecast, version) = try question.ask(runs: []) { ledger, factors, queue in
            let status = try queue.runStatus(try runID ?? StatusCommand.newest(queue))
            let slots = try workers ?? queue.workers().reduce(0) { $0 + $1.workingSlots }
            return (
                status, try ledger.forecast(status, workers: max(1, slots), factors: factors),
                factors.version
            )
        }
        let document = forecast.document(status, factors: version)
        try question.answer(
            document, rows: document.stages,
            columns: ["stage", "state", "progress", "seconds", "energy_j", "basis"]
        ) {
            try Output.table(Self.table(forecast))
            try Output.line()
            for note in Self.notes(forecast, status, version) { try Output.line(note) }
        }
    }

    /// Returns the table of the stages.
    static func table(_ forecast: CostForecast) -> Table {
        var table = Table(
            .text("STAGE"), .text("STATE", .medium), .number("DONE", .medium),
            .number("SPENT J", .medium), .number("LEFT J"), .number("RANGE J"),
            .number("LEFT TIME"), .text("RESTS ON", .low))
        table.rows = forecast.stages.map { stage in
            let isEnded = stage.basis == [.ended]
            return [
                stage.name, stage.state.rawValue, StatusText.percent(stage.progress),
                CostText.amount(
                    CostText.joules(stage.spent)?.value, stage.spent.attempts > 0 ? "gap" : ""),
                isEnded ? "" : CostText.amount(stage.joules?.value), CostText.range(stage.joules),
                isEnded ? "" : stage.seconds.map { Format.duration($0.value) } ?? "unknown",
                Self.words(stage),
            ]
        }
        return table
    }

    /// Returns what the forecast of a stage rests on, in words.
    private static func words(_ stage: CostForecast.Stage) -> String {
        let words = stage.basis.map(\.rawValue).joined(separator: " and ")
        return stage.observations > 0 ? "\(words) (\(stage.observations))" : words
    }

    /// Returns the notes below the table.
    static func notes(_ forecast: CostForecast, _ status: RunStatus, _ version: Int) -> [String] {
        let run = "run \(status.run.id) \(status.run.name)"
        guard status.run.state == .running else {
            return ["\(run) has ended (\(status.run.state.rawValue)): nothing is left"]
        }
        let least = forecast.unknownStages.isEmpty ? "" : "at least "
        func range(_ interval: Interval, _ text: (Double) -> String) -> String {
            let high = least.isEmpty ? text(interval.high) : "unknown"
            return "\(least)\(text(interval.value)) (\(text(interval.low))…\(high))"
        }
        var notes: [String] = []
        if let end = forecast.secondsUntilEnd {
            notes.append("\(run): ends in \(range(end, Format.duration))")
        }
        if let joules = forecast.joules {
            var text = "still to come: \(range(joules, ReportText.amount)) J of IT energy"
            if let grams = forecast.grams { text += ", \(range(grams, ReportText.amount)) g CO2e" }
            notes.append(text)
        }
        if let spent = CostText.joules(forecast.spent) {
            notes.append(
                "spent so far: \(ReportText.amount(spent.value)) J,"
                    + " \(ReportText.amount(forecast.spent.grams.value)) g CO2e")
        }
        if !forecast.unknownStages.isEmpty {
            notes.append(
                "nothing is known about stages like \(forecast.unknownStages.joined(separator: ", ")):"
                    + " their cost is unknown, not zero")
        }
        let unmetered = forecast.unknownEnergies.filter { !forecast.unknownStages.contains($0) }
        if !unmetered.isEmpty {
            notes.append(
                "the energy of stages like \(unmetered.joined(separator: ", ")) is unknown")
        }
        notes.append("intervals of 90 %, with the meter's range; factor set \(version)")
        return notes
    }
}

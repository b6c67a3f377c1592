// `ofa status`: shows the stages of a run with state, progress, time left, attempts and energy so far.

import Accounting
import ArgumentParser
import Foundation
import Jobs
import Pipelines
import Postgres

/// Shows the status of a run.
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "The status of a run: by default the newest.",
        discussion: """
            A line below the stages shows the loss of the stage that trains, from its first step to its last one, and the \
            last validation (validate_every of a pipeline file). ofa plot training draws the curves.

            With --watch it fills the terminal, follows the size of the window and leaves with q or Ctrl-C; the last \
            state stays as plain lines. Where standard output is no terminal, or TERM is dumb, it prints the lines again \
            every second.

            Example:
              ofa status
              ofa status 3 --watch
              ofa status --all
            """)

    @Argument(
        help: ArgumentHelp("The run's number.", valueName: "run"), completion: .runs,
        transform: Number.id)
    var runID: Int64?
    @Flag(help: "Show it live until the run ends; q leaves.") var watch = false
    @Flag(help: "List the runs instead, newest first.") var all = false
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    mutating func validate() throws {
        guard !all || (runID == nil && !watch) else {
            throw ValidationError("--all lists every run", remedy: "omit the run and --watch")
        }
    }

    mutating func run() throws {
        let connection = try database.connectToExisting()
        let queue = JobQueue(connection)
        if all { return try list(try queue.runs()) }
        let id = try runID ?? Self.newest(queue)
        if watch, !output.json, Screen.isLive {
            return try StatusLive(url: try database.url(), run: id).show { try Self.show($0) }
        }
        while true {
            let reading = try StatusReading(queue, run: id)
            try Output.answer(StatusDocument(reading), output) { try Self.show(reading) }
            if !watch || reading.status.run.state != .running { return }
            Thread.sleep(forTimeInterval: 1)
        }
    }

    private func list(_ runs: [RunSummary]) throws {
        let rows = runs.map { RunRow($0) }
        try Output.answer(rows, output) {
            var table = Table(
                .number("RUN"), .text("NAME"), .text("STATE"), .text("STARTED", .low, least: 20),
                .number("TIME", .medium))
            table.rows = rows.map { row in
                [
                    String(row.run), row.name, row.state, row.created_at.formatted(.iso8601),
                    Format.duration(row.seconds),
                ]
            }
            try Output.table(table)
        }
    }

    /// Returns the newest run that is not a healing run (of `ofa artifacts heal`), or the newest healing run if there
    /// are no other runs. Exit code 2 if there are no runs.
    static func newest(_ queue: JobQueue) throws -> RunID {
        let runs = try queue.runs()
        guard let newest = runs.first(where: { !Healing.isHealing($0) }) ?? runs.first else {
            throw CommandFailure.notFound(
                "there is no run yet",
                remedy: "start one with ofa run pipelines/fashion-mnist-quick.yaml")
        }
        return newest.id
    }

    /// Prints a status in plain lines.
    static func show(_ reading: StatusReading) throws {
        let status = reading.status
        try Output.line(StatusText.title(reading))
        if let dropped = StatusText.dropped(status.run) {
            try Output.line(dropped)
        } else {
            for line in reading.budgetLines { try Output.line(line) }
            if let line = StartText.line(reading.deferred) { try Output.line(line) }
            var table = Table(
                .text("STAGE"), .text("STATE"), .number("DONE"), .number("LEFT", .medium),
                .number("ATTEMPTS", .low), .number("TIME", .medium), .number("ENERGY J", .low),
                .text("MESSAGE", least: 24))
            let energy = reading.joules
            table.rows = status.stages.map { stage in
                [
                    stage.name, stage.state.rawValue, StatusText.percent(stage.progress),
                    StatusText.secondsLeft(stage, asOf: status.asOf).map(Format.duration) ?? "",
                    String(stage.attempts),
                    stage.attempts == 0 ? "" : Format.duration(stage.attemptSeconds),
                    energy[stage.name].map { Format.decimal($0, 0) } ?? "",
                    stage.problem ?? stage.message ?? "",
                ]
            }
            try Output.table(table)
        }
        for note in reading.uncounted { try Output.line("warning: \(note)") }
        for curve in reading.curves { try Output.line(TrainingLine.text(curve)) }
        for line in reading.workerLines { try Output.line(line) }
    }
}

/// Describes the status of runs and stages.
enum StatusText {
    /// Returns the first line of a status: `run 3 quick: running, 4 min 05 s`.
    static func title(_ reading: StatusReading) -> String {
        let run = reading.status.run
        return
            "run \(run.id) \(run.name): \(run.state.rawValue), \(Format.duration(reading.seconds))"
    }

    /// Returns a note for a run whose jobs were dropped at the end of their retention period; nil for other runs.
    static func dropped(_ run: RunSummary) -> String? {
        run.jobsDroppedAt.map { day in
            "its jobs were dropped on \(day.formatted(.iso8601.year().month().day())), as ofa queue retention says; its costs are kept: ofa cost \(run.id)"
        }
    }

    /// Returns a stage's progress with the time left: `full 45 % (1 min 20 s left) loss 0.71 …`.
    static func line(_ stage: StageStatus, asOf now: Date) -> String {
        let left = secondsLeft(stage, asOf: now).map { " (\(Format.duration($0)) left)" } ?? ""
        return "\(stage.name) \(percent(stage.progress))\(left) \(stage.message ?? "")"
    }

    /// Formats a ratio in whole percent, rounded down.
    static func percent(_ share: Double) -> String { "\(Int((100 * share).rounded(.down))) %" }

    /// Returns the extrapolated remaining seconds of a running stage; nil if unknown.
    static func secondsLeft(_ stage: StageStatus, asOf now: Date) -> Double? {
        guard stage.state == .running, stage.progress > 0.02, let start = stage.startedAt else {
            return nil
        }
        // The attempts of parallel jobs take more time in total than has elapsed; attempts with pauses between them
        // take less. The smaller time is used.
        let spent = min(now.timeIntervalSince(start), stage.attemptSeconds)
        return spent * (1 - stage.progress) / stage.progress
    }
}

/// A row of the list of runs.
private struct RunRow: Encodable {
    let run: Int64
    let name, state: String
    let created_at: Date
    let ended_at: Date?
    let seconds: Double

    init(_ summary: RunSummary) {
        run = summary.id
        name = summary.name
        state = summary.state.rawValue
        created_at = summary.createdAt
        ended_at = summary.endedAt
        seconds = (summary.endedAt ?? Date()).timeIntervalSince(summary.createdAt)
    }
}

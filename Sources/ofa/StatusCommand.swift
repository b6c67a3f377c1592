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

            Example:
              ofa status
              ofa status 3 --watch
              ofa status --all
            """)

    @Argument(
        help: ArgumentHelp("The run's number.", valueName: "run"), completion: .runs,
        transform: Number.id)
    var runID: Int64?
    @Flag(help: "Show it again every second until the run ends.") var watch = false
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
        while true {
            let status = try queue.runStatus(id)
            let cost = try CostLedger(connection).report(
                run: id, by: .stage, factors: try FactorSet.load(connection))
            let curves = try queue.trainingCurves(
                run: id, points: TrainingLine.cells,
                stages: Set(status.stages.filter { $0.state == .running }.map(\.name)))
            let budgets = try queue.reachedBudgets(of: id)
            let uncounted = try queue.uncountedBudgets(of: id).map {
                BudgetCommand.note(
                    $0.pipeline.map { "all runs named \($0)" } ?? "run \(id)", $0.currency,
                    $0.uncounted)
            }
            let deferred = try DeferralLedger(connection).deferred(id)
            if watch && !output.json { try Output.clear() }
            let fleet = Fleet(
                workers: try queue.workers(), unserved: try queue.unserved(run: id))
            let document = StatusDocument(
                status, cost, fleet, curves, budgets, uncounted, deferred)
            try Output.answer(document, output) {
                try show(status, cost, budgets, deferred)
                for note in uncounted { try Output.line("warning: \(note)") }
                for curve in curves { try Output.line(TrainingLine.text(curve)) }
                for line in fleet.lines { try Output.line(line) }
            }
            if !watch || status.run.state != .running { return }
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

    private func show(
        _ status: RunStatus, _ cost: CostReport, _ budgets: [ReachedBudget],
        _ deferred: DeferredRun?
    ) throws {
        let age = (status.run.endedAt ?? status.asOf).timeIntervalSince(status.run.createdAt)
        try Output.line(
            "run \(status.run.id) \(status.run.name): \(status.run.state.rawValue), \(Format.duration(age))"
        )
        if let dropped = StatusText.dropped(status.run) { return try Output.line(dropped) }
        for budget in budgets {
            try Output.line(
                budget.isSoft
                    ? "warning: it used \(budget.reason)"
                    : "held: it used \(budget.reason); ofa budget lift, or a larger ofa budget set, lets it go on"
            )
        }
        if let line = StartText.line(deferred) { try Output.line(line) }
        var table = Table(
            .text("STAGE"), .text("STATE"), .number("DONE"), .number("LEFT", .medium),
            .number("ATTEMPTS", .low), .number("TIME", .medium), .number("ENERGY J", .low),
            .text("MESSAGE", least: 24))
        let energy = Dictionary(cost.rows.map { ($0.label, Double($0.energy.microjoules) / 1e6) }) {
            first, _ in first
        }
        table.rows = status.stages.map { stage in
            [
                stage.name, stage.state.rawValue, StatusText.percent(stage.progress),
                StatusText.secondsLeft(stage, asOf: status.asOf).map { Format.duration($0) } ?? "",
                String(stage.attempts),
                stage.attempts == 0 ? "" : Format.duration(stage.attemptSeconds),
                energy[stage.name].map { Format.decimal($0, 0) } ?? "",
                stage.problem ?? stage.message ?? "",
            ]
        }
        try Output.table(table)
    }
}

/// The workers that are alive, and the waiting jobs that none of these workers can take.
private struct Fleet {
    let workers: [WorkerStatus]
    let unserved: [UnservedJobs]

    /// One line for each worker with slots that do not work, and for each kind of waiting job whose required
    /// capabilities no worker of this kind offers.
    var lines: [String] {
        let crippled = workers.filter { $0.workingSlots < $0.slots }.map {
            "worker \($0.name) on \($0.host) (process \($0.process)): \($0.workingSlots) of \($0.slots) slots work; its output says why"
        }
        return crippled
            + unserved.map {
                "\($0.jobs) jobs of kind \($0.kind) wait: they require \($0.requires.joined(separator: ", ")), which no worker"
                    + " of this kind offers; see ofa worker --offers"
            }
    }
}

/// Describes the status of runs and stages.
enum StatusText {
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

/// The JSON form of a run's status.
private struct StatusDocument: Encodable {
    struct Stage: Encodable {
        let name, state: String
        let needs: [String]
        let progress: Double
        let seconds_left: Double?
        let message, problem: String?
        let jobs, attempts, failures, lost: Int
        let counts: [String: Int]
        let seconds: Double
        let energy_j: Double?
    }

    let run: Int64
    let name, state: String
    let created_at: Date
    let ended_at, jobs_dropped_at: Date?
    let stages: [Stage]
    let energy_j: Double
    /// What holds the run, and what soft budgets warn of, also of money that they do not count.
    let held: String?
    let warnings: [String]
    /// When the run starts or started and why, if its start may wait; null for other runs.
    let start: StartPlan?
    /// The curves of the stages that run, or else of the last one that trained, in `TrainingLine.cells` points.
    let training: [TrainingDocument]
    let workers: [WorkerStatus]
    let unserved: [UnservedJobs]

    init(
        _ status: RunStatus, _ cost: CostReport, _ fleet: Fleet, _ curves: [TrainingCurve],
        _ budgets: [ReachedBudget], _ uncounted: [String], _ deferred: DeferredRun?
    ) {
        start = deferred?.plan
        held = budgets.first { !$0.isSoft }?.reason
        warnings = budgets.filter(\.isSoft).map(\.reason) + uncounted
        training = curves.map(TrainingDocument.init)
        (workers, unserved) = (fleet.workers, fleet.unserved)
        let energy = Dictionary(cost.rows.map { ($0.label, Double($0.energy.microjoules) / 1e6) }) {
            first, _ in first
        }
        run = status.run.id
        name = status.run.name
        state = status.run.state.rawValue
        created_at = status.run.createdAt
        ended_at = status.run.endedAt
        jobs_dropped_at = status.run.jobsDroppedAt
        stages = status.stages.map { stage in
            Stage(
                name: stage.name, state: stage.state.rawValue, needs: stage.needs,
                progress: stage.progress,
                seconds_left: StatusText.secondsLeft(stage, asOf: status.asOf),
                message: stage.message,
                problem: stage.problem, jobs: stage.jobs, attempts: stage.attempts,
                failures: stage.failures,
                lost: stage.lost, counts: stage.counts, seconds: stage.attemptSeconds,
                energy_j: energy[stage.name])
        }
        energy_j = Double(cost.total.energy.microjoules) / 1e6
    }
}

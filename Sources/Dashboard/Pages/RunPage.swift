// RunPage: one run: what runs, what waits, what failed and why, and what it has cost. RunPage+Charts.swift and
// RunPage+Networks.swift draw its results.

import Accounting
import Charts
import Foundation
import Jobs
import Pipelines
import Postgres

/// The page of one run.
struct RunPage {
    /// What is asked for, and the connection and the queue that answer it.
    let request: PageRequest
    let connection: Connection
    let queue: JobQueue
    /// The run with its stages.
    let status: RunStatus
    /// The cost by stage and by device, or why it is unknown.
    let cost: Result<(stages: CostReport, devices: CostReport), AccountingError>
    /// The curves of its training stages, thinned out.
    let curves: [TrainingCurve]
    /// Its newest errors.
    let errors: [RunError]

    /// Reads the run. Errors: `notFound`.
    init(_ request: PageRequest, _ connection: Connection) throws {
        (self.request, self.connection) = (request, connection)
        queue = JobQueue(connection)
        status = try queue.runStatus(try request.number())
        let id = status.run.id
        cost = try RunFigures.priced {
            let ledger = CostLedger(connection), factors = try FactorSet.load(connection)
            return (
                try ledger.report(run: id, by: .stage, factors: factors),
                try ledger.report(run: id, by: .device, factors: factors)
            )
        }
        // All curves together have about as many points as a wide screen shows.
        curves = try queue.trainingCurves(
            run: id, points: max(24, min(160, 640 / max(1, status.stages.count))))
        errors = try queue.errors(run: id)
    }

    /// The run.
    var run: RunSummary { status.run }
    /// Whether it has not ended.
    var isRunning: Bool { run.state == .running }

    /// The page.
    var page: Page {
        get throws {
            let networks = try RunNetworks(self)
            let parts: [HTML] = try [
                summary, problems, stages, timeline, training, networks.accuracy,
                networks.table, costs, budgets,
            ]
            return Page(
                "Run \(run.id) \(run.name)", trail: [("Runs", "/runs")], isLive: isRunning,
                body: HTML.joined(parts))
        }
    }

    // MARK: The summary

    private var summary: HTML {
        get throws {
            let age = (run.endedAt ?? status.asOf).timeIntervalSince(run.createdAt)
            let jobs = status.stages.reduce(0) { $0 + $1.jobs }
            let done = status.stages.reduce(0) {
                $0 + ($1.counts[JobState.completed.rawValue] ?? 0)
            }
            var total: CostRow?
            if case .success(let found) = cost { total = found.stages.total }
            return Parts.section(
                "Summary", id: "summary",
                Parts.tiles([
                    ("state", Parts.state(run.state.rawValue)),
                    (isRunning ? "so far" : "took", "\(Parts.duration(age))"),
                    ("energy", "\(RunFigures.energy(total))"),
                    ("CO₂e", "\(RunFigures.carbon(total))"),
                    ("jobs completed", "\(done) of \(jobs)"),
                ]),
                try notes,
                Parts.list([
                    ("enqueued", Parts.time(run.createdAt)),
                    ("ended", run.endedAt.map { Parts.time($0) } ?? "not yet"),
                    (
                        "pipeline",
                        Parts.link("its file", HTML.path("runs", "\(run.id)", "definition"))
                    ),
                    (
                        "jobs",
                        Parts.link("by stage and state", HTML.path("runs", "\(run.id)", "jobs"))
                    ),
                ]), buttons)
        }
    }

    /// What holds the run, and what it waits for.
    private var notes: HTML {
        get throws {
            var lines: [String] = []
            if let day = run.jobsDroppedAt {
                lines.append(
                    "Its jobs were dropped on \(day.formatted(.iso8601.year().month().day())), as ofa queue retention says; its costs are kept."
                )
            }
            if run.isCancelRequested, isRunning {
                lines.append("It was cancelled: workers are stopping its running jobs.")
            }
            if isRunning {
                for budget in try queue.reachedBudgets(of: run.id) {
                    lines.append(
                        budget.isSoft
                            ? "It used \(budget.reason), and goes on: the budget is soft."
                            : "Held: it used \(budget.reason). Lifting the budget (ofa budget lift) or a larger one lets it go on."
                    )
                }
                for (currency, pipeline, uncounted) in try queue.uncountedBudgets(of: run.id) {
                    let subject = pipeline.map { "all runs named \($0)" } ?? "this run"
                    lines.append(
                        "The limit in \(currency) of \(subject) does not count \(Parts.duration(Double(uncounted.nanoseconds) / 1e9)) of attempts, whose money is unknown or in another currency."
                    )
                }
                if let deferred = try DeferralLedger(connection).deferred(run.id), deferred.waits {
                    let why = deferred.plan.map { ": \($0.reason)" } ?? ""
                    lines.append("It starts at \(deferred.startsAt.formatted(.iso8601))\(why).")
                }
                for unserved in try queue.unserved(run: run.id) {
                    lines.append(
                        "\(RunFigures.count(unserved.jobs, "job")) of kind \(unserved.kind) wait: they require \(unserved.requires.joined(separator: ", ")), which no worker of this kind offers."
                    )
                }
            }
            return lines.isEmpty
                ? .empty : "<ul>\(lines.map { "<li>\($0)</li>" as HTML })</ul>\n"
        }
    }

    private var buttons: HTML {
        let path = HTML.path("runs", "\(run.id)")
        var parts: [HTML] = []
        if isRunning {
            parts.append(Parts.button("Cancel", "run \(run.id)", path: path + "/cancel", request))
        }
        let bad = status.stages.reduce(0) {
            $0 + ($1.counts["discarded"] ?? 0) + ($1.counts["cancelled"] ?? 0)
        }
        if bad > 0, run.jobsDroppedAt == nil {
            parts.append(
                Parts.button(
                    "Retry its \(RunFigures.count(bad, "failed or cancelled job"))",
                    "of run \(run.id)", path: path + "/retry", request))
        }
        return request.mayAct && !parts.isEmpty ? "<p>\(parts)</p>\n" : .empty
    }

    // MARK: Problems

    private var problems: HTML {
        guard !errors.isEmpty else { return .empty }
        return """
            <section class="problem" id="errors" aria-labelledby="errors-title">\
            <h2 id="errors-title">Last errors</h2>
            \(Parts.table(
                "Errors of jobs and attempts, newest first",
                [.text("Job"), .text("Stage"), .text("At"), .text("Outcome"), .text("Error")],
                errors.map { error in
                    [
                        RunFigures.job(error.job),
                        Parts.link(error.stage, RunFigures.stagePath(run.id, error.stage)),
                        Parts.time(error.at), Parts.state(error.outcome),
                        "\(RunFigures.cut(error.error, 1000))",
                    ]
                }))</section>

            """
    }

    // MARK: Budgets

    private var budgets: HTML {
        get throws {
            let own = try queue.budgets().filter {
                $0.subject == .run(run.id) || $0.subject == .pipeline(run.name)
            }
            guard !own.isEmpty else { return .empty }
            let rows = own.flatMap { budget in limits(budget) }
            return Parts.section(
                "Budgets", id: "budgets",
                Parts.table(
                    "What is used of budgets",
                    [
                        .text("Budget"), .text("Limits"), .text("Used"), .text("Share"),
                        .text("Then"),
                    ],
                    rows))
        }
    }

    private func limits(_ budget: EnergyBudget) -> [[HTML]] {
        func row(_ what: String, _ used: Double?, _ most: Double, _ words: (Double) -> String)
            -> [HTML]
        {
            [
                "\(what)", "\(budget.subject.description)",
                "\(used.map(words) ?? "unknown") of \(words(most))",
                used.map { Parts.progress(most > 0 ? $0 / most : 0, of: "the \(what) budget") }
                    ?? "", budget.isSoft ? "goes on with a warning" : "is held",
            ]
        }
        var rows: [[HTML]] = []
        if let most = budget.limits.microjoules {
            rows.append(
                row("energy", Double(budget.usedMicrojoules), Double(most)) {
                    RunFigures.energy($0)
                })
        }
        if let most = budget.limits.micrograms {
            rows.append(
                row("CO₂e", Double(budget.usedMicrograms), Double(most)) {
                    RunFigures.carbon(grams: $0 / 1e6)
                })
        }
        if let money = budget.limits.money {
            rows.append(
                row(
                    "money", budget.usedMoneyMillionths.map(Double.init), Double(money.millionths)
                ) { String(format: "%.2f", $0 / 1e6) + " \(money.currency)" })
        }
        return rows
    }
}

// RunPages: the list of runs, and the pages and forms of one run.

import Accounting
import Foundation
import Jobs
import Postgres

/// Pages: the list of runs, and one run.
enum RunPages {
    /// The pages and files.
    static let routes: [Route] = [
        .page("/runs", list),
        .page("/runs/*") { try RunPage($0, $1).page },
        .page("/runs/*/jobs") { try StageJobsPage($0, $1).page },
        .file("/runs/*/definition", definition),
    ]
    /// The forms.
    static let actions: [Action] = [
        .post("/runs/*/cancel") { request, connection in
            let run = try request.number()
            try JobQueue(connection).cancel(run: run)
            return Notice.path(HTML.path("runs", "\(run)"), "cancelled")
        },
        .post("/runs/*/retry") { request, connection in
            let run = try request.number(), queue = JobQueue(connection)
            guard try queue.retry(run: run) > 0 else {
                throw DashboardError(
                    .form, "run \(run) has no discarded or cancelled job that can start again")
            }
            return Notice.path(HTML.path("runs", "\(run)"), "retried")
        },
    ]

    /// The number of runs of a page.
    static let runsPerPage = 50

    /// The runs, newest first.
    private static func list(_ request: PageRequest, _ connection: Connection) throws -> Page {
        let queue = JobQueue(connection)
        let state = try request.query["state"].map { text in
            guard let state = RunSummary.State(rawValue: text) else {
                throw DashboardError(
                    .notFound, "'\(text.prefix(40))' is not a state of runs",
                    remedy: "states are running, completed, failed and cancelled")
            }
            return state
        }
        let before = try request.query["before"].map { try PageRequest(parts: [$0]).number() }
        let runs = try queue.runOverview(before: before, state: state, limit: runsPerPage)
        let costs = try RunFigures.priced {
            try CostLedger(connection).costs(
                of: runs.map(\.id), factors: try FactorSet.load(connection))
        }
        var known: [Int64: CostRow] = [:], notes: HTML = .empty
        switch costs {
        case .success(let found): known = found
        case .failure(let error): notes = RunFigures.note("Costs are unknown: \(error.reason).")
        }
        let table = Parts.table(
            "Runs, newest first",
            [
                .number("Run"), .text("Name"), .text("State"), .number("Stages"),
                .text("Enqueued"), .number("Time"), .number("Energy"), .number("CO₂e"),
                .text("Problem"),
            ],
            runs.map { row($0, known[$0.id]) },
            none: state == nil && before == nil
                ? "No run yet. ofa run FILE starts one, ofa enqueue FILE leaves it to workers."
                : "No such run.")
        let body = Parts.section(
            state.map { "Runs: \($0.rawValue)" } ?? "All runs", id: "runs",
            filters(try queue.runCounts(), state), table, notes,
            pager(runs, state, isFirst: before == nil))
        return Page("Runs", isLive: runs.contains { $0.state == .running }, body: body)
    }

    private static func row(_ run: RunOverview, _ cost: CostRow?) -> [HTML] {
        [
            RunFigures.run(run.id, "\(run.id)"), RunFigures.run(run.id, run.name),
            run.isCancelRequested && run.state == .running
                ? "\(Parts.state("running")), stopping" : Parts.state(run.state.rawValue),
            run.stages == 0 ? "" : "\(run.endedStages) of \(run.stages)",
            Parts.time(run.createdAt), "\(Parts.duration(run.seconds))",
            cost.map { $0.isKnown ? "\(RunFigures.energy(Double($0.energy.microjoules)))" : "" }
                ?? "",
            cost.map { $0.isCarbonKnown ? "\(RunFigures.carbon($0))" : "" } ?? "",
            run.problem.map { "<span class=\"bad\">\(RunFigures.cut($0, 300))</span>" } ?? "",
        ]
    }

    private static func filters(_ counts: [String: Int], _ chosen: RunSummary.State?) -> HTML {
        func link(_ name: String, _ count: Int, _ path: String, _ isHere: Bool) -> HTML {
            let text = "\(name) (\(count))"
            return isHere ? "<strong>\(text)</strong>" : Parts.link(text, path)
        }
        let all = counts.values.reduce(0, +)
        let links =
            [link("all", all, "/runs", chosen == nil)]
            + RunSummary.State.allCases.map {
                link(
                    $0.rawValue, counts[$0.rawValue] ?? 0, "/runs?state=\($0.rawValue)",
                    chosen == $0)
            }
        return "<p>\(HTML.joined(links, separator: " · "))</p>\n"
    }

    private static func pager(_ runs: [RunOverview], _ state: RunSummary.State?, isFirst: Bool)
        -> HTML
    {
        let field = state.map { "state=\($0.rawValue)" }
        var links: [HTML] = []
        if !isFirst { links.append(Parts.link("Newest", "/runs" + (field.map { "?\($0)" } ?? ""))) }
        if let last = runs.last, runs.count == runsPerPage {
            links.append(
                Parts.link("Older", "/runs?" + (field.map { "\($0)&" } ?? "") + "before=\(last.id)")
            )
        }
        return links.isEmpty ? .empty : "<p>\(HTML.joined(links, separator: " · "))</p>\n"
    }

    /// The pipeline file that a run executes.
    private static func definition(_ request: PageRequest, _ connection: Connection) throws
        -> WebResponse
    {
        let run = try JobQueue(connection).run(try request.number())
        return .text(run.definition)
    }
}

// StageJobsPage: the jobs of a run by stage and state, some at a time.

import Foundation
import Jobs
import Pipelines
import Postgres

/// The page `/runs/N/jobs?stage=S&state=X&page=K`; without a stage, the numbers of jobs of all stages.
struct StageJobsPage {
    /// The number of jobs of a page.
    static let jobsPerPage = 200

    private let run: RunSummary
    private let status: RunStatus
    private let stage: StageStatus?
    private let state: JobState?
    private let place: Int
    private let jobs: [JobDetails]

    /// Reads the jobs. Errors: `notFound` for an unknown run, stage, state or page.
    init(_ request: PageRequest, _ connection: Connection) throws {
        let queue = JobQueue(connection)
        status = try queue.runStatus(try request.number())
        run = status.run
        let all = status.stages
        stage = try request.query["stage"].map { name in
            guard let found = all.first(where: { $0.name == name }) else {
                throw DashboardError(
                    .notFound, "run \(request.parts[0]) has no stage '\(name.prefix(80))'")
            }
            return found
        }
        state = try request.query["state"].map { text in
            guard let state = JobState(rawValue: text) else {
                throw DashboardError(.notFound, "'\(text.prefix(40))' is not a state of jobs")
            }
            return state
        }
        place =
            try request.query["page"].map {
                let number = try PageRequest(parts: [$0]).number()
                guard number <= 1_000_000 else {
                    throw DashboardError(.notFound, "there is no page \(number)")
                }
                return Int(number)
            } ?? 1
        if let stage {
            jobs = try queue.jobs(
                run: status.run.id, stage: stage.name, state: state,
                skip: (place - 1) * Self.jobsPerPage, limit: Self.jobsPerPage)
        } else {
            jobs = []
        }
    }

    /// The page.
    var page: Page {
        Page(
            stage.map { "Jobs of stage \($0.name)" } ?? "Jobs of run \(run.id)",
            trail: [
                ("Runs", "/runs"),
                ("Run \(run.id) \(run.name)", HTML.path("runs", "\(run.id)")),
            ], isLive: run.state == .running,
            body: stage.map { list($0) } ?? overview)
    }

    /// The stages with the numbers of their jobs by state.
    private var overview: HTML {
        Parts.section(
            "Jobs by stage and state", id: "stages",
            Parts.table(
                "Jobs by stage and state", [.text("Stage"), .number("Jobs"), .text("States")],
                status.stages.map { stage in
                    [
                        Parts.link(stage.name, RunFigures.stagePath(run.id, stage.name)),
                        "\(stage.jobs)", states(stage),
                    ]
                }, none: "Its jobs were dropped."))
    }

    /// The numbers of a stage's jobs by state, with links.
    private func states(_ stage: StageStatus) -> HTML {
        let links = JobState.allCases.compactMap { state -> HTML? in
            guard let count = stage.counts[state.rawValue], count > 0 else { return nil }
            let text = "\(count) \(state.rawValue)"
            return state == self.state
                ? "<strong>\(text)</strong>"
                : Parts.link(
                    text, RunFigures.stagePath(run.id, stage.name, state: state.rawValue))
        }
        return HTML.joined(links, separator: " · ")
    }

    private func list(_ stage: StageStatus) -> HTML {
        let all =
            state == nil
            ? "<strong>all (\(stage.jobs))</strong>" as HTML
            : Parts.link("all (\(stage.jobs))", RunFigures.stagePath(run.id, stage.name))
        return Parts.section(
            state.map { "Jobs: \($0.rawValue)" } ?? "All jobs", id: "jobs",
            "<p>\(all) · \(states(stage))</p>\n",
            Parts.table(
                "Jobs in order",
                [
                    .number("Job"), .text("State"), .text("Kind"), .number("Attempts"),
                    .text("Begun"), .text("Ended"), .text("Message"),
                ], jobs.map(row), none: "No such job."), pager(stage))
    }

    private func row(_ job: JobDetails) -> [HTML] {
        let message: HTML =
            job.reason.map { "<span class=\"bad\">\(RunFigures.cut($0, 300))</span>" }
            ?? (job.state == .running
                ? "\(job.fraction.map { Parts.progress($0, of: "job \(job.id)") } ?? .empty) \(job.message.map { RunFigures.cut($0, 200) })"
                : "")
        return [
            Parts.link("\(job.id)", HTML.path("jobs", "\(job.id)")),
            job.isQuarantined ? Parts.state("quarantined") : Parts.state(job.state.rawValue),
            "\(job.kind)",
            "\(job.attempts)\(job.lost > 0 ? ", \(job.lost) lost" : "")",
            Parts.time(job.startedAt), Parts.time(job.endedAt), message,
        ]
    }

    private func pager(_ stage: StageStatus) -> HTML {
        let all = state.map { stage.counts[$0.rawValue] ?? 0 } ?? stage.jobs
        let pages = max(1, (all + Self.jobsPerPage - 1) / Self.jobsPerPage)
        guard pages > 1 || place > 1 else { return .empty }
        func link(_ name: String, _ page: Int) -> HTML {
            Parts.link(
                name,
                RunFigures.stagePath(run.id, stage.name, state: state?.rawValue, page: page))
        }
        var parts: [HTML] = []
        if place > 1 { parts.append(link("Earlier", place - 1)) }
        parts.append("page \(place) of \(pages)")
        if place < pages { parts.append(link("Later", place + 1)) }
        return "<p>\(HTML.joined(parts, separator: " · "))</p>\n"
    }
}

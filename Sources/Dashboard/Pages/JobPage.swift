// JobPage: one job: its state, terms, attempts, log, artifacts, arguments and result.

import Accounting
import Artifacts
import Foundation
import Jobs
import Postgres

/// The page of one job.
struct JobPage {
    private let request: PageRequest
    private let queue: JobQueue
    private let job: JobDetails
    private let attempts: [AttemptRecord]
    private let energies: [Int64: Energy]
    private let artifacts: [Artifact]
    private let log: [JobLogLine]
    private let earlierLines: Int
    private let now: Date

    /// The number of newest lines of the log.
    private static let newestLines = 200
    /// The most attempts in the table; of more, the newest.
    private static let mostAttempts = 100

    /// Reads the job. Errors: `notFound`.
    init(_ request: PageRequest, _ connection: Connection) throws {
        self.request = request
        queue = JobQueue(connection)
        job = try queue.job(try request.number())
        attempts = try queue.attempts(of: job.id)
        energies = try CostLedger(connection).energies(
            job: job.id, tokens: attempts.suffix(Self.mostAttempts).map(\.token))
        artifacts = try ArtifactStore(connection).made(by: job.id, run: job.runID)
        log = try queue.log(of: job.id, newest: Self.newestLines)
        if log.count == Self.newestLines, let first = log.first {
            earlierLines = try queue.logCount(of: job.id, before: first.id)
        } else {
            earlierLines = 0
        }
        now = try CostLedger(connection).moment()
    }

    private var hasEnded: Bool { [.completed, .cancelled, .discarded].contains(job.state) }

    /// The page.
    var page: Page {
        get throws {
            let parts: [HTML] = try [summary, tries, logged, made, arguments, result]
            return Page(
                "Job \(job.id)",
                trail: [
                    ("Runs", "/runs"), ("Run \(job.runID)", HTML.path("runs", "\(job.runID)")),
                    (job.stage, RunFigures.stagePath(job.runID, job.stage)),
                ], isLive: !hasEnded, body: HTML.joined(parts))
        }
    }

    private var summary: HTML {
        let seconds = attempts.map { ($0.endedAt ?? now).timeIntervalSince($0.startedAt) }
        let total = energies.values.reduce(Energy.zero, +)
        var tiles: [(name: String, value: HTML)] = [
            (
                "state",
                job.isQuarantined ? Parts.state("quarantined") : Parts.state(job.state.rawValue)
            ),
            ("attempts", "\(job.attempts) of \(job.maxAttempts)"),
            ("time", "\(Parts.duration(seconds.reduce(0, +)))"),
        ]
        if !energies.isEmpty { tiles.append(("energy", "\(RunFigures.energy(total))")) }
        if job.state == .running {
            tiles.append(("progress", Parts.progress(job.fraction ?? 0, of: "job \(job.id)")))
        }
        var facts: [(name: String, value: HTML)] = [
            ("run", RunFigures.run(job.runID)),
            ("stage", Parts.link(job.stage, RunFigures.stagePath(job.runID, job.stage))),
            ("kind", "\(job.kind)"),
        ]
        if let message = job.message { facts.append(("message", "\(RunFigures.cut(message))")) }
        facts += JobTerms.facts(job).map { ($0.name, "\($0.value)") }
        facts += times
        let reason: HTML =
            job.reason.map { "<p class=\"bad\"><strong>\(RunFigures.cut($0, 4000))</strong></p>\n" }
            ?? .empty
        let stopping: HTML =
            job.isCancelRequested ? RunFigures.note("Its worker was asked to stop it.") : .empty
        return Parts.section(
            "Summary", id: "summary", Parts.tiles(tiles), reason, stopping, Parts.list(facts),
            buttons)
    }

    private var times: [(name: String, value: HTML)] {
        let all: [(String, Date?)] = [
            ("began", job.startedAt), ("ended", job.endedAt),
            (job.state == .scheduled ? "starts at" : "next attempt at", job.dueAt),
            ("out of time at", job.deadlineAt), ("counts as stalled at", job.stallAt),
        ]
        return all.compactMap { name, date in date.map { (name, Parts.time($0)) } }
    }

    private var buttons: HTML {
        let path = HTML.path("jobs", "\(job.id)")
        let button: HTML =
            switch job.state {
            case .completed: .empty
            case .cancelled, .discarded:
                Parts.button("Retry", "job \(job.id)", path: path + "/retry", request)
            default: Parts.button("Cancel", "job \(job.id)", path: path + "/cancel", request)
            }
        return button == .empty ? .empty : "<p>\(button)</p>\n"
    }

    private var tries: HTML {
        let shown = attempts.suffix(Self.mostAttempts)
        let rows = shown.map { attempt -> [HTML] in
            let word = attempt.outcome?.rawValue ?? "running"
            return [
                "\(attempt.attempt)", Parts.state(word), "\(attempt.worker)", "\(attempt.host)",
                Parts.time(attempt.startedAt),
                "\(Parts.duration((attempt.endedAt ?? now).timeIntervalSince(attempt.startedAt)))",
                "\(energies[attempt.token].map { RunFigures.energy($0) })",
                "\(attempt.error.map { RunFigures.cut($0, 4000) })",
            ]
        }
        return Parts.section(
            "Attempts", id: "attempts",
            attempts.count > shown.count
                ? RunFigures.note("The newest \(shown.count) of \(attempts.count).") : .empty,
            Parts.table(
                "Attempts, oldest first",
                [
                    .number("Attempt"), .text("Outcome"), .text("Worker"), .text("Host"),
                    .text("Began"), .number("Time"), .number("Energy"), .text("Error"),
                ], rows, none: "It has not begun yet."))
    }

    private var logged: HTML {
        let path = HTML.path("jobs", "\(job.id)", "log")
        let earlier: HTML =
            earlierLines > 0
            ? "<p>\(Parts.link("\(RunFigures.count(earlierLines, "earlier line")): the log from its start", path))</p>\n"
            : .empty
        return Parts.section("Log", id: "log", earlier, JobPages.lines(log))
    }

    private var made: HTML {
        guard !artifacts.isEmpty else { return .empty }
        return Parts.section(
            "Artifacts", id: "artifacts",
            Parts.table(
                "Artifacts that the job made",
                [.number("Artifact"), .text("Kind"), .text("Name"), .text("Recorded")],
                artifacts.prefix(200).map { artifact in
                    [
                        Parts.link("\(artifact.id)", HTML.path("artifacts", "\(artifact.id)")),
                        "\(artifact.kind)", "\(artifact.name)", Parts.time(artifact.createdAt),
                    ]
                }))
    }

    private var arguments: HTML {
        get throws {
            Parts.section("Arguments", id: "arguments", try RunFigures.fields(job.args))
        }
    }

    private var result: HTML {
        get throws {
            guard let result = job.result else { return .empty }
            return Parts.section("Result", id: "result", try RunFigures.fields(result))
        }
    }
}

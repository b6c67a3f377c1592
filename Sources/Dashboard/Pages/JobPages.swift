// JobPages: one job, its log, and the forms that cancel and retry.

import Foundation
import Jobs
import Postgres

/// Pages: one job, its log, and the forms that cancel and retry.
enum JobPages {
    /// The pages and files.
    static let routes: [Route] = [
        .page("/jobs/*") { try JobPage($0, $1).page },
        .page("/jobs/*/log", log),
    ]
    /// The forms.
    static let actions: [Action] = [
        .post("/jobs/*/cancel") { request, connection in
            let job = try request.number(), queue = JobQueue(connection)
            guard try queue.cancel(job: job) != .alreadyEnded else {
                throw DashboardError(
                    .form,
                    "job \(job) has ended already: it is \(try queue.job(job).state.rawValue)")
            }
            return Notice.path(HTML.path("jobs", "\(job)"), "cancelled")
        },
        .post("/jobs/*/retry") { request, connection in
            let job = try request.number()
            try JobQueue(connection).retry(job: job)
            return Notice.path(HTML.path("jobs", "\(job)"), "retried")
        },
    ]

    /// The number of lines of a page of a log.
    static let linesPerPage = 1000

    /// The log of a job, some lines at a time, oldest first.
    private static func log(_ request: PageRequest, _ connection: Connection) throws -> Page {
        let queue = JobQueue(connection), job = try queue.job(try request.number())
        let after = try request.query["after"].map { try PageRequest(parts: [$0]).number() } ?? 0
        let lines = try queue.log(of: job.id, after: after, limit: linesPerPage)
        let path = HTML.path("jobs", "\(job.id)", "log")
        var links: [HTML] = []
        if after > 0 { links.append(Parts.link("From the start", path)) }
        if let last = lines.last, lines.count == linesPerPage {
            links.append(Parts.link("Later lines", "\(path)?after=\(last.id)"))
        }
        let pager: HTML =
            links.isEmpty ? .empty : "<p>\(HTML.joined(links, separator: " · "))</p>\n"
        return Page(
            "Log of job \(job.id)",
            trail: [
                ("Runs", "/runs"), ("Run \(job.runID)", HTML.path("runs", "\(job.runID)")),
                ("Job \(job.id)", HTML.path("jobs", "\(job.id)")),
            ], body: Parts.section("Log", id: "log", self.lines(lines), pager))
    }

    /// Lines of a log with their times.
    static func lines(_ lines: [JobLogLine]) -> HTML {
        if lines.isEmpty { return RunFigures.note("It logged nothing.") }
        let text = lines.map { line -> String in
            let time = line.at.formatted(.iso8601).dropFirst(11).prefix(8)
            return "\(time) \(line.line)"
        }
        let day = lines.first?.at.formatted(.iso8601.year().month().day()) ?? ""
        return
            "\(RunFigures.note("From \(day), times in UTC."))<pre tabindex=\"0\" aria-label=\"log lines\">\(HTML.lines(text.joined(separator: "\n")))</pre>\n"
    }
}

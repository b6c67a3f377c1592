// QueuePages: what waits in the queues and why, and how the last day went.

import Charts
import Foundation
import Intake
import Jobs
import Pipelines
import Postgres

/// Pages: the queues.
enum QueuePages {
    /// The pages and files.
    static let routes: [Route] = [.page("/queue", queue)]
    /// The forms.
    static let actions: [Action] = []

    /// The most rows of a table.
    private static let mostRows = 200

    private static func queue(_ request: PageRequest, _ connection: Connection) throws -> Page {
        let queue = JobQueue(connection)
        let parts: [HTML] = try [
            queues(queue.queues()), depth(queue.depth()), permits(queue.permits()),
            recurring(queue.recurring()), history(queue.attemptHours()), duties(queue.duties()),
        ]
        return Page("Queue", isLive: true, body: HTML.joined(parts))
    }

    private static func queues(_ queues: [QueueSummary]) -> HTML {
        func sum(_ value: (QueueSummary) -> Int) -> HTML {
            "\(ReportText.grouped(queues.reduce(0) { $0 + value($1) }))"
        }
        return Parts.section(
            "Queues", id: "queues",
            Parts.tiles([
                ("running", sum(\.running)), ("available", sum(\.available)),
                ("scheduled", sum(\.scheduled)), ("retryable", sum(\.retryable)),
            ]),
            Parts.table(
                "Queues that hold jobs or are paused",
                [
                    .text("Queue"), .text("State"), .number("Running"), .number("Available"),
                    .number("Quarantined"), .number("Scheduled"), .number("Retryable"),
                ],
                queues.prefix(mostRows).map { queue in
                    [
                        "\(queue.name)", queue.isPaused ? Parts.state("paused") : "open",
                        "\(queue.running)", "\(queue.available)", "\(queue.quarantined)",
                        "\(queue.scheduled)", "\(queue.retryable)",
                    ]
                }, none: "No job waits or runs, and no queue is paused."))
    }

    private static func depth(_ depth: [QueueDepth]) -> HTML {
        guard !depth.isEmpty else { return .empty }
        let rows = depth.prefix(mostRows).map { one -> [HTML] in
            [
                "\(one.kind)", "\(one.queue)", Parts.state(one.state),
                "\(ReportText.grouped(one.jobs))",
                one.held > 0 ? "\(ReportText.grouped(one.held))" : "",
                "\(one.since.map { Parts.duration(max(0, one.asOf.timeIntervalSince($0))) })",
                Parts.time(one.dueAt),
            ]
        }
        return Parts.section(
            "Depth and age", id: "depth",
            Parts.table(
                "Jobs that wait or run, by kind and state",
                [
                    .text("Kind"), .text("Queue"), .text("State"), .number("Jobs"),
                    .number("In held runs"), .number("Oldest"), .text("Next due"),
                ], Array(rows)),
            RunFigures.note(
                "Oldest: how long the longest running attempt has run; of waiting jobs, how long ago the stage of the first of them was ready."
            ))
    }

    private static func permits(_ permits: [PermitSummary]) -> HTML {
        guard !permits.isEmpty else { return .empty }
        return Parts.section(
            "Limits", id: "limits",
            Parts.table(
                "Concurrency keys with their permits",
                [.text("Key"), .number("Permits"), .number("Held"), .text("By")],
                permits.prefix(mostRows).map { permit in
                    [
                        "\(permit.key)", "\(permit.slots)", "\(permit.held)",
                        HTML.joined(
                            permit.jobs.prefix(20).map { RunFigures.job($0) }, separator: ", "),
                    ]
                }), RunFigures.note("ofa queue limit KEY N changes one."))
    }

    private static func recurring(_ recurring: [RecurringRun]) -> HTML {
        guard !recurring.isEmpty else { return .empty }
        return Parts.section(
            "Recurring runs", id: "recurring",
            Parts.table(
                "Recurring runs",
                [.text("Name"), .text("Every"), .text("Next"), .text("Last run")],
                recurring.prefix(mostRows).map { run in
                    [
                        "\(run.name)", "\(Parts.duration(run.everySeconds))",
                        Parts.time(run.nextAt),
                        run.lastRun.map { RunFigures.run($0) } ?? "none yet",
                    ]
                }))
    }

    // MARK: History

    private static func history(_ hours: [AttemptHour]) -> HTML {
        guard let first = hours.first?.hour, let last = hours.last?.hour else { return .empty }
        // Hours without an attempt have no row.
        let known = Dictionary(hours.map { ($0.hour, $0) }) { first, _ in first }
        let all = stride(from: first, through: last, by: 3600).map { (at: $0, known[$0]) }
        func line(_ name: String, _ look: Int, _ value: (AttemptHour) -> Int) -> LineChart.Line {
            let points = all.map { at, hour in
                let count = hour.map(value) ?? 0
                return LineChart.Point(
                    x: at.timeIntervalSince1970, y: Double(count), tip: "\(name): \(count)")
            }
            return LineChart.Line(name, [points], look: look, hasDots: true)
        }
        let chart = LineChart(
            title: "Attempts of the last day by the hour of their end", xCaption: "hour, UTC",
            areTimes: true,
            panels: [
                .init(
                    "attempts an hour",
                    [
                        line("completed", 2) { $0.completed }, line("failed", 1) { $0.failed },
                        line("lost", 5) { $0.lost },
                    ])
            ])
        return Parts.section(
            "The last day", id: "history",
            all.count > 1 ? HTML.chart(chart, id: "hours") : .empty,
            RunFigures.details(
                "As a table", id: "history-table",
                Parts.table(
                    "Attempts by the hour of their end",
                    [
                        .text("Hour"), .number("Completed"), .number("Failed"), .number("Lost"),
                        .number("Cancelled or released"),
                    ],
                    hours.map { one in
                        [
                            Parts.time(one.hour), "\(one.completed)", "\(one.failed)",
                            "\(one.lost)", "\(one.stopped)",
                        ]
                    })))
    }

    private static func duties(_ duties: [DutyStatus]) -> HTML {
        Parts.section(
            "Duties", id: "duties",
            Parts.table(
                "Maintenance tasks, each done by one worker at a time",
                [.text("Duty"), .text("Held by"), .text("Host"), .text("Last done")],
                duties.map { duty in
                    [
                        "\(duty.name)", duty.worker.map { "\($0)" } ?? "nobody",
                        "\(duty.host)", duty.doneAt.map { Parts.time($0) } ?? "not recorded",
                    ]
                }, none: "No worker has taken one yet."))
    }
}

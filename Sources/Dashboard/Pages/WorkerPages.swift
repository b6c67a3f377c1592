// WorkerPages: the workers that are alive, what they run, and the machines that ever worked.

import Accounting
import Foundation
import Jobs
import Postgres

/// Pages: the workers.
enum WorkerPages {
    /// The pages and files.
    static let routes: [Route] = [.page("/workers", workers)]
    /// The forms.
    static let actions: [Action] = []

    /// The most jobs of a worker that are listed.
    private static let jobsPerWorker = 40
    /// The most workers and machines in a table.
    private static let mostRows = 200

    private static func workers(_ request: PageRequest, _ connection: Connection) throws -> Page {
        let queue = JobQueue(connection)
        let workers = try queue.workers(), running = try queue.runningJobs()
        let now = try CostLedger(connection).moment()
        let parts: [HTML] = [
            alive(workers, running, now), jobs(workers, running, now),
            unserved(try queue.unserved()), machines(try HostLedger(connection).machines()),
        ]
        return Page("Workers", isLive: true, body: HTML.joined(parts))
    }

    private static func alive(_ workers: [WorkerStatus], _ running: [RunningJob], _ now: Date)
        -> HTML
    {
        let counts = Dictionary(grouping: running, by: \.session).mapValues(\.count)
        let slots = workers.reduce(0) { $0 + $1.workingSlots }
        let rows = workers.prefix(mostRows).map { worker -> [HTML] in
            let busy = counts[worker.id] ?? 0
            let slots: HTML =
                worker.workingSlots < worker.slots
                ? "\(busy) of \(worker.workingSlots), <span class=\"bad\">\(worker.slots - worker.workingSlots) do not work</span>"
                : "\(busy) of \(worker.slots)"
            return [
                "\(worker.name)", "\(worker.host)", "\(worker.process)", slots,
                "\(ago(now.timeIntervalSince(worker.beatAt)))",
                Parts.time(worker.openedAt), "\(worker.kinds.joined(separator: ", "))",
                "\(worker.offers.joined(separator: ", "))",
                "\(worker.duties.joined(separator: ", "))", "\(worker.version)",
            ]
        }
        return Parts.section(
            "Workers", id: "workers",
            Parts.tiles([
                ("alive", "\(workers.count)"), ("jobs running", "\(running.count)"),
                ("slots", "\(slots)"),
                ("machines", "\(Set(workers.map(\.host)).count)"),
            ]),
            Parts.table(
                "Workers that are alive, oldest first",
                [
                    .text("Worker"), .text("Host"), .number("Process"), .text("Slots in use"),
                    .text("Heartbeat"), .text("Since"), .text("Kinds"), .text("Offers"),
                    .text("Duties"), .text("Version"),
                ], Array(rows), none: "No worker is alive. ofa worker starts one."),
            more(workers.count))
    }

    /// Writes the age of a heartbeat in whole seconds.
    private static func ago(_ seconds: Double) -> String {
        seconds < 1 ? "now" : "\(Parts.duration(seconds.rounded())) ago"
    }

    private static func more(_ count: Int) -> HTML {
        count > mostRows ? RunFigures.note("\(count - mostRows) more are not shown.") : .empty
    }

    private static func jobs(_ workers: [WorkerStatus], _ running: [RunningJob], _ now: Date)
        -> HTML
    {
        let names = Dictionary(workers.map { ($0.id, $0.name) }) { first, _ in first }
        let shown = Dictionary(grouping: running, by: \.session).sorted { $0.key < $1.key }
            .flatMap { $0.value.prefix(jobsPerWorker) }.prefix(mostRows)
        let rows = shown.map { job -> [HTML] in
            [
                RunFigures.job(job.job), RunFigures.run(job.run),
                Parts.link(job.stage, RunFigures.stagePath(job.run, job.stage)), "\(job.kind)",
                // A job whose worker is lost runs until it is rescued.
                names[job.session].map { "\($0)" } ?? "<span class=\"bad\">a lost worker</span>",
                "\(Parts.duration(now.timeIntervalSince(job.startedAt)))",
                job.fraction.map { Parts.progress($0, of: "job \(job.job)") } ?? "",
                job.isCancelRequested
                    ? "is asked to stop" : "\(job.message.map { RunFigures.cut($0, 300) })",
            ]
        }
        return Parts.section(
            "What they run", id: "running",
            Parts.table(
                "Running jobs by worker, of each the longest first",
                [
                    .text("Job"), .text("Run"), .text("Stage"), .text("Kind"), .text("Worker"),
                    .number("Time"), .text("Progress"), .text("Message"),
                ], Array(rows), none: "No job runs."),
            running.count > shown.count
                ? RunFigures.note("\(running.count - shown.count) more run.") : .empty)
    }

    private static func unserved(_ unserved: [UnservedJobs]) -> HTML {
        guard !unserved.isEmpty else { return .empty }
        return Parts.section(
            "Jobs that no worker can take", id: "unserved",
            Parts.table(
                "Waiting jobs that no living worker can take",
                [.text("Kind"), .text("Requires"), .number("Jobs")],
                unserved.map {
                    ["\($0.kind)", "\($0.requires.joined(separator: ", "))", "\($0.jobs)"]
                }),
            RunFigures.note("ofa worker --offers starts a worker that offers what they require."))
    }

    private static func machines(_ machines: [Machine]) -> HTML {
        let rows = machines.prefix(mostRows).map { machine -> [HTML] in
            [
                "\(machine.name)", Parts.time(machine.firstSeenAt),
                "\(machine.metered?.zone)", "\(machine.metered?.method)",
                Parts.time(machine.metered?.hour),
                machine.stated.map { "since \(Parts.time($0.validFrom)), by \($0.actor)" }
                    ?? "nothing",
            ]
        }
        return Parts.section(
            "Machines", id: "machines",
            Parts.table(
                "Machines that worked for this database",
                [
                    .text("Machine"), .text("First seen"), .text("Zone"), .text("Metered by"),
                    .text("Metered last"), .text("Stated of it"),
                ], Array(rows), none: "None has worked yet."), more(machines.count))
    }
}

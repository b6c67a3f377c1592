// Soak: feeds the queue, kills workers, and checks the result.
import Foundation
import Jobs
import Postgres
import Schema
import Tensors

/// A running soak test; used by one thread.
struct Soak {
    /// Children per fan-out.
    static let fanOut = 100
    /// How many jobs of one run do nothing (`plain`), and how many take a while and save a checkpoint (`slow`). A run
    /// also has a fan-out: a job that adds children, the children, and a continuation that runs after them.
    static let plain = 880, slow = 18
    private static let runJobs = plain + slow + fanOut + 2

    private let url: String
    private let pool: SoakPool
    private let runs: Int
    private let seconds, killSeconds: Double
    private let json: Bool
    private var random: RandomStream
    private let connection: Connection
    private let queue: JobQueue
    private var fed = 0
    private var kills = 0
    private var mostDead = 0
    private var table = Table(
        text: ["MINUTE"],
        numbers: ["ENQUEUED", "ENDED", "WAITING", "KILLS", "LOST", "DEAD ROWS", "LIVE MB"])

    /// The content of a progress line.
    private struct Line: Codable {
        let minute: Double
        let enqueued, ended, waiting, kills, lost, deadRows: Int
        let liveBytes: Int
    }

    init(
        url: String, pool: SoakPool, jobs: Int, seconds: Double, killSeconds: Double, seed: UInt64,
        json: Bool
    ) throws {
        self.url = url
        self.pool = pool
        runs = max(1, jobs / Self.runJobs)
        self.seconds = seconds
        self.killSeconds = killSeconds
        self.json = json
        random = RandomStream(seed: seed)
        connection = try Connection(
            url: url, applicationName: "soak", statementTimeoutSeconds: 600)
        queue = JobQueue(connection)
    }

    /// Enqueues runs, kills workers, waits until all runs have ended, and audits the queue; returns false if a check
    /// fails.
    mutating func run() throws -> Bool {
        let clock = ContinuousClock(), begun = clock.now
        var nextLine = 60.0
        var nextKill = killSeconds
        try pool.fill()
        while true {
            let now = (clock.now - begun) / .seconds(1)
            while fed < runs, Double(fed) <= Double(runs) * now / seconds { try feed() }
            if now >= nextKill {
                nextKill = now + killSeconds * Double(random.uniform(in: 0.2...1.8))
                try pool.kill(using: &random)
                kills += 1
            }
            if now >= nextLine {
                try say(minute: now / 60)
                nextLine += 60
            }
            try pool.fill()
            if fed == runs {
                let unfinished = try connection.queryOne(.runsUnfinished).int("runs")
                if unfinished == 0 { break }
                guard now < seconds + 600 else {
                    throw BenchError(
                        "\(unfinished) runs have not ended 10 minutes after the last was enqueued")
                }
            }
            Thread.sleep(forTimeInterval: 0.1)
        }
        try say(minute: (clock.now - begun) / .seconds(60))
        return try judge()
    }

    private mutating func feed() throws {
        let plain = JobSpec(kind: "noop"), slow = JobSpec(kind: "slow", stallSeconds: 30)
        let quick = RetryPolicy(baseSeconds: 0.2, maxSeconds: 1)
        _ = try queue.enqueue(
            RunSpec(
                name: "soak", definition: "", definitionHash: "\(fed)",
                stages: [
                    StageSpec(
                        name: "plain",
                        jobs: Array(repeating: plain, count: Self.plain)
                            + Array(repeating: slow, count: Self.slow)),
                    StageSpec(
                        name: "fan", job: JobSpec(kind: "plan", backoff: quick), needs: ["plain"]),
                ]))
        fed += 1
    }

    private mutating func say(minute: Double) throws {
        let activity = try connection.queryOne(.databaseActivity)
        let counts = try connection.queryOne(.soakCounts)
        let line = Line(
            minute: minute, enqueued: try counts.int("enqueued"), ended: try counts.int("ended"),
            waiting: try counts.int("waiting"), kills: kills, lost: try counts.int("lost"),
            deadRows: try activity.int("dead"), liveBytes: try activity.int("live_bytes"))
        mostDead = max(mostDead, line.deadRows)
        if json {
            let rate = Headline(unit: "jobs/s", rate: Double(line.ended) / max(1, minute * 60))
            return try Output.json(rate, line)
        }
        table.rows.append(
            [
                decimal(minute, 1), "\(line.enqueued)", "\(line.ended)", "\(line.waiting)",
                "\(line.kills)", "\(line.lost)", "\(line.deadRows)",
                decimal(Double(line.liveBytes) / 1e6, 1),
            ])
        Output.note(table.lines.last ?? "")
    }

    /// Checks the final state; returns false, and prints the problems, if a check fails.
    private func judge() throws -> Bool {
        var problems = try queue.audit()
        let counts = try connection.queryOne(.soakCounts)
        let (enqueued, completed) = (try counts.int("enqueued"), try counts.int("completed"))
        if enqueued != runs * Self.runJobs {
            problems.append("\(enqueued) jobs exist, \(runs * Self.runJobs) should")
        }
        if completed != enqueued {
            problems.append("\(completed) of \(enqueued) jobs are completed")
        }
        if !json { try table.print() }
        for problem in problems { Output.note("audit: \(problem)") }
        if !json {
            try Output.line(
                "\(completed) of \(enqueued) jobs completed, \(kills) workers killed, "
                    + "\(try counts.int("lost")) attempts lost, at most \(mostDead) dead rows; audit: "
                    + (problems.isEmpty ? "clean" : "\(problems.count) problems"))
        }
        return problems.isEmpty
    }
}

/// The worker processes of a soak test.
final class SoakPool {
    private let url: String
    private let count: Int
    private var processes: [Process] = []
    private var started = 0

    init(url: String, count: Int) {
        self.url = url
        self.count = count
    }

    /// Starts processes until `count` are running.
    func fill() throws {
        processes.removeAll { !$0.isRunning }
        while processes.count < count {
            started += 1
            let process = Process()
            process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
            process.arguments = ["soak-worker", "--url", url, "--name", "soak-\(started)"]
            process.standardInput = FileHandle.nullDevice
            try process.run()
            processes.append(process)
        }
    }

    /// Kills a random process.
    func kill(using random: inout RandomStream) throws {
        guard !processes.isEmpty else { return }
        Foundation.kill(processes[random.below(processes.count)].processIdentifier, SIGKILL)
    }

    /// Kills all processes.
    func end() {
        for process in processes where process.isRunning {
            Foundation.kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
        }
    }
}

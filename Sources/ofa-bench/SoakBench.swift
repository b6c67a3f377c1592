// ofa-bench soak: executes jobs of several kinds for a long time while workers are killed, then audits the queue.
import ArgumentParser
import Foundation
import Jobs
import Postgres
import Schema

/// Feeds a queue for minutes while killing its workers, then audits the queue.
struct SoakBench: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "soak",
        abstract:
            "Feeds a queue for minutes, kills workers all the while, and audits it at the end.",
        discussion: """
            Enqueues plain jobs, jobs that fail and are retried, and fan-outs with a continuation, on its own PostgreSQL; \
            workers are processes that get SIGKILL. Prints a line per minute. The exit code is 1 if a job is lost or ends \
            twice, or if the audit finds anything. Example: ofa-bench soak --minutes 30 --jobs 1000000
            """)

    /// The minutes during which jobs are enqueued.
    @Option(help: "Minutes for which jobs are enqueued.") var minutes = 30.0
    /// The number of jobs.
    @Option(help: "Jobs in all.") var jobs = 1_000_000
    /// Worker processes.
    @Option(help: "Worker processes.") var workers = 3
    /// The mean seconds between kills.
    @Option(help: "Seconds between two kills, on average.") var killSeconds = 5.0
    /// The seed of the kills.
    @Option(help: "The seed of the kills.") var seed: UInt64 = 1
    /// Whether to answer in JSON.
    @Flag(help: "Print JSON Lines on standard output, and nothing else there.") var json = false

    /// Refuses invalid options.
    func validate() throws {
        guard minutes > 0, minutes <= 10_000, jobs >= 1000, jobs <= 1_000_000_000,
            (1...64).contains(workers), killSeconds > 0
        else {
            throw ValidationError(
                "--minutes, --workers (1...64) and --kill-seconds are above 0, --jobs is 1000 or more"
            )
        }
    }

    /// Runs the benchmark.
    func run() throws {
        let server = try QueueServer()
        defer { server.stop() }
        let url = try server.database()
        let pool = SoakPool(url: url, count: workers)
        defer { pool.end() }
        var soak = try Soak(
            url: url, pool: pool, jobs: jobs, seconds: minutes * 60, killSeconds: killSeconds,
            seed: seed, json: json)
        let isSound = try soak.run()
        if !isSound { throw ExitCode.failure }
    }
}

/// One worker process of a soak test, or of the crash test of `ofa-bench queue`.
struct SoakWorker: ParsableCommand {
    /// The configuration of an internal command, which the help does not show.
    static let configuration = CommandConfiguration(
        commandName: "soak-worker", abstract: "A worker process of ofa-bench soak.",
        shouldDisplay: false)

    /// The URL of the database.
    @Option(help: "The database.") var url: String
    /// The worker's name.
    @Option(help: "The worker's name.") var name: String

    private struct Flaky: Error {}

    /// Runs until this process is killed.
    func run() throws {
        let noop = BenchHandler { _ in JobOutput() }
        let flaky = BenchHandler { context in
            // The first attempt fails for a tenth of the jobs, chosen by their numbers.
            if context.lease.attempt == 1, context.lease.jobID % 10 == 3 { throw Flaky() }
            return JobOutput()
        }
        let slow = BenchHandler { context in
            Thread.sleep(forTimeInterval: 0.05)
            context.progress(fraction: 0.5)
            try context.saveCheckpoint(seq: 1, payload: "{}")
            return JobOutput()
        }
        let plan = BenchHandler { _ in
            let child = JobSpec(
                kind: "flaky", backoff: RetryPolicy(baseSeconds: 0.2, maxSeconds: 1))
            return JobOutput(
                fanOut: FanOut(
                    children: Array(repeating: child, count: Soak.fanOut),
                    then: JobSpec(kind: "gather")))
        }
        let gather = BenchHandler { context in
            let count = try context.childResults().count
            guard count == Soak.fanOut else {
                throw BenchError("\(count) results of \(Soak.fanOut)")
            }
            return JobOutput(result: "\(count)")
        }
        let hang = BenchHandler { context in
            // The job hangs until its worker is killed; the next attempt completes at once.
            while context.lease.crashes == 0 {
                try context.stopIfCancelled()
                Thread.sleep(forTimeInterval: 0.02)
            }
            return JobOutput()
        }
        let worker = try Worker(
            databaseURL: url,
            registry: [
                "noop": noop, "flaky": flaky, "slow": slow, "plan": plan, "gather": gather,
                QueueCrash.kind: hang,
            ],
            options: WorkerOptions(prefetch: 100, name: name, report: { _ in }))
        try worker.run()
    }
}

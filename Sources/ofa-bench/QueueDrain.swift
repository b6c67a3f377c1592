// QueueDrain: measures how fast real workers empty a queue of jobs that do nothing. All attempts and results are
// recorded.
import Foundation
import Jobs
import Postgres
import Schema
import Synchronization

/// A handler that calls a closure.
struct BenchHandler: JobHandler {
    /// The closure.
    let body: @Sendable (JobContext) throws -> JobOutput

    /// Calls the closure for one job.
    func run(_ context: JobContext) throws -> JobOutput { try body(context) }
}

/// Measures the rate of a drain: workers execute all jobs of a filled queue.
struct QueueDrain {
    /// The result of a drain.
    struct Result: Codable, Equatable {
        /// Jobs enqueued per second, and jobs drained per second.
        let enqueuedPerS, jobsPerS: Double
        /// Bytes of write-ahead log per drained job, and commits per drained job.
        let walBytesPerJob, commitsPerJob: Double
        /// Dead rows in table `ofa.live` after the drain, by the server's statistics.
        let deadRows: Int
    }

    /// The URL of the database.
    let url: String
    /// The number of jobs, of workers, of jobs per claim, and of bytes of a job's arguments.
    let jobs, workers, batch, payload: Int

    /// Enqueues the jobs, drains the queue and audits it.
    func run() throws -> Result {
        let connection = try Connection(
            url: url, applicationName: "ofa-bench", statementTimeoutSeconds: 600)
        defer { connection.close() }
        let queue = JobQueue(connection)
        let clock = ContinuousClock()
        let text = "\"" + String(repeating: "x", count: payload - 2) + "\""
        let spec = JobSpec(kind: "noop", args: text)
        var run: RunID = 0
        let enqueuing = try clock.measure {
            run = try queue.enqueue(
                RunSpec(
                    name: "drain", definition: "", definitionHash: "drain",
                    stages: [
                        StageSpec(name: "noop", jobs: Array(repeating: spec, count: jobs))
                    ]))
        }
        // Workers connect before the clock starts, as the peers' workers do.
        try queue.pause(queue: "default")
        let crew = try BenchCrew(
            url, workers: workers, batch: batch,
            registry: ["noop": BenchHandler { _ in JobOutput() }])
        while try connection.queryOne(.sessionsAlive).int("sessions") < workers {
            Thread.sleep(forTimeInterval: 0.01)
        }
        let wal = try connection.queryOne(.walPosition).int("bytes")
        let commits = try connection.queryOne(.databaseActivity).int("commits")
        let draining = try clock.measure {
            try queue.resume(queue: "default")
            while try queue.run(run).state == .running {
                if let failure = crew.failure { throw BenchError(failure) }
                Thread.sleep(forTimeInterval: 0.004)
            }
        }
        try crew.end()
        let done = try connection.queryOne(.outcomeCount).int("jobs")
        guard done == jobs else { throw BenchError("\(done) of \(jobs) jobs were drained") }
        let activity = try connection.queryOne(.databaseActivity)
        let walAfter = try connection.queryOne(.walPosition).int("bytes")
        let problems = try queue.audit()
        guard problems.isEmpty else { throw BenchError("the audit found: \(problems[0])") }
        let share = 1 / Double(jobs)
        return Result(
            enqueuedPerS: Double(jobs) / (enqueuing / .seconds(1)),
            jobsPerS: Double(jobs) / (draining / .seconds(1)),
            walBytesPerJob: Double(walAfter - wal) * share,
            commitsPerJob: Double(try activity.int("commits") - commits) * share,
            deadRows: try activity.int("dead"))
    }

    /// Runs workers until the queue is empty.
    static func work(
        _ url: String, workers: Int, batch: Int, registry: [String: any JobHandler]
    ) throws {
        let failures = Mutex<[String]>([])
        let all = try (1...workers).map { number in
            try Worker(
                databaseURL: url, registry: registry,
                options: WorkerOptions(
                    prefetch: batch, name: "bench-\(number)", untilIdle: true,
                    report: { Output.note($0) }))
        }
        // Each worker has a thread of its own, because there may be more workers than processors.
        let running = DispatchGroup()
        for worker in all {
            running.enter()
            Thread.detachNewThread {
                do { try worker.run() } catch { failures.withLock { $0.append("\(error)") } }
                running.leave()
            }
        }
        running.wait()
        if let failure = failures.withLock(\.first) { throw BenchError(failure) }
    }
}

/// Workers in this process that run until `end` drains them.
final class BenchCrew: Sendable {
    private let workers: [Worker]
    private let failures = Mutex<[String]>([])
    private let running = DispatchGroup()

    /// The first failure of a worker; nil if none has failed.
    var failure: String? { failures.withLock(\.first) }

    /// Starts `count` workers.
    init(
        _ url: String, workers count: Int, slots: Int = 1, batch: Int,
        registry: [String: any JobHandler], observer: (any AttemptObserver)? = nil
    ) throws {
        workers = try (1...count).map { number in
            try Worker(
                databaseURL: url, registry: registry,
                options: WorkerOptions(
                    slots: slots, prefetch: batch, name: "bench-\(number)",
                    report: { Output.note($0) }), observer: observer)
        }
        for worker in workers {
            running.enter()
            Thread.detachNewThread { [self] in
                do { try worker.run() } catch { failures.withLock { $0.append("\(error)") } }
                running.leave()
            }
        }
    }

    /// Drains the workers and waits until they have ended; throws if a worker failed.
    func end() throws {
        for worker in workers { worker.requestDrain() }
        running.wait()
        if let failure { throw BenchError(failure) }
    }
}

// QueueLatency measures how soon a job starts after it was enqueued. QueueFanIn measures how soon the continuation of a
// fan-out starts after the last of thousands of children.
import Foundation
import Jobs
import Postgres
import Schema
import Synchronization

/// Enqueues single jobs for an idle worker.
struct QueueLatency {
    /// The latencies from the start of the call that enqueues a job to the first line of the job's handler.
    struct Result: Codable, Equatable {
        /// Percentiles in milliseconds.
        let p50Ms, p95Ms, p99Ms: Double
    }

    /// The URL of the database.
    let url: String
    /// The number of jobs.
    let samples: Int

    /// Enqueues one job after the other and returns percentiles of their latencies; the first five jobs are warm-up.
    func run() throws -> Result {
        let started = Mutex<ContinuousClock.Instant?>(nil), signal = DispatchSemaphore(value: 0)
        let handler = BenchHandler { _ in
            started.withLock { $0 = ContinuousClock.now }
            signal.signal()
            return JobOutput()
        }
        let worker = try Worker(
            databaseURL: url, registry: ["noop": handler],
            options: WorkerOptions(name: "latency", report: { Output.note($0) }))
        let failure = Mutex<String?>(nil), ended = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            do { try worker.run() } catch { failure.withLock { $0 = "\(error)" } }
            ended.signal()
        }
        defer {
            worker.requestDrain()
            ended.wait()
        }
        let connection = try Connection(url: url, applicationName: "ofa-bench")
        defer { connection.close() }
        let queue = JobQueue(connection)
        var random = SystemRandomNumberGenerator()
        var values: [Double] = []
        for index in 0..<samples + 5 {
            // The pause is long enough for the worker to poll and go back to waiting.
            Thread.sleep(forTimeInterval: Double.random(in: 0.01...0.03, using: &random))
            let begun = ContinuousClock.now
            _ = try queue.enqueue(
                RunSpec(
                    name: "one", definition: "", definitionHash: "\(index)",
                    stages: [StageSpec(name: "noop", job: JobSpec(kind: "noop"))]))
            guard signal.wait(timeout: .now() + 30) == .success,
                let instant = started.withLock({ $0 })
            else {
                throw BenchError(failure.withLock { $0 } ?? "a job did not start in 30 s")
            }
            if index >= 5 { values.append((instant - begun) / .milliseconds(1)) }
        }
        values.sort()
        let at = { (share: Double) in
            values[min(values.count - 1, Int(share * Double(values.count)))]
        }
        return Result(p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99))
    }
}

/// Measures a fan-out: a job that adds child jobs, and a continuation that runs after them.
struct QueueFanIn {
    /// The result of a fan-in.
    struct Result: Codable, Equatable {
        /// The number of children.
        let children: Int
        /// Milliseconds from the end of the last child to the start of the continuation.
        let lastToNextMs: Double
        /// Seconds from before enqueuing to the end of the run.
        let seconds: Double
    }

    /// The URL of the database.
    let url: String
    /// The number of children, of workers, and of jobs per claim.
    let children, workers, batch: Int

    /// Runs one fan-out and returns its result.
    func run() throws -> Result {
        let connection = try Connection(url: url, applicationName: "ofa-bench")
        defer { connection.close() }
        let queue = JobQueue(connection), clock = ContinuousClock()
        var run: RunID = 0
        let children = children
        let elapsed = try clock.measure {
            run = try queue.enqueue(
                RunSpec(
                    name: "fan", definition: "", definitionHash: "fan",
                    stages: [StageSpec(name: "fan", job: JobSpec(kind: "plan"))]))
            let noop = BenchHandler { _ in JobOutput() }
            let plan = BenchHandler { _ in
                JobOutput(
                    fanOut: FanOut(
                        children: Array(repeating: JobSpec(kind: "noop"), count: children),
                        then: JobSpec(kind: "noop")))
            }
            try QueueDrain.work(
                url, workers: workers, batch: batch, registry: ["plan": plan, "noop": noop])
        }
        let state = try queue.run(run).state
        guard state == .completed else { throw BenchError("the fan-in ended as \(state)") }
        return Result(
            children: children,
            lastToNextMs: try connection.queryOne(.fanInDelay(run: run)).double("seconds")
                * 1000,
            seconds: elapsed / .seconds(1))
    }
}

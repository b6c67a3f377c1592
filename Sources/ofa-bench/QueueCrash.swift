// QueueCrash: measures the time from the kill of a worker until its job runs again.
import Foundation
import Jobs
import Postgres
import Tensors

/// Repeatedly kills the worker that runs a job, while a second worker waits for jobs.
struct QueueCrash {
    /// The results: seconds from the kill to the end of the job's second attempt, which does nothing.
    struct Result: Codable, Equatable {
        /// The number of workers killed.
        let crashes: Int
        /// The lease duration in seconds.
        let ttlSeconds: Double
        /// The median and the largest number of seconds.
        let medianSeconds, longestSeconds: Double
    }

    /// The kind of job that hangs until its first worker is killed; see `SoakWorker`.
    static let kind = "hang"

    /// The URL of the database.
    let url: String
    /// The number of workers to kill.
    let crashes: Int

    /// Kills `crashes` workers, one after the other, and returns the results.
    func run() throws -> Result {
        let connection = try Connection(url: url, applicationName: "ofa-bench")
        defer { connection.close() }
        let queue = JobQueue(connection)
        let ttl = WorkerOptions().ttlSeconds
        let victims = SoakPool(url: url, count: 1), heirs = SoakPool(url: url, count: 1)
        defer {
            victims.end()
            heirs.end()
        }
        var random = RandomStream(seed: 1)
        var values: [Double] = []
        for index in 1...crashes {
            try victims.fill()
            let run = try queue.enqueue(
                RunSpec(
                    name: "crash", definition: "", definitionHash: "\(index)",
                    stages: [StageSpec(name: "job", job: JobSpec(kind: Self.kind))]))
            guard let job = try queue.jobs(run: run).first?.id else {
                throw BenchError("the job of run \(run) is not there")
            }
            _ = try wait(seconds: 30, "start") { try queue.job(job).state == .running }
            // The second worker starts only now, while the job runs on the first. The kill comes at a random time
            // between two heartbeats.
            try heirs.fill()
            Thread.sleep(forTimeInterval: 1 + Double(random.uniform(in: 0...Float(ttl / 3))))
            try victims.kill(using: &random)
            values.append(
                try wait(seconds: 10 * ttl, "run again") { try queue.job(job).state == .completed })
            heirs.end()
            Output.note("crash \(index) of \(crashes): \(decimal(values[index - 1], 2)) s")
        }
        let statistics = Statistics(values)
        return Result(
            crashes: crashes, ttlSeconds: ttl, medianSeconds: statistics.median,
            longestSeconds: values.max() ?? 0)
    }

    /// Waits until `isSo` returns true and returns the seconds waited; throws after `seconds`.
    private func wait(
        seconds: Double, _ what: String, until isSo: () throws -> Bool
    ) throws -> Double {
        let begun = ContinuousClock.now
        while try !isSo() {
            guard ContinuousClock.now - begun < .seconds(seconds) else {
                throw BenchError("the job did not \(what) in \(decimal(seconds, 0)) s")
            }
            Thread.sleep(forTimeInterval: 0.01)
        }
        return (ContinuousClock.now - begun) / .seconds(1)
    }
}

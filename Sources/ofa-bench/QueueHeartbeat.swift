// QueueHeartbeat: measures the delay of a worker's heartbeats while its job trains on every core.
import Foundation
import Jobs
import Metering
import Networks
import Postgres
import Tensors

/// Measures the heartbeats of a worker whose only job trains for a while.
struct QueueHeartbeat {
    /// The result.
    struct Result: Codable, Equatable {
        /// Seconds and threads of the training.
        let seconds: Double
        let threads: Int
        /// The largest delay of a heartbeat in seconds. Heartbeats are due at intervals of a third of the lease.
        let latestSeconds: Double
        /// The allowed delay: a sixth of the lease.
        let allowedSeconds: Double
        /// The number of training passes in `seconds`.
        let passes: Int
    }

    /// The URL of the database.
    let url: String
    /// Seconds to train.
    let seconds: Double

    /// Runs the worker until its job has ended.
    func run() throws -> Result {
        let ttl = WorkerOptions().ttlSeconds
        let threads = MachineLimits.current().processors.value
        let seconds = seconds
        let train = BenchHandler { _ in
            let space = try SearchSpace.named("ofa-mbv3-w1.0")
            let arch = try ArchChoice.read(
                "mid", space: space, resolution: 128, count: 1, seed: 1)[0]
            let pass = try SubnetPass(
                space, arch.config, batch: 32, engine: try CPUEngine(threads: threads))
            let clock = ContinuousClock(), begun = clock.now
            var passes = 0
            while clock.now - begun < .seconds(seconds) {
                pass.run(.train)
                passes += 1
            }
            return JobOutput(result: "\(passes)")
        }
        let connection = try Connection(url: url, applicationName: "ofa-bench")
        defer { connection.close() }
        let queue = JobQueue(connection)
        let run = try queue.enqueue(
            RunSpec(
                name: "heartbeat", definition: "", definitionHash: "heartbeat",
                stages: [StageSpec(name: "train", job: JobSpec(kind: "train"))]))
        let worker = try Worker(
            databaseURL: url, registry: ["train": train],
            options: WorkerOptions(threads: threads, untilIdle: true, report: { Output.note($0) }))
        try worker.run()
        guard let passes = try queue.results(run: run, stage: "train").first.flatMap({ Int($0) })
        else { throw BenchError("the training job did not end") }
        return Result(
            seconds: seconds, threads: threads, latestSeconds: worker.latestBeatSeconds,
            allowedSeconds: ttl / 6, passes: passes)
    }
}

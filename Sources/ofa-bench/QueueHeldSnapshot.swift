// QueueHeldSnapshot: throughput while an old snapshot keeps every dead row, beside throughput without.
import Foundation
import Jobs
import Postgres
import Schema
import Synchronization

/// Two drains of the same length from a queue that is kept full.
struct QueueHeldSnapshot {
    /// What they found.
    struct Result: Codable, Equatable {
        /// Seconds of either drain.
        let seconds: Double
        /// Jobs a second without and with the snapshot, and with it in the last quarter of the time.
        let freePerS, heldPerS, heldLastQuarterPerS: Double
        /// With over without.
        let share: Double
    }

    /// The server.
    let server: QueueServer
    /// Seconds of either drain.
    let seconds: Double
    /// Workers, jobs claimed at once.
    let workers, batch: Int

    /// Runs both; two minutes without the snapshot say as much as ten.
    func run() throws -> Result {
        let free = try drain(held: false, seconds: min(seconds, 120))
        let held = try drain(held: true, seconds: seconds)
        return Result(
            seconds: seconds, freePerS: free.whole, heldPerS: held.whole,
            heldLastQuarterPerS: held.lastQuarter, share: held.whole / free.whole)
    }

    private func drain(
        held: Bool, seconds: Double
    ) throws -> (whole: Double, lastQuarter: Double) {
        let url = try server.database()
        let holder = try Connection(
            url: url, applicationName: "holder",
            limits: SessionLimits(statementTimeoutSeconds: 0, idleInTransactionTimeoutSeconds: 0))
        defer { holder.close() }
        let count = Atomic<Int>(0)
        let handler = BenchHandler { _ in
            count.add(1, ordering: .relaxed)
            return JobOutput()
        }
        if held {
            try holder.script("BEGIN ISOLATION LEVEL REPEATABLE READ", name: "BEGIN")
            _ = try holder.queryOne(.snapshotHold)
        }
        let crew = try BenchCrew(
            url, workers: workers, batch: batch, registry: ["noop": handler])
        let clock = ContinuousClock(), begun = clock.now
        let middle = try feed(url, count, crew, until: begun + .seconds(0.75 * seconds))
        let end = try feed(url, count, crew, until: begun + .seconds(seconds))
        try crew.end()
        guard end.jobs > middle.jobs, middle.jobs > 0 else {
            throw BenchError("the workers did nothing")
        }
        return (
            Double(end.jobs) / ((end.at - begun) / .seconds(1)),
            Double(end.jobs - middle.jobs) / ((end.at - middle.at) / .seconds(1))
        )
    }

    /// Keeps some tens of thousands of jobs waiting, in runs of 20,000; returns how many are done at the end.
    private func feed(
        _ url: String, _ done: borrowing Atomic<Int>, _ crew: BenchCrew,
        until end: ContinuousClock.Instant
    ) throws -> (jobs: Int, at: ContinuousClock.Instant) {
        let connection = try Connection(url: url, applicationName: "feeder")
        defer { connection.close() }
        let queue = JobQueue(connection)
        let size = 20_000
        // The queue itself says how many wait: this goes on where the last one ended.
        var enqueued =
            try queue.queues().reduce(0) { $0 + $1.available + $1.running }
            + done.load(ordering: .relaxed)
        while ContinuousClock.now < end {
            if let failure = crew.failure { throw BenchError(failure) }
            if enqueued - done.load(ordering: .relaxed) > 2 * size {
                Thread.sleep(forTimeInterval: 0.02)
                continue
            }
            _ = try queue.enqueue(
                RunSpec(
                    name: "feed", definition: "", definitionHash: UUID().uuidString,
                    stages: [
                        StageSpec(
                            name: "noop",
                            jobs: Array(repeating: JobSpec(kind: "noop"), count: size))
                    ]))
            enqueued += size
        }
        return (done.load(ordering: .relaxed), ContinuousClock.now)
    }
}

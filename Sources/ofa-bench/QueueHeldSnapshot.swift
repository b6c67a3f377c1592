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
        let clock = ContinuousClock(), batch = batch
        let count = Atomic<Int>(0), stop = Atomic<Bool>(false), failure = Mutex<String?>(nil)
        let handler = BenchHandler { _ in
            count.add(1, ordering: .relaxed)
            return JobOutput()
        }
        let all = try (1...workers).map { number in
            try Worker(
                databaseURL: url, registry: ["noop": handler],
                options: WorkerOptions(
                    prefetch: batch, name: "bench-\(number)", report: { Output.note($0) }))
        }
        let feeder = { @Sendable in
            do { try Self.feed(url, count, stop) } catch { failure.withLock { $0 = "\(error)" } }
        }
        if held {
            try holder.script("BEGIN ISOLATION LEVEL REPEATABLE READ", name: "BEGIN")
            _ = try holder.queryOne(.snapshotHold)
        }
        var whole = 0.0, lastQuarter = 0.0
        let timer = Thread {
            let begun = clock.now
            Thread.sleep(forTimeInterval: 0.75 * seconds)
            let (first, middle) = (count.load(ordering: .relaxed), clock.now)
            Thread.sleep(forTimeInterval: 0.25 * seconds)
            let (total, end) = (count.load(ordering: .relaxed), clock.now)
            Self.rates.withLock {
                $0 = (
                    Double(total) / ((end - begun) / .seconds(1)),
                    Double(total - first) / ((end - middle) / .seconds(1))
                )
            }
            stop.store(true, ordering: .relaxed)
            for worker in all { worker.requestDrain() }
        }
        timer.start()
        DispatchQueue.concurrentPerform(iterations: all.count + 1) { index in
            if index == all.count { return feeder() }
            do { try all[index].run() } catch { failure.withLock { $0 = "\(error)" } }
        }
        if let failure = failure.withLock({ $0 }) { throw BenchError(failure) }
        (whole, lastQuarter) = Self.rates.withLock { $0 }
        return (whole, lastQuarter)
    }

    private static let rates = Mutex<(Double, Double)>((0, 0))

    /// Keeps some tens of thousands of jobs waiting, in runs of 20,000.
    private static func feed(
        _ url: String, _ done: borrowing Atomic<Int>, _ stop: borrowing Atomic<Bool>
    ) throws {
        let connection = try Connection(url: url, applicationName: "feeder")
        defer { connection.close() }
        let queue = JobQueue(connection)
        let size = 20_000
        var enqueued = 0
        while !stop.load(ordering: .relaxed) {
            if enqueued - done.load(ordering: .relaxed) > 2 * size {
                Thread.sleep(forTimeInterval: 0.02)
                continue
            }
            _ = try queue.enqueue(
                RunSpec(
                    name: "feed", definition: "", definitionHash: "\(enqueued)",
                    stages: [
                        StageSpec(
                            name: "noop",
                            jobs: Array(repeating: JobSpec(kind: "noop"), count: size))
                    ]))
            enqueued += size
        }
    }
}

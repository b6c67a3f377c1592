// QueueHeldSnapshot: compares the throughput of the queue with and without an old snapshot of another transaction,
// which keeps every dead row from being vacuumed.
import Foundation
import Jobs
import Postgres
import Schema
import Synchronization

/// Measures the throughput of a queue that is kept full, without and with an old snapshot.
struct QueueHeldSnapshot {
    /// The result.
    struct Result: Codable, Equatable {
        /// Seconds of measurement with the snapshot; without the snapshot the measurement takes at most 120 seconds.
        let seconds: Double
        /// Jobs per second: without the snapshot, with the snapshot, and with the snapshot in the last quarter of the
        /// time.
        let freePerS, heldPerS, heldLastQuarterPerS: Double
        /// The throughput with the snapshot divided by the throughput without.
        let share: Double
    }

    /// The server.
    let server: QueueServer
    /// Seconds of measurement with the snapshot.
    let seconds: Double
    /// The number of workers, and of jobs per claim.
    let workers, batch: Int
    /// The number of jobs whose dead row versions are in the table when the measurement with the snapshot starts.
    let dead: Int

    /// Runs both measurements; the measurement without the snapshot takes at most two minutes.
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
            try fill(url)
        }
        let crew = try BenchCrew(
            url, workers: workers, batch: batch, registry: ["noop": handler])
        let clock = ContinuousClock(), begun = clock.now
        let (middle, end) = try feed(
            url, count, crew, mark: begun + .seconds(0.75 * seconds),
            until: begun + .seconds(seconds))
        try crew.end()
        guard end.jobs > middle.jobs, middle.jobs > 0 else {
            throw BenchError("the workers did nothing")
        }
        return (
            Double(end.jobs) / ((end.at - begun) / .seconds(1)),
            Double(end.jobs - middle.jobs) / ((end.at - middle.at) / .seconds(1))
        )
    }

    /// Creates dead row versions in table `ofa.live` like those that ended jobs leave: each row is inserted, updated
    /// and deleted.
    private func fill(_ url: String) throws {
        guard dead > 0 else { return }
        let connection = try Connection(
            url: url, applicationName: "filler",
            limits: SessionLimits(statementTimeoutSeconds: 0, idleInTransactionTimeoutSeconds: 0))
        defer { connection.close() }
        let step = 500_000
        try connection.script(
            "insert into ofa.lane (kind, queue, priority) values ('noop', 'default', 0)",
            name: "lane of the filled jobs")
        for start in stride(from: 0, to: dead, by: step) {
            let end = min(start + step, dead)
            try connection.script(
                """
                insert into ofa.live (job_id, month, run_id, group_id, account_id, lane_id, max_attempts, max_crashes, state)
                  select -i, ofa.month(now()), 1, 1, 1, lane.id, 3, 5, 'available' from ofa.lane,
                    generate_series(\(start + 1), \(end)) as i;
                update ofa.live set state = 'running', attempt = 1, token = 1, session_id = 0, started_at = now()
                  where job_id between -\(end) and -\(start + 1);
                delete from ofa.live where job_id between -\(end) and -\(start + 1);
                """, name: "fill")
        }
    }

    /// A time, and the number of jobs completed until then.
    private typealias Mark = (jobs: Int, at: ContinuousClock.Instant)

    /// Keeps tens of thousands of jobs in the queue until `end`, by enqueuing runs of 20,000 jobs. Returns how many
    /// jobs were completed at `mark` and at `end`.
    private func feed(
        _ url: String, _ done: borrowing Atomic<Int>, _ crew: BenchCrew,
        mark: ContinuousClock.Instant, until end: ContinuousClock.Instant
    ) throws -> (Mark, Mark) {
        let connection = try Connection(url: url, applicationName: "feeder")
        defer { connection.close() }
        let queue = JobQueue(connection)
        let size = 20_000
        var enqueued = 0
        var middle: Mark?
        while ContinuousClock.now < end {
            if let failure = crew.failure { throw BenchError(failure) }
            if middle == nil && ContinuousClock.now >= mark {
                middle = (done.load(ordering: .relaxed), ContinuousClock.now)
            }
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
        guard let middle else {
            throw BenchError("an enqueue took longer than a quarter of the time")
        }
        return (middle, (done.load(ordering: .relaxed), ContinuousClock.now))
    }
}

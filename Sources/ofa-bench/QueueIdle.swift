// QueueIdle: measures the load that idle workers, with eight slots each, put on the server, and the latency of a job
// start.
import Foundation
import Jobs
import Postgres
import Synchronization

/// Measures a fleet of idle workers. All run in this process, but each represents a process of its own.
struct QueueIdle {
    /// The result: connections per worker, rates per worker and second, and latencies of a job start in milliseconds.
    struct Result: Codable, Equatable {
        let processes, slots: Int
        let seconds, connectionsEach, roundTripsPerS, transactionIDsPerS: Double
        let waitMsMedian, waitMsMax: Double
    }

    /// The number of slots per worker.
    static let slots = 8

    /// The server, the number of workers, and the seconds of observation.
    let server: QueueServer
    let processes: Int
    let seconds: Double

    /// Observes the idle fleet, then enqueues jobs one at a time.
    func run() throws -> Result {
        let url = try server.database()
        let connection = try Connection(url: url, applicationName: "ofa-bench")
        defer { connection.close() }
        let queue = JobQueue(connection)
        let started = Mutex<ContinuousClock.Instant?>(nil), signal = DispatchSemaphore(value: 0)
        let crew = try BenchCrew(
            url, workers: processes, slots: Self.slots, batch: 100,
            registry: [
                "noop": BenchHandler { _ in
                    started.withLock { $0 = .now }
                    signal.signal()
                    return JobOutput()
                }
            ])
        while try connection.queryOne(.sessionsAlive).int("sessions") < processes {
            if let failure = crew.failure { throw BenchError(failure) }
            Thread.sleep(forTimeInterval: 0.05)
        }
        // After ten seconds the partitions of the history tables exist, and workers poll at their longest interval.
        Thread.sleep(forTimeInterval: 10)
        let before = try connection.queryOne(.fleetActivity)
        Thread.sleep(forTimeInterval: seconds)
        let after = try connection.queryOne(.fleetActivity)
        let share = 1 / (seconds * Double(processes))
        func rate(_ column: String) throws -> Double {
            Double(try after.int64(column) - before.int64(column)) * share
        }
        var waits: [Double] = []
        for number in 0..<20 {
            let begun = ContinuousClock.now
            _ = try queue.enqueue(
                RunSpec(
                    name: "idle", definition: "", definitionHash: "\(number)",
                    stages: [StageSpec(name: "a", job: JobSpec(kind: "noop"))]))
            signal.wait()
            guard let at = started.withLock({ $0 }) else { continue }
            waits.append((at - begun) / .milliseconds(1))
            Thread.sleep(forTimeInterval: 0.5)
        }
        try crew.end()
        return Result(
            processes: processes, slots: Self.slots, seconds: seconds,
            connectionsEach: Double(try after.int("connections")) / Double(processes),
            roundTripsPerS: try rate("transactions"), transactionIDsPerS: try rate("next_id"),
            waitMsMedian: Statistics(waits).median, waitMsMax: waits.max() ?? 0)
    }
}

// The metrics of one worker process.

import Accounting
import Foundation
import Jobs
import TestSupport
import Testing

@testable import Dashboard

@Suite struct WorkerMetricsTests {
    private struct Handler: JobHandler {
        let body: @Sendable (JobContext) throws -> JobOutput
        func run(_ context: JobContext) throws -> JobOutput { try body(context) }
    }

    private struct Fault: PermanentError, CustomStringConvertible {
        var description: String { "on purpose" }
    }

    private func worker(
        _ database: TemporaryDatabase, _ body: @escaping @Sendable (JobContext) throws -> JobOutput
    ) throws -> Worker {
        try Worker(
            databaseURL: database.url, registry: ["work": Handler(body: body)],
            options: WorkerOptions(slots: 2, untilIdle: true, report: { _ in }))
    }

    private func enqueue(_ database: TemporaryDatabase, _ jobs: Int) throws {
        _ = try JobQueue(try database.connect()).enqueue(
            RunSpec(
                name: "one", definition: "", definitionHash: "one",
                stages: [
                    StageSpec(
                        name: "only", jobs: Array(repeating: JobSpec(kind: "work"), count: jobs))
                ]))
    }

    @Test("a worker counts its claims and ends")
    func counts() throws {
        let database = try TemporaryDatabase()
        try enqueue(database, 5)
        let worker = try worker(database) { context in
            if context.lease.ordinal < 2 { throw Fault() }
            return JobOutput()
        }
        try worker.run()
        let reading = worker.reading
        #expect(reading.claims - (reading.ended[.unbegun] ?? 0) == 5)
        #expect(reading.ended[.completed] == 3 && reading.ended[.failed] == 2)
        #expect(reading.ended[.lost] == nil && reading.jobs.isEmpty && reading.busySlots == 0)
        #expect(reading.slots == 2)
    }

    @Test("an attempt whose lease was over before its end is lost")
    func lost() throws {
        let database = try TemporaryDatabase()
        try enqueue(database, 1)
        let worker = try worker(database) { context in
            if context.lease.attempt == 1, context.lease.crashes == 0 {
                // As if other workers had found the session dead.
                try database.connect().script(
                    """
                    update ofa.session set state = 'dead' where state = 'alive';
                    update ofa.live set token = nextval('ofa.lease_token') where state = 'running'
                    """)
                while !context.isCancelled { Thread.sleep(forTimeInterval: 0.01) }
            }
            return JobOutput()
        }
        Thread.detachNewThread {
            let deadline = ContinuousClock.now + .seconds(60)
            while worker.reading.ended[.lost] == nil, ContinuousClock.now < deadline {
                Thread.sleep(forTimeInterval: 0.02)
            }
            worker.requestDrain()
        }
        try worker.run()
        #expect(worker.reading.ended[.lost] == 1)
    }

    @Test("a running job's progress and images are told, and promtool accepts the text")
    func text() throws {
        var reading = WorkerReading()
        (reading.slots, reading.busySlots, reading.claims) = (2, 1, 7)
        reading.ended = [.completed: 5, .lost: 1]
        reading.heartbeatAgeSeconds = 0.25
        let lease = Lease(
            jobID: 3, token: 1, sessionUUID: "", kind: "train", runID: 9, groupID: 1,
            stage: "full \"x\"")
        reading.jobs = [WorkerReading.Job(lease: lease, fraction: 0.5, imagesPerSecond: 1000)]
        let text = WorkerMetrics.text(
            reading, AttemptMeter.Metered(), memoryBytes: 1 << 20, cpuNs: 1_500_000_000)
        let labels = #"{run="9",stage="full \"x\"",kind="train",job="3"}"#
        for line in [
            "ofa_worker_process_slots_busy 1", "ofa_worker_process_claims_total 7",
            "ofa_worker_process_attempts_total{outcome=\"lost\"} 1",
            "ofa_worker_process_images_per_second\(labels) 1000",
            "ofa_worker_process_job_progress_ratio\(labels) 0.5",
            "ofa_worker_process_resident_memory_bytes 1048576",
            "ofa_worker_process_cpu_seconds_total 1.5",
        ] {
            #expect(text.split(separator: "\n").contains(Substring(line)), "\(line)")
        }
        guard Promtool.isThere else { return }
        let (status, said) = try Promtool.run(["check", "metrics"], input: text)
        #expect(status == 0 && said.isEmpty, "\(said)")
    }
}

// Tests of crashes and what makes them good: a checkpoint that gets further, or an hour of work.
import Foundation
import Jobs
import Postgres
import TestSupport
import Testing

@Suite("Forgiveness")
struct ForgivenessTests {
    private static let crashes = Statement(
        name: "Crashes", sql: "select crashes from ofa.live where job_id = $1::bigint")

    private func crashes(_ fixture: QueueFixture, _ job: JobID) throws -> Int {
        try fixture.queue.connection.queryOne(Self.crashes, [.int(job)]).int("crashes")
    }

    @Test(
        "a training of three days that loses its worker twenty times, with checkpoints between, completes"
    )
    func threeDays() throws {
        let fixture = try QueueFixture(), queue = fixture.queue
        let run = try fixture.enqueueOne(JobSpec(kind: "work", maxCrashes: 2))
        var now = 0.0, lost = 0
        for loss in 0..<20 {
            let session = try queue.openSession(name: "w\(loss)", ttlSeconds: 10)
            let lease = try fixture.claimOne(session)
            #expect(lease.crashes <= 1 && lease.attempt == 1)
            for step in 1...3 {
                let seq = Int64(loss * 3 + step)
                #expect(
                    try queue.saveCheckpoint(lease, name: "state", seq: seq, payload: "{}")
                        == .done)
            }
            // Three days in all, and not an hour of it in one go.
            now += 3500
            try fixture.advance(to: now)
            lost += try queue.rescue()
        }
        #expect(lost == 20)
        let last = try fixture.claimOne(try queue.openSession(name: "last"))
        #expect(try queue.complete(last, result: "{}") == .done)
        #expect(try queue.run(run).state == .completed)
        try fixture.expectSound()
    }

    @Test("a checkpoint takes one crash back an attempt, and only when it gets further")
    func checkpoints() throws {
        let fixture = try QueueFixture(), queue = fixture.queue
        _ = try fixture.enqueueOne(JobSpec(kind: "work", maxCrashes: 9))
        let session = try queue.openSession(name: "w")
        func attempt(saving steps: [Int64]) throws -> Int {
            let lease = try fixture.claimOne(session)
            for step in steps {
                _ = try queue.saveCheckpoint(lease, name: "state", seq: step, payload: "{}")
            }
            _ = try queue.release(lease, reason: "x", crashed: true)
            return try crashes(fixture, lease.jobID)
        }
        #expect(try attempt(saving: []) == 1)
        #expect(try attempt(saving: []) == 2)
        #expect(try attempt(saving: [1, 2, 3]) == 2)
        // The same place again is no progress, nor is a step back.
        #expect(try attempt(saving: [3]) == 3)
        #expect(try attempt(saving: [2]) == 4)
        #expect(try attempt(saving: [4]) == 4)
    }

    @Test("every hour of work takes one crash back, whatever ends the attempt")
    func hours() throws {
        let fixture = try QueueFixture(), queue = fixture.queue
        _ = try fixture.enqueueOne(
            JobSpec(
                kind: "work", maxAttempts: 9, maxCrashes: 3, backoff: RetryPolicy(baseSeconds: 0)))
        let session = try queue.openSession(name: "w", ttlSeconds: 1e6)
        func attempt(hours: Double, _ end: (Lease) throws -> Void) throws -> Int {
            let lease = try fixture.claimOne(session)
            now += hours * 3600
            try fixture.advance(to: now)
            try end(lease)
            now += 1
            try fixture.advance(to: now)
            return try crashes(fixture, lease.jobID)
        }
        var now = 0.0
        let crash = { (lease: Lease) in _ = try queue.release(lease, reason: "x", crashed: true) }
        for expected in 1...3 { #expect(try attempt(hours: 0.9, crash) == expected) }
        #expect(try attempt(hours: 1.5) { _ = try queue.release($0, reason: "x") } == 2)
        #expect(try attempt(hours: 1) { _ = try queue.fail($0, error: "x") } == 1)
        #expect(try attempt(hours: 5, crash) == 1)
        try fixture.expectSound()
    }
}

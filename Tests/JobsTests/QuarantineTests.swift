// Tests of quarantine: a job that workers died on is claimed alone and before all others.
import Foundation
import Jobs
import TestSupport
import Testing

@Suite("Quarantine")
struct QuarantineTests {
    /// A queue of four jobs; a worker was lost on the third.
    private func suspect() throws -> (QueueFixture, Session) {
        let fixture = try QueueFixture()
        _ = try fixture.enqueueMany(4, JobSpec(kind: "work", maxCrashes: 1, threads: 1))
        let session = try fixture.queue.openSession(name: "w")
        let leases = try fixture.queue.claim(session, kinds: ["work"], limit: 3)
        _ = try fixture.queue.release(leases[2], reason: "x", crashed: true)
        for lease in leases[..<2] { _ = try fixture.queue.release(lease, reason: "x") }
        return (fixture, session)
    }

    @Test("a job that a worker died on is claimed first, and nothing with it")
    func alone() throws {
        let (fixture, session) = try suspect()
        #expect(try fixture.queue.queues().map(\.quarantined) == [1])
        let first = try fixture.queue.claim(session, kinds: ["work"], limit: 9)
        #expect(first.map(\.ordinal) == [2])
        #expect(first.map(\.crashes) == [1])
        let rest = try fixture.queue.claim(session, kinds: ["work"], limit: 9)
        #expect(rest.map(\.ordinal) == [3, 0, 1])
        // It counts its crashes, not its attempts, and the next crash is its last.
        #expect(first[0].attempt == 1)
        #expect(try fixture.queue.release(first[0], reason: "boom", crashed: true) == .done)
        #expect(try fixture.queue.job(first[0].jobID).state == .discarded)
        #expect(try fixture.queue.job(first[0].jobID).reason == "crashed too often: boom")
        try fixture.expectSound()
    }

    @Test("a worker that holds other jobs leaves it alone")
    func notAlone() throws {
        let (fixture, session) = try suspect()
        let request = ClaimRequest(kinds: ["work"], limit: 9, alone: false)
        #expect(try fixture.queue.claim(session, request).map(\.ordinal) == [3, 0, 1])
        #expect(try fixture.queue.claim(session, request).isEmpty)
        #expect(try fixture.queue.claim(session, kinds: ["work"]).map(\.ordinal) == [2])
    }

    @Test("a dead letter comes back with a clean record when it is retried")
    func redrive() throws {
        let (fixture, session) = try suspect()
        let lease = try fixture.claimOne(session)
        _ = try fixture.queue.release(lease, reason: "boom", crashed: true)
        try fixture.queue.retry(job: lease.jobID)
        let again = try fixture.queue.claim(session, kinds: ["work"], limit: 9)
        #expect(again.map(\.ordinal) == [3, 0, 1, 2])
        #expect(again.map(\.crashes) == [0, 0, 0, 0])
        try fixture.expectSound()
    }
}

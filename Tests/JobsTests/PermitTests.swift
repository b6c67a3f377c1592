// Tests of permits: so many jobs of a key at once, whatever happens to them.
import Foundation
import Postgres
import Schema
import Synchronization
import TestSupport
import Testing

@testable import Jobs

@Suite("Permits")
struct PermitTests {
    private let keyed = JobSpec(kind: "work", timeoutSeconds: 5, key: "gpu")

    @Test("a key that nobody set lets one job run at a time, and others pass it")
    func one() throws {
        let fixture = try QueueFixture()
        _ = try fixture.enqueue([
            StageSpec(
                name: "only", jobs: [keyed, keyed, JobSpec(kind: "work", priority: 9), keyed])
        ])
        let session = try fixture.queue.openSession(name: "w")
        let leases = try fixture.queue.claim(session, kinds: ["work"], limit: 10)
        #expect(leases.map(\.ordinal) == [0, 2])
        let other = try fixture.queue.openSession(name: "x")
        #expect(try fixture.queue.claim(other, kinds: ["work"], limit: 10).isEmpty)
        let held = PermitSummary(key: "gpu", slots: 1, held: 1, jobs: [leases[0].jobID])
        #expect(try fixture.queue.permits() == [held])
        try fixture.expectSound()
    }

    @Test(
        "a permit is free again when its attempt ends, however it ends",
        arguments: [
            "complete", "fail", "discard", "release", "crash", "cancel", "rescue", "overdue",
        ])
    func freed(end: String) throws {
        let fixture = try QueueFixture()
        _ = try fixture.enqueueMany(2, keyed)
        let session = try fixture.queue.openSession(name: "w")
        let lease = try fixture.claimOne(session)
        #expect(try fixture.queue.claim(session, kinds: ["work"]).isEmpty)
        let queue = fixture.queue
        switch end {
        case "complete": #expect(try queue.complete(lease, result: "{}") == .done)
        case "fail": #expect(try queue.fail(lease, error: "x") == .done)
        case "discard": #expect(try queue.fail(lease, error: "x", retry: false) == .done)
        case "release": #expect(try queue.release(lease, reason: "x") == .done)
        case "crash": #expect(try queue.release(lease, reason: "x", crashed: true) == .done)
        case "cancel":
            #expect(try queue.cancel(job: lease.jobID) == .requested)
            #expect(try queue.finishCancelled(lease) == .done)
        case "overdue":
            for seconds in [8.0, 16] {
                try fixture.advance(to: seconds)
                _ = try queue.beat(session)
            }
            #expect(try queue.rescue() == 1)
        default:
            try fixture.advance(to: 11)
            #expect(try queue.rescue() == 1)
        }
        #expect(try queue.permits().map(\.held) == [0])
        let next = try fixture.claimOne(try queue.openSession(name: "x"))
        #expect(try queue.permits().map(\.jobs) == [[next.jobID]])
        // Whoever comes late does not free what is somebody else's by now.
        _ = try queue.complete(lease, result: "{}")
        #expect(try queue.permits().map(\.jobs) == [[next.jobID]])
        try fixture.expectSound()
    }

    @Test("lowering a limit lets those that run go on and starts no more; raising starts more")
    func limits() throws {
        let fixture = try QueueFixture()
        try fixture.queue.setPermits(key: "gpu", slots: 3)
        _ = try fixture.enqueueMany(8, keyed)
        let session = try fixture.queue.openSession(name: "w")
        func claim() throws -> [Lease] {
            try fixture.queue.claim(session, kinds: ["work"], limit: 10)
        }
        let three = try claim()
        #expect(three.count == 3)
        try fixture.queue.setPermits(key: "gpu", slots: 1)
        #expect(try fixture.queue.permits().map(\.held) == [3])
        for lease in three[..<2] {
            _ = try fixture.queue.complete(lease, result: "{}")
            #expect(try claim().isEmpty)
            try fixture.expectSound()
        }
        _ = try fixture.queue.complete(three[2], result: "{}")
        let one = try claim()
        #expect(one.count == 1)
        try fixture.queue.setPermits(key: "gpu", slots: 2)
        #expect(try claim().count == 1)
        try fixture.queue.setPermits(key: "gpu", slots: 0)
        _ = try fixture.queue.complete(one[0], result: "{}")
        #expect(try claim().isEmpty)
        try fixture.queue.setPermits(key: "gpu", slots: 2)
        #expect(try claim().count == 1)
        try fixture.expectSound()
    }

    @Test("a limit that is lowered while an attempt ends holds for the next claim")
    func loweredMeanwhile() throws {
        let fixture = try QueueFixture()
        try fixture.queue.setPermits(key: "gpu", slots: 2)
        _ = try fixture.enqueueMany(3, keyed)
        let session = try fixture.queue.openSession(name: "w")
        let leases = try fixture.queue.claim(session, kinds: ["work"], limit: 2)
        let other = try fixture.another()
        let end = JobQueue.request(
            ending: [Ending(leases[1], .completed(result: "{}"))], session: session.uuid)
        try fixture.queue.connection.transaction { connection in
            _ = try connection.query(end)
            try other.setPermits(key: "gpu", slots: 1)
        }
        #expect(try fixture.queue.claim(session, kinds: ["work"]).isEmpty)
        try fixture.expectSound()
        _ = try fixture.queue.complete(leases[0], result: "{}")
        #expect(try fixture.queue.claim(session, kinds: ["work"]).count == 1)
    }

    @Test("limits are names with 0 to 100,000 permits")
    func refused() throws {
        let fixture = try QueueFixture()
        for (key, slots) in [("", 1), ("gpu", -1), ("gpu", 100_001)] {
            let error = #expect(throws: JobsError.self) {
                try fixture.queue.setPermits(key: key, slots: slots)
            }
            #expect(error?.code == (key.isEmpty ? .invalidText : .wrongState))
        }
    }

    @Test("four connections at a key of one permit never run two jobs at once")
    func concurrent() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueMany(60, keyed)
        let holders = Mutex(0)
        let failures = Mutex<[String]>([])
        let database = fixture.database
        DispatchQueue.concurrentPerform(iterations: 4) { index in
            do {
                let queue = JobQueue(try database.connect())
                let session = try queue.openSession(name: "w\(index)", ttlSeconds: 300)
                while try queue.hasJobsInSight(run: run, kinds: ["work"]) {
                    for lease in try queue.claim(session, kinds: ["work"], limit: 3) {
                        let count = holders.withLock {
                            $0 += 1
                            return $0
                        }
                        if count > 1 { failures.withLock { $0.append("\(count) at once") } }
                        holders.withLock { $0 -= 1 }
                        let isOdd = lease.ordinal % 2 == 1 && lease.crashes == 0
                        _ =
                            try isOdd
                            ? queue.release(lease, reason: "x", crashed: true)
                            : queue.complete(lease, result: "{}")
                    }
                }
            } catch { failures.withLock { $0.append("\(error)") } }
        }
        #expect(failures.withLock { $0 } == [])
        #expect(try fixture.queue.run(run).state == .completed)
        try fixture.expectSound()
    }

    @Test("a limit that is raised again while an attempt beyond it ends counts in full")
    func raisedMeanwhile() throws {
        let fixture = try QueueFixture()
        try fixture.queue.setPermits(key: "gpu", slots: 3)
        _ = try fixture.enqueueMany(6, keyed)
        let session = try fixture.queue.openSession(name: "w")
        let leases = try fixture.queue.claim(session, kinds: ["work"], limit: 3)
        try fixture.queue.setPermits(key: "gpu", slots: 2)
        let other = try fixture.another()
        try other.connection.transaction { connection in
            try connection.execute(.permitSet(key: "gpu", slots: 3))
            for lease in leases { _ = try fixture.queue.complete(lease, result: "{}") }
        }
        #expect(try fixture.queue.claim(session, kinds: ["work"], limit: 9).count == 3)
        try fixture.expectSound()
    }
}

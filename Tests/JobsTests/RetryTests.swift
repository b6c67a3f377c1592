// Tests of RetryPolicy, of failing attempts and of crashes: attempts and crashes are counted apart.
import Foundation
import Jobs
import Postgres
import TestSupport
import Testing

@Suite("Retry and rescue")
struct RetryTests {
    /// The same numbers every time; SplitMix64 (https://prng.di.unimi.it/splitmix64.c).
    struct FixedNumbers: RandomNumberGenerator {
        var state: UInt64 = 1
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }

    @Test("pauses grow by the factor up to the longest, and stray within the jitter")
    func policy() {
        let policy = RetryPolicy(baseSeconds: 2, factor: 3, maxSeconds: 40, jitter: 0.25)
        var random = FixedNumbers()
        for (attempt, plain) in [(1, 2.0), (2, 6.0), (3, 18.0), (4, 40.0), (5000, 40.0)] {
            for _ in 0..<50 {
                let delay = policy.delaySeconds(afterAttempt: attempt, using: &random)
                #expect(delay >= plain * 0.75 && delay <= plain * 1.25)
            }
        }
    }

    @Test("a failed job waits out its pause, then runs again, until its attempts are used up")
    func backoff() throws {
        let fixture = try QueueFixture()
        let backoff = RetryPolicy(baseSeconds: 100, factor: 2, maxSeconds: 1000, jitter: 0)
        let run = try fixture.enqueueOne(JobSpec(kind: "work", maxAttempts: 3, backoff: backoff))
        var session = try fixture.queue.openSession(name: "w", ttlSeconds: 1)
        var now = 0.0
        for (attempt, pause) in [(1, 100.0), (2, 200.0)] {
            let lease = try fixture.claimOne(session)
            #expect(lease.attempt == attempt)
            #expect(try fixture.queue.fail(lease, error: "broken \(attempt)") == .done)
            let details = try fixture.queue.job(lease.jobID)
            #expect(details.state == .retryable)
            let due = try #require(details.dueAt).timeIntervalSinceNow - now
            #expect(due > pause - 30 && due <= pause)
            try fixture.advance(to: now + pause - 30)
            session = try fixture.queue.openSession(name: "w", ttlSeconds: 1)
            #expect(try fixture.queue.claim(session, kinds: ["work"]).isEmpty)
            now += pause + 1
            try fixture.advance(to: now)
            session = try fixture.queue.openSession(name: "w", ttlSeconds: 1)
        }
        _ = try fixture.queue.fail(try fixture.claimOne(session), error: "broken 3")
        let status = try fixture.queue.runStatus(run)
        #expect(status.run.state == .failed)
        #expect(status.stages[0].problem == "broken 3")
        #expect(status.stages[0].failures == 3)
        try fixture.expectSound()
    }

    @Test(
        "the jobs of a silent worker are free after its term, not before, and keep their attempts")
    func rescue() throws {
        let fixture = try QueueFixture()
        _ = try fixture.enqueueOne()
        let lease = try fixture.claimOne(try fixture.queue.openSession(name: "w", ttlSeconds: 10))
        try fixture.advance(to: 9)
        #expect(try fixture.queue.rescue() == 0)
        // One second more than the term: what is promised from a crash to the next run.
        try fixture.advance(to: 11)
        #expect(try fixture.queue.rescue() == 1)
        let details = try fixture.queue.job(lease.jobID)
        #expect(details.state == .available)
        #expect(details.crashes == 1)
        let again = try fixture.claimOne(try fixture.queue.openSession(name: "x"))
        #expect(again.attempt == 1)
        #expect(again.crashes == 1)
        #expect(try fixture.queue.attempts(of: lease.jobID).map(\.outcome) == [.lost, nil])
        try fixture.expectSound()
    }

    @Test("a worker that beats keeps its job, however long it takes")
    func beating() throws {
        let fixture = try QueueFixture()
        _ = try fixture.enqueueOne()
        let session = try fixture.queue.openSession(name: "w", ttlSeconds: 10)
        let lease = try fixture.claimOne(session)
        for seconds in stride(from: 8.0, through: 80, by: 8) {
            try fixture.advance(to: seconds)
            #expect(try fixture.queue.beat(session, holding: [lease])?.held == [lease.token])
            #expect(try fixture.queue.rescue() == 0)
        }
        #expect(try fixture.queue.complete(lease, result: "{}") == .done)
    }

    @Test("a rescued session hears that it is over")
    func overSession() throws {
        let fixture = try QueueFixture()
        let session = try fixture.queue.openSession(name: "w", ttlSeconds: 1)
        try fixture.advance(to: 2)
        try fixture.queue.rescue()
        #expect(try fixture.queue.beat(session) == nil)
    }

    @Test("a job that kills worker after worker is discarded with its history")
    func poison() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueOne(JobSpec(kind: "work", maxCrashes: 2))
        var now = 0.0
        var job: JobID = 0
        for _ in 0..<3 {
            job = try fixture.claimOne(try fixture.queue.openSession(name: "victim", ttlSeconds: 1))
                .jobID
            now += 2
            try fixture.advance(to: now)
            #expect(try fixture.queue.rescue() == 1)
        }
        let details = try fixture.queue.job(job)
        #expect(details.state == .discarded)
        #expect(details.reason == "3 workers were lost while working on it")
        #expect(try fixture.queue.attempts(of: job).map(\.outcome) == [.lost, .lost, .lost])
        #expect(try fixture.queue.run(run).state == .failed)
        try fixture.expectSound()
    }

    @Test("a rescuer that comes while a completion is being written leaves the job alone")
    func rescueAgainstCompletion() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueOne()
        let lease = try fixture.claimOne(try fixture.queue.openSession(name: "w", ttlSeconds: 10))
        let rescuer = try fixture.another()
        try fixture.advance(rescuer, to: 11)
        let answer = try fixture.queue.complete(lease, result: "{}") { _ in
            let freed = try rescuer.rescue()
            #expect(freed == 0)
        }
        #expect(answer == .done)
        #expect(try rescuer.rescue() == 0)
        #expect(try fixture.queue.run(run).state == .completed)
        try fixture.expectSound()
    }
}

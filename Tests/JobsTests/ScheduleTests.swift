// Tests of time: scheduled jobs, recurring runs, and work that beats but gets no further.
import Foundation
import Jobs
import TestSupport
import Testing

@Suite("Schedules and stalls")
struct ScheduleTests {
    // MARK: Scheduled jobs

    @Test("a job with a delay is scheduled and starts when its time has come, not before")
    func delay() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueOne(JobSpec(kind: "work", delaySeconds: 500))
        #expect(try fixture.states(run) == ["only": "scheduled"])
        #expect(try fixture.queue.runStatus(run).stages.map(\.state) == [.scheduled])
        #expect(try fixture.queue.hasJobsInSight(run: run, kinds: ["work"]))
        var session = try fixture.queue.openSession(name: "w")
        #expect(try fixture.queue.claim(session, kinds: ["work"]).isEmpty)
        try fixture.advance(to: 400)
        try fixture.queue.housekeep()
        #expect(try fixture.states(run) == ["only": "scheduled"])
        try fixture.advance(to: 501)
        session = try fixture.queue.openSession(name: "w")
        try fixture.finish(session, [true])
        #expect(try fixture.queue.run(run).state == .completed)
        try fixture.expectSound()
    }

    @Test("a delay counts from when the job is enqueued: one that waited longer starts at once")
    func delayOfBlocked() throws {
        let fixture = try QueueFixture()
        let delayed = JobSpec(kind: "work", delaySeconds: 500)
        let run = try fixture.enqueue([
            StageSpec(name: "a", job: JobSpec(kind: "work")),
            StageSpec(name: "b", job: delayed, needs: ["a"]),
            StageSpec(name: "c", job: delayed, needs: ["b"]),
        ])
        var session = try fixture.queue.openSession(name: "w")
        try fixture.finish(session, [true])
        #expect(try fixture.states(run)["b"] == "scheduled")
        try fixture.advance(to: 501)
        try fixture.queue.housekeep()
        session = try fixture.queue.openSession(name: "w")
        try fixture.finish(session, [true])
        #expect(try fixture.states(run)["c"] == "available")
        try fixture.expectSound()
    }

    @Test("a scheduled job is cancelled at once, and a retry keeps what is left of its delay")
    func cancelScheduled() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueOne(JobSpec(kind: "work", delaySeconds: 500))
        let job = try fixture.queue.jobs(run: run)[0].id
        #expect(try fixture.queue.cancel(job: job) == .cancelled)
        try fixture.queue.retry(job: job)
        #expect(try fixture.queue.job(job).state == .scheduled)
        #expect(try fixture.queue.cancel(job: job) == .cancelled)
        try fixture.advance(to: 501)
        try fixture.queue.retry(job: job)
        #expect(try fixture.queue.job(job).state == .available)
        try fixture.expectSound()
    }

    @Test("jobs whose time came together start in the order of their times")
    func order() throws {
        let fixture = try QueueFixture()
        let delays = [300.0, 100, 200, 100]
        let run = try fixture.enqueue([
            StageSpec(
                name: "only", jobs: delays.map { JobSpec(kind: "work", delaySeconds: $0) })
        ])
        try fixture.advance(to: 400)
        let session = try fixture.queue.openSession(name: "w")
        let leases = try fixture.queue.claim(session, kinds: ["work"], run: run, limit: 9)
        #expect(leases.map(\.ordinal) == [1, 3, 2, 0])
    }

    // MARK: Recurring runs

    private func recurringSpec(_ name: String = "nightly") -> RunSpec {
        RunSpec(
            name: name, definition: "", definitionHash: name,
            stages: [StageSpec(name: "only", job: JobSpec(kind: "work"))])
    }

    @Test("a recurring run is enqueued each time; times that were missed are left out")
    func recurring() throws {
        let fixture = try QueueFixture()
        try fixture.queue.recur(recurringSpec(), everySeconds: 1000)
        let session = try fixture.queue.openSession(name: "w", ttlSeconds: 100_000)
        let start = try #require(try fixture.queue.recurring().first).nextAt
        try fixture.queue.housekeep()
        #expect(try fixture.queue.runs().count == 1)
        try fixture.finish(session, [true])
        try fixture.queue.housekeep()
        #expect(try fixture.queue.runs().count == 1)
        // Three times pass with nobody there: one run, and the next time is one of the old row.
        try fixture.advance(to: 3500)
        try fixture.queue.housekeep()
        try fixture.queue.housekeep()
        #expect(try fixture.queue.runs().count == 2)
        let plan = try #require(try fixture.queue.recurring().first)
        #expect(plan.nextAt == start.addingTimeInterval(4000))
        #expect(plan.lastRun == (try fixture.queue.runs()[0].id))
        #expect(plan.everySeconds == 1000)
        try fixture.expectSound()
    }

    @Test(
        "a recurring run whose last one is unfinished is left out, and which that was stays known")
    func recurringUnfinished() throws {
        let fixture = try QueueFixture()
        try fixture.queue.recur(recurringSpec(), everySeconds: 1000)
        try fixture.queue.housekeep()
        let first = try fixture.queue.runs()[0].id
        try fixture.advance(to: 1001)
        try fixture.queue.housekeep()
        #expect(try fixture.queue.runs().map(\.id) == [first])
        #expect(try fixture.queue.recurring().map(\.lastRun) == [first])
        try fixture.finish(try fixture.queue.openSession(name: "w"), [true])
        try fixture.queue.housekeep()
        #expect(try fixture.queue.runs().count == 1)
        try fixture.advance(to: 2001)
        try fixture.queue.housekeep()
        #expect(try fixture.queue.runs().count == 2)
        #expect(try fixture.queue.recurring().map(\.lastRun) == [try fixture.queue.runs()[0].id])
    }

    @Test("a recurring run begins at its time, and ends when it is stopped")
    func recurringStart() throws {
        let fixture = try QueueFixture()
        try fixture.queue.recur(
            recurringSpec(), everySeconds: 1000, startingAt: Date(timeIntervalSinceNow: 500))
        try fixture.queue.housekeep()
        #expect(try fixture.queue.runs().isEmpty)
        try fixture.advance(to: 600)
        try fixture.queue.housekeep()
        #expect(try fixture.queue.runs().count == 1)
        try fixture.queue.stopRecurring("nightly")
        #expect(throws: JobsError.self) { try fixture.queue.stopRecurring("nightly") }
        #expect(throws: JobsError.self) {
            try fixture.queue.recur(recurringSpec(), everySeconds: 0.5)
        }
        #expect(try fixture.queue.recurring().isEmpty)
    }

    // MARK: Stalls

    @Test("progress pushes the stall limit; without it the beat says that the job stands still")
    func stall() throws {
        let fixture = try QueueFixture()
        _ = try fixture.enqueueOne(JobSpec(kind: "work", stallSeconds: 100))
        let session = try fixture.queue.openSession(name: "w", ttlSeconds: 1000)
        let lease = try fixture.claimOne(session)
        func stalled() throws -> Set<Int64>? {
            try fixture.queue.beat(session, holding: [lease])?.stalled
        }
        try fixture.advance(to: 90)
        #expect(try stalled() == [])
        try fixture.queue.progress(lease, fraction: 0.5, message: "half")
        try fixture.advance(to: 180)
        #expect(try stalled() == [])
        // The same words again are no progress.
        try fixture.queue.progress(lease, fraction: 0.5, message: "half")
        try fixture.advance(to: 195)
        #expect(try stalled() == [lease.token])
        #expect(try fixture.queue.beat(session, holding: [lease])?.overdue == [])
        try fixture.queue.progress(lease, fraction: 0.6, message: "half")
        #expect(try stalled() == [])
        #expect(try fixture.queue.complete(lease, result: "{}") == .done)
        try fixture.expectSound()
    }

    @Test(
        "a worker that beats but does not stop loses its job a term after the limit; its late writes are fenced",
        arguments: [true, false])
    func takeover(isStall: Bool) throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueOne(
            JobSpec(
                kind: "work", maxAttempts: 2, timeoutSeconds: isStall ? nil : 100,
                stallSeconds: isStall ? 100 : nil,
                backoff: RetryPolicy(baseSeconds: 10, factor: 1, jitter: 0)))
        let session = try fixture.queue.openSession(name: "deaf", ttlSeconds: 50)
        let lease = try fixture.claimOne(session)
        for seconds in [40.0, 80, 120, 149] {
            try fixture.advance(to: seconds)
            #expect(try fixture.queue.beat(session, holding: [lease])?.held == [lease.token])
            #expect(try fixture.queue.rescue() == 0)
        }
        try fixture.advance(to: 160)
        #expect(try fixture.queue.rescue() == 1)
        let job = try fixture.queue.job(lease.jobID)
        #expect(job.state == .retryable)
        #expect(job.crashes == 0)
        let why = isStall ? "made no progress for longer than its limit" : "ran over its time limit"
        #expect(
            try fixture.queue.attempts(of: lease.jobID).map(\.error)
                == ["\(why), and worker deaf did not stop"])
        #expect(try fixture.queue.beat(session, holding: [lease])?.held == [])
        let fanOut = FanOut(children: [JobSpec(kind: "work")])
        #expect(try fixture.queue.complete(lease, result: "1", fanOut: fanOut) == .fenced)
        #expect(try fixture.queue.release(lease, reason: "late") == .fenced)
        #expect(try fixture.queue.saveCheckpoint(lease, name: "s", seq: 1, payload: "1") == .fenced)
        try fixture.advance(to: 171)
        let heir = try fixture.queue.openSession(name: "heir", ttlSeconds: 50)
        let again = try fixture.claimOne(heir)
        #expect(again.attempt == 2)
        #expect(try fixture.queue.complete(lease, result: "1") == .fenced)
        #expect(try fixture.queue.complete(again, result: "2") == .done)
        #expect(try fixture.queue.results(run: run, stage: "only") == ["2"])
        try fixture.expectSound()
    }

    @Test("a recurring run whose description cannot be read is named, and stops nobody else's")
    func unreadable() throws {
        let fixture = try QueueFixture()
        for name in ["broken", "sound"] {
            let stage = StageSpec(name: "only", job: JobSpec(kind: "work"))
            try fixture.queue.recur(
                RunSpec(name: name, definition: "", definitionHash: name, stages: [stage]),
                everySeconds: 100)
        }
        try fixture.queue.connection.script(
            "UPDATE ofa.recurring SET spec = '{}' WHERE name = 'broken'")
        let error = #expect(throws: JobsError.self) { try fixture.queue.housekeep() }
        #expect(error?.message.contains("broken") == true)
        #expect(try fixture.queue.runs().map(\.name) == ["sound"])
        // Its turn comes again after its time, not before.
        try fixture.queue.housekeep()
    }
}

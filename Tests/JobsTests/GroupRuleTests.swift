// Tests of group rules (all ok, all done, quorum), of what a bad end means to those that wait, and of
// retries in groups of each rule: ofa.fire, ofa.end_waiting, GroupReopen.
import Foundation
import Jobs
import TestSupport
import Testing

@Suite("Group rules")
struct GroupRuleTests {
    private let job = JobSpec(kind: "work")

    /// Stage `a` of some jobs under a rule, and `b` that needs it.
    private func twoStages(
        _ fixture: QueueFixture, jobs: Int, rule: GroupRule, onBad: OnBad = .cancel
    ) throws -> RunID {
        try fixture.enqueue([
            StageSpec(name: "a", jobs: Array(repeating: job, count: jobs), rule: rule),
            StageSpec(name: "b", job: job, needs: ["a"], onBad: ["a": onBad]),
        ])
    }

    /// Leases the planner of a run and lets it fan out.
    private func fanOut(_ fixture: QueueFixture, _ session: Session, _ fanOut: FanOut) throws {
        let planner = try fixture.claimOne(session)
        #expect(try fixture.queue.complete(planner, result: "0", fanOut: fanOut) == .done)
    }

    // MARK: Rules

    @Test("all done: the stage ends well whatever became of its jobs")
    func allDone() throws {
        let fixture = try QueueFixture()
        let run = try twoStages(fixture, jobs: 3, rule: .allDone)
        let session = try fixture.queue.openSession(name: "w")
        try fixture.finish(session, [true, false])
        #expect(try fixture.states(run)["b"] == "blocked")
        let last = try #require(try fixture.queue.jobs(run: run, state: .available).first)
        #expect(try fixture.queue.cancel(job: last.id) == .cancelled)
        #expect(try fixture.states(run)["b"] == "available")
        try fixture.expectSound()
        try fixture.finish(session, [true])
        #expect(try fixture.queue.run(run).state == .completed)
        try fixture.expectSound()
    }

    @Test("all ok: one bad job does not end the stage before the others have ended")
    func allOk() throws {
        let fixture = try QueueFixture()
        let run = try twoStages(fixture, jobs: 2, rule: .allOk)
        let session = try fixture.queue.openSession(name: "w")
        try fixture.finish(session, [false])
        #expect(try fixture.states(run)["b"] == "blocked")
        try fixture.finish(session, [true])
        #expect(try fixture.states(run)["b"] == "cancelled")
        #expect(try fixture.queue.run(run).state == .failed)
        try fixture.expectSound()
    }

    @Test(
        "quorum: the stage fires with the job that fills it, once, and the run waits for the rest")
    func quorumEarly() throws {
        let fixture = try QueueFixture()
        let run = try twoStages(fixture, jobs: 4, rule: .quorum(2))
        let session = try fixture.queue.openSession(name: "w")
        let leases = try fixture.queue.claim(session, kinds: ["work"], limit: 4)
        _ = try fixture.queue.complete(leases[0], result: "{}")
        #expect(try fixture.states(run)["b"] == "blocked")
        _ = try fixture.queue.complete(leases[1], result: "{}")
        #expect(try fixture.states(run)["b"] == "available")
        try fixture.expectSound()
        try fixture.finish(session, [true])
        #expect(try fixture.queue.run(run).state == .running)
        _ = try fixture.queue.fail(leases[2], error: "x", retry: false)
        _ = try fixture.queue.complete(leases[3], result: "{}")
        #expect(try fixture.queue.run(run).state == .completed)
        #expect(try fixture.queue.claim(session, kinds: ["work"]).isEmpty)
        try fixture.expectSound()
    }

    @Test("quorum: bad only when all have ended before it was filled")
    func quorumMissed() throws {
        let fixture = try QueueFixture()
        let run = try twoStages(fixture, jobs: 3, rule: .quorum(2))
        let session = try fixture.queue.openSession(name: "w")
        try fixture.finish(session, [false, false])
        #expect(try fixture.states(run)["b"] == "blocked")
        try fixture.finish(session, [true])
        #expect(try fixture.states(run)["b"] == "cancelled")
        #expect(try fixture.queue.run(run).state == .failed)
        try fixture.expectSound()
    }

    @Test("a quorum that cannot be reached ends badly, and a retry does not leave its run waiting")
    func quorumUnreachable() throws {
        let fixture = try QueueFixture()
        let run = try twoStages(fixture, jobs: 2, rule: .quorum(3))
        let session = try fixture.queue.openSession(name: "w")
        try fixture.finish(session, [true, true])
        #expect(try fixture.states(run)["b"] == "cancelled")
        #expect(try fixture.queue.run(run).state == .failed)
        #expect(try fixture.queue.retry(run: run) == 0)
        #expect(try fixture.states(run)["b"] == "cancelled")
        #expect(try fixture.queue.run(run).state == .failed)
        try fixture.expectSound()
    }

    @Test("children of a stage count for its quorum")
    func quorumOfChildren() throws {
        let fixture = try QueueFixture()
        let run = try twoStages(fixture, jobs: 1, rule: .quorum(3))
        let session = try fixture.queue.openSession(name: "w")
        try fanOut(fixture, session, FanOut(children: [job, job, job]))
        try fixture.finish(session, [true])
        #expect(try fixture.states(run)["b"] == "blocked")
        try fixture.finish(session, [true])
        #expect(try fixture.queue.jobs(run: run).first { $0.stage == "b" }?.state == .available)
        try fixture.expectSound()
    }

    // MARK: Stage edges

    @Test(
        "a bad end of a stage cancels, frees or blocks the stage after it, as its edge says",
        arguments: zip(OnBad.allCases, ["cancelled", "available", "blocked"]))
    func edge(onBad: OnBad, state: String) throws {
        let fixture = try QueueFixture()
        let run = try twoStages(fixture, jobs: 1, rule: .allOk, onBad: onBad)
        let session = try fixture.queue.openSession(name: "w")
        let lease = try fixture.claimOne(session)
        _ = try fixture.queue.fail(lease, error: "x", retry: false)
        #expect(try fixture.states(run) == ["a": "discarded", "b": state])
        #expect(try fixture.queue.run(run).state == (onBad == .cancel ? .failed : .running))
        try fixture.expectSound()

        // A stage that was told is not told twice: `b` runs once, whatever becomes of the retry.
        if onBad == .run { try fixture.finish(session, [true]) }
        try fixture.queue.retry(job: lease.jobID)
        try fixture.expectSound()
        try fixture.finish(session, onBad == .run ? [true] : [true, true])
        #expect(try fixture.queue.claim(session, kinds: ["work"]).isEmpty)
        #expect(try fixture.queue.run(run).state == .completed)
        #expect(try fixture.queue.jobs(run: run).map(\.attempts) == [2, 1])
        try fixture.expectSound()
    }

    @Test("a stage that is blocked by a bad end can be cancelled by hand, and then the run ends")
    func blockedByHand() throws {
        let fixture = try QueueFixture()
        let run = try twoStages(fixture, jobs: 1, rule: .allOk, onBad: .block)
        try fixture.finish(try fixture.queue.openSession(name: "w"), [false])
        let waiting = try #require(try fixture.queue.jobs(run: run, state: .blocked).first)
        #expect(try fixture.queue.cancel(job: waiting.id) == .cancelled)
        #expect(try fixture.queue.run(run).state == .failed)
        try fixture.expectSound()
    }

    @Test("a stage with two needs runs when one ended badly and only that one's edge says run")
    func mixedEdges() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueue([
            StageSpec(name: "a", job: job), StageSpec(name: "b", job: job),
            StageSpec(name: "c", job: job, needs: ["a", "b"], onBad: ["a": .run]),
        ])
        let session = try fixture.queue.openSession(name: "w")
        let leases = try fixture.queue.claim(session, kinds: ["work"], limit: 2)
        _ = try fixture.queue.fail(leases[0], error: "x", retry: false)
        #expect(try fixture.states(run)["c"] == "blocked")
        // The retry of `a` takes its bad end back, not what `c` was told.
        try fixture.queue.retry(job: leases[0].jobID)
        try fixture.expectSound()
        _ = try fixture.queue.complete(leases[1], result: "{}")
        #expect(try fixture.states(run)["c"] == "available")
        try fixture.finish(session, [true, false])
        #expect(try fixture.queue.run(run).state == .failed)
        try fixture.expectSound()
    }

    // MARK: The job after a fan-out

    @Test(
        "a bad end of the children cancels, frees or blocks the job after them, as the fan-out says",
        arguments: zip(OnBad.allCases, [JobState.cancelled, .available, .blocked]))
    func afterFanOut(onBad: OnBad, state: JobState) throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueOne()
        let session = try fixture.queue.openSession(name: "w")
        try fanOut(fixture, session, FanOut(children: [job], then: job, onBad: onBad))
        let child = try fixture.claimOne(session)
        _ = try fixture.queue.fail(child, error: "x", retry: false)
        func then() throws -> JobDetails {
            try #require(try fixture.queue.jobs(run: run).max { $0.id < $1.id })
        }
        #expect(try then().state == state)
        try fixture.expectSound()

        // Tried again while the job after them has not begun; it still runs once.
        try fixture.queue.retry(job: child.jobID)
        #expect(try then().state == (onBad == .run ? .available : .blocked))
        try fixture.expectSound()
        try fixture.finish(session, [true, true])
        #expect(try fixture.queue.claim(session, kinds: ["work"]).isEmpty)
        #expect(try then().state == .completed)
        #expect(try then().attempts == 1)
        #expect(try fixture.queue.run(run).state == .completed)
        try fixture.expectSound()
    }

    @Test("the job after a fan-out starts as soon as the children's quorum is filled, once")
    func afterQuorum() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueChain(["a", "b"])
        let session = try fixture.queue.openSession(name: "w")
        try fanOut(
            fixture, session,
            FanOut(children: Array(repeating: job, count: 3), then: job, rule: .quorum(1)))
        let children = try fixture.queue.claim(session, kinds: ["work"], limit: 9)
        #expect(children.count == 3)
        _ = try fixture.queue.complete(children[1], result: "1")
        let then = try fixture.claimOne(session)
        #expect(try fixture.queue.childResults(of: then.jobID) == ["1"])
        _ = try fixture.queue.complete(children[0], result: "2")
        _ = try fixture.queue.complete(then, result: "3")
        #expect(try fixture.queue.results(run: run, stage: "a") == ["3"])
        try fixture.finish(session, [true])
        #expect(try fixture.queue.run(run).state == .running)
        _ = try fixture.queue.fail(children[2], error: "x", retry: false)
        #expect(try fixture.queue.run(run).state == .completed)
        try fixture.expectSound()
    }

    @Test("the job after a fan-out runs after all are done where the rule is all done")
    func afterAllDone() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueOne()
        let session = try fixture.queue.openSession(name: "w")
        try fanOut(
            fixture, session, FanOut(children: [job, job], then: job, rule: .allDone))
        try fixture.finish(session, [false, true, true])
        #expect(try fixture.queue.run(run).state == .completed)
        try fixture.expectSound()
    }

    // MARK: Retry

    @Test(
        "a bad job of a group that ended well all the same is retried without its end being taken back",
        arguments: [GroupRule.allDone, .quorum(1)])
    func retryInGoodGroup(rule: GroupRule) throws {
        let fixture = try QueueFixture()
        let run = try twoStages(fixture, jobs: 2, rule: rule)
        let session = try fixture.queue.openSession(name: "w")
        let leases = try fixture.queue.claim(session, kinds: ["work"], limit: 2)
        _ = try fixture.queue.fail(leases[0], error: "x", retry: false)
        _ = try fixture.queue.complete(leases[1], result: "{}")
        try fixture.finish(session, [true])
        #expect(try fixture.queue.run(run).state == .completed)
        try fixture.queue.retry(job: leases[0].jobID)
        #expect(try fixture.queue.run(run).state == .running)
        try fixture.expectSound()
        // Bad again, then well: stage `b` hears nothing of either.
        try fixture.finish(session, [false])
        #expect(try fixture.queue.run(run).state == .completed)
        #expect(try fixture.queue.retry(run: run) == 1)
        try fixture.finish(session, [true])
        #expect(try fixture.queue.claim(session, kinds: ["work"]).isEmpty)
        #expect(try fixture.queue.run(run).state == .completed)
        try fixture.expectSound()
    }

    @Test("a retry in a group that ended well leaves cancelled what people cancelled")
    func retryKeepsCancelled() throws {
        let fixture = try QueueFixture()
        let run = try twoStages(fixture, jobs: 2, rule: .quorum(1))
        let session = try fixture.queue.openSession(name: "w")
        let leases = try fixture.queue.claim(session, kinds: ["work"], limit: 2)
        _ = try fixture.queue.complete(leases[0], result: "{}")
        _ = try fixture.queue.fail(leases[1], error: "x", retry: false)
        let after = try #require(try fixture.queue.jobs(run: run).first { $0.stage == "b" })
        #expect(try fixture.queue.cancel(job: after.id) == .cancelled)
        try fixture.queue.retry(job: leases[1].jobID)
        #expect(try fixture.queue.job(after.id).state == .cancelled)
        try fixture.expectSound()
        try fixture.finish(session, [true])
        #expect(try fixture.queue.run(run).state == .failed)
        try fixture.expectSound()
    }

    @Test("a retry of a missed quorum fires the stage when it is filled after all")
    func retryMissedQuorum() throws {
        let fixture = try QueueFixture()
        let run = try twoStages(fixture, jobs: 3, rule: .quorum(2))
        let session = try fixture.queue.openSession(name: "w")
        let leases = try fixture.queue.claim(session, kinds: ["work"], limit: 3)
        _ = try fixture.queue.complete(leases[0], result: "{}")
        for lease in leases[1...] { _ = try fixture.queue.fail(lease, error: "x", retry: false) }
        #expect(try fixture.states(run)["b"] == "cancelled")
        try fixture.queue.retry(job: leases[2].jobID)
        #expect(try fixture.states(run)["b"] == "blocked")
        try fixture.expectSound()
        try fixture.finish(session, [true, true])
        #expect(try fixture.queue.run(run).state == .completed)
        try fixture.expectSound()
    }

    // MARK: Cancel

    @Test(
        "a job that was to be cancelled is not tried again, however its attempt ends",
        arguments: ["fail", "release", "crash", "rescue", "overdue"])
    func cancelSticks(end: String) throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueOne(JobSpec(kind: "work", timeoutSeconds: 5))
        let session = try fixture.queue.openSession(name: "w")
        let lease = try fixture.claimOne(session)
        #expect(try fixture.queue.cancel(job: lease.jobID) == .requested)
        switch end {
        case "fail": #expect(try fixture.queue.fail(lease, error: "x") == .done)
        case "release": #expect(try fixture.queue.release(lease, reason: "x") == .done)
        case "crash":
            #expect(try fixture.queue.release(lease, reason: "x", crashed: true) == .done)
        case "overdue":
            for seconds in [8.0, 16] {
                try fixture.advance(to: seconds)
                _ = try fixture.queue.beat(session)
            }
            #expect(try fixture.queue.rescue() == 1)
        default:
            try fixture.advance(to: 11)
            #expect(try fixture.queue.rescue() == 1)
        }
        #expect(try fixture.states(run) == ["only": "cancelled"])
        #expect(try fixture.queue.job(lease.jobID).reason != nil)
        try fixture.expectSound()
    }
}

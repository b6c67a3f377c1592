// Tests of JobQueue: enqueue, claim, complete, and the fence around every write.
import Foundation
import Postgres
import TestSupport
import Testing

@testable import Jobs

@Suite("JobQueue")
struct JobQueueTests {
    @Test(
        "a stage becomes available when the stage it needs has ended well, and the run ends with the last"
    )
    func chain() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueChain(["a", "b", "c"])
        #expect(try fixture.states(run) == ["a": "available", "b": "blocked", "c": "blocked"])
        let session = try fixture.queue.openSession(name: "w")
        for stage in ["a", "b", "c"] {
            let lease = try fixture.claimOne(session)
            #expect(lease.stage == stage)
            #expect(try fixture.queue.claim(session, kinds: ["work"]).isEmpty)
            #expect(try fixture.queue.complete(lease, result: #"{"of":"\#(stage)"}"#) == .done)
            try fixture.expectSound()
        }
        #expect(try fixture.queue.runStatus(run).run.state == .completed)
        #expect(try fixture.queue.results(run: run, stage: "b") == [#"{"of":"b"}"#])
    }

    @Test("a stage that needs two waits for both")
    func diamond() throws {
        let fixture = try QueueFixture()
        let job = JobSpec(kind: "work")
        let run = try fixture.queue.enqueue(
            RunSpec(
                name: "diamond", definition: "", definitionHash: "d",
                stages: [
                    StageSpec(name: "end", job: job, needs: ["left", "right"]),
                    StageSpec(name: "left", job: job, needs: ["top"]),
                    StageSpec(name: "right", job: job, needs: ["top"]),
                    StageSpec(name: "top", job: job),
                ]))
        let session = try fixture.queue.openSession(name: "w")
        _ = try fixture.queue.complete(try fixture.claimOne(session), result: "1")
        let two = try fixture.queue.claim(session, kinds: ["work"], limit: 10)
        #expect(two.map(\.stage) == ["left", "right"])
        _ = try fixture.queue.complete(two[1], result: "2")
        #expect(try fixture.states(run)["end"] == "blocked")
        _ = try fixture.queue.complete(two[0], result: "3")
        #expect(try fixture.claimOne(session).stage == "end")
        try fixture.expectSound()
    }

    @Test(
        "a run that cannot work is refused before anything is written",
        arguments: [
            ([StageSpec](), "no stages"),
            (
                [StageSpec(name: "a", job: JobSpec(kind: "k"), needs: ["b"])],
                "b, which does not exist"
            ),
            (
                [
                    StageSpec(name: "a", job: JobSpec(kind: "k"), needs: ["b"]),
                    StageSpec(name: "b", job: JobSpec(kind: "k"), needs: ["a"]),
                ], "cycle: a, b"
            ),
            (
                [
                    StageSpec(name: "a", job: JobSpec(kind: "k")),
                    StageSpec(name: "a", job: JobSpec(kind: "k")),
                ],
                "two stages called a"
            ),
        ])
    func invalidRuns(stages: [StageSpec], complaint: String) throws {
        let fixture = try QueueFixture()
        let error = #expect(throws: JobsError.self) {
            try fixture.queue.enqueue(
                RunSpec(name: "bad", definition: "", definitionHash: "bad", stages: stages))
        }
        #expect(error?.message.contains(complaint) == true)
        #expect(try fixture.queue.runs().isEmpty)
    }

    @Test("a run enqueued twice while unfinished is one run; afterwards it is a new one")
    func enqueuedTwice() throws {
        let fixture = try QueueFixture()
        let first = try fixture.enqueueOne()
        #expect(try fixture.enqueueOne() == first)
        #expect(try fixture.queue.jobs().count == 1)
        let session = try fixture.queue.openSession(name: "w")
        _ = try fixture.queue.complete(try fixture.claimOne(session), result: "{}")
        #expect(try fixture.enqueueOne() != first)
        try fixture.expectSound()
    }

    @Test("lower priority numbers go first, then the older job")
    func priority() throws {
        let fixture = try QueueFixture()
        let late = try fixture.enqueueOne(JobSpec(kind: "work", priority: 5), name: "late")
        let old = try fixture.enqueueOne(name: "old")
        let urgent = try fixture.enqueueOne(JobSpec(kind: "work", priority: -1), name: "urgent")
        let session = try fixture.queue.openSession(name: "w")
        let leases = try fixture.queue.claim(session, kinds: ["work"], limit: 3)
        #expect(leases.map(\.runID) == [urgent, old, late])
    }

    @Test("a claim takes only its kinds, its run, and queues that are not paused")
    func claimFilters() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueOne(JobSpec(kind: "work", queue: "gpu"), name: "g")
        let other = try fixture.enqueueOne(name: "o")
        let session = try fixture.queue.openSession(name: "w")
        #expect(try fixture.queue.claim(session, kinds: ["else"]).isEmpty)
        try fixture.queue.pause(queue: "gpu")
        #expect(try fixture.queue.claim(session, kinds: ["work"], run: run).isEmpty)
        #expect(try fixture.queue.queues().first { $0.name == "gpu" }?.isPaused == true)
        try fixture.queue.resume(queue: "gpu")
        #expect(try fixture.queue.claim(session, kinds: ["work"], run: run).map(\.runID) == [run])
        #expect(try fixture.claimOne(session).runID == other)
    }

    @Test("arguments and results come back byte for byte")
    func verbatim() throws {
        let fixture = try QueueFixture()
        let args = #"{"z": 1.50, "a":[1e-7, 21758655492572485851], "t":"ü\"\\ 'x'"}"#
        let run = try fixture.enqueueOne(JobSpec(kind: "work", args: args))
        let lease = try fixture.claimOne(try fixture.queue.openSession(name: "w"))
        #expect(lease.args == args)
        _ = try fixture.queue.complete(lease, result: args)
        #expect(try fixture.queue.results(run: run, stage: "only") == [args])
    }

    // MARK: The fence

    @Test(
        "a worker that lost its lease writes nothing: no result, no failure, no checkpoint, no fan-out"
    )
    func zombie() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueOne()
        let zombie = try fixture.claimOne(try fixture.queue.openSession(name: "zombie"))
        try fixture.advance(to: 11)
        #expect(try fixture.queue.rescue() == 1)
        let session = try fixture.queue.openSession(name: "heir")
        let lease = try fixture.claimOne(session)
        #expect(lease.token != zombie.token)
        let fanOut = FanOut(children: [JobSpec(kind: "work")])
        var ran = false
        #expect(
            try fixture.queue.complete(
                zombie, result: "1", fanOut: fanOut, inTransaction: { _ in ran = true }) == .fenced)
        #expect(!ran)
        #expect(try fixture.queue.fail(zombie, error: "late") == .fenced)
        #expect(try fixture.queue.release(zombie, reason: "late") == .fenced)
        #expect(try fixture.queue.finishCancelled(zombie) == .fenced)
        #expect(
            try fixture.queue.saveCheckpoint(zombie, name: "s", seq: 9, payload: "1") == .fenced)
        try fixture.queue.progress(zombie, fraction: 1, message: "late")
        #expect(try fixture.queue.job(lease.jobID).fraction == nil)
        #expect(try fixture.queue.latestCheckpoint(lease.jobID, name: "s") == nil)
        #expect(try fixture.queue.complete(lease, result: "2") == .done)
        #expect(try fixture.queue.results(run: run, stage: "only") == ["2"])
        try fixture.expectSound()
    }

    @Test("a lease of another session does not hold, whatever its token")
    func foreignSession() throws {
        let fixture = try QueueFixture()
        _ = try fixture.enqueueOne()
        let lease = try fixture.claimOne(try fixture.queue.openSession(name: "a"))
        let other = try fixture.queue.openSession(name: "b")
        let forged = Lease(
            jobID: lease.jobID, token: lease.token, sessionUUID: other.uuid, kind: lease.kind,
            runID: lease.runID, groupID: lease.groupID, stage: lease.stage)
        #expect(try fixture.queue.complete(forged, result: "{}") == .fenced)
    }

    @Test(
        "an expired lease cannot complete its attempt, even before anybody noticed, but can be given back"
    )
    func expiredLease() throws {
        let fixture = try QueueFixture()
        _ = try fixture.enqueueOne()
        let session = try fixture.queue.openSession(name: "w")
        let lease = try fixture.claimOne(session)
        try fixture.advance(to: 10.5)
        #expect(try fixture.queue.complete(lease, result: "{}") == .fenced)
        #expect(try fixture.queue.saveCheckpoint(lease, name: "s", seq: 1, payload: "1") == .fenced)
        #expect(try fixture.queue.claim(session, kinds: ["work"]).isEmpty)
        #expect(try fixture.queue.release(lease, reason: "too late") == .done)
        #expect(try fixture.queue.job(lease.jobID).state == .available)
        #expect(try fixture.queue.job(lease.jobID).attempt == 0)
        try fixture.expectSound()
    }

    @Test("a completion that is sent again because its answer was lost is answered with already")
    func already() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueOne()
        let lease = try fixture.claimOne(try fixture.queue.openSession(name: "w"))
        #expect(try fixture.queue.complete(lease, result: "1") == .done)
        #expect(try fixture.queue.complete(lease, result: "2") == .already)
        #expect(try fixture.queue.results(run: run, stage: "only") == ["1"])
        #expect(try fixture.queue.fail(lease, error: "no") == .fenced)
        try fixture.expectSound()
    }

    @Test(
        "what is done in the completing transaction is undone when it throws, and the job still runs"
    )
    func inTransactionThrows() throws {
        struct Stop: Error {}
        let fixture = try QueueFixture()
        _ = try fixture.enqueueOne()
        let lease = try fixture.claimOne(try fixture.queue.openSession(name: "w"))
        #expect(throws: Stop.self) {
            try fixture.queue.complete(lease, result: "1") { connection in
                try connection.script("create table ofa.trace ()")
                throw Stop()
            }
        }
        #expect(try fixture.queue.job(lease.jobID).state == .running)
        #expect(try fixture.queue.complete(lease, result: "1") == .done)
    }

    @Test("the newest checkpoint outlives its worker, and only the newest two are kept")
    func checkpoints() throws {
        let fixture = try QueueFixture()
        _ = try fixture.enqueueOne()
        let lease = try fixture.claimOne(try fixture.queue.openSession(name: "w"))
        for seq in Int64(1)...4 {
            let answer = try fixture.queue.saveCheckpoint(
                lease, name: "s", seq: seq, payload: "\(seq)")
            #expect(answer == .done)
        }
        try fixture.advance(to: 11)
        try fixture.queue.rescue()
        let newest = try fixture.queue.latestCheckpoint(lease.jobID, name: "s")
        #expect(newest == Checkpoint(seq: 4, payload: "4"))
        let count = Statement(name: "Count", sql: "select count(*) as n from ofa.checkpoint")
        #expect(try fixture.queue.connection.queryOne(count).int("n") == 2)
    }

    @Test("a claim whose answer was lost leaves leases that its session gives back unharmed")
    func orphans() throws {
        let fixture = try QueueFixture()
        _ = try fixture.enqueueOne(name: "a")
        _ = try fixture.enqueueOne(name: "b")
        let session = try fixture.queue.openSession(name: "w")
        let lost = try fixture.claimOne(session)
        let known = try fixture.claimOne(session)
        try fixture.queue.releaseOrphans(session, known: [known])
        #expect(try fixture.queue.job(lost.jobID).state == .available)
        #expect(try fixture.queue.job(lost.jobID).crashes == 0)
        #expect(try fixture.queue.job(known.jobID).state == .running)
        try fixture.expectSound()
    }

    @Test(
        "a job that somebody puts below a floor waits for the next claim that reads from the start")
    func belowFloor() throws {
        let fixture = try QueueFixture()
        _ = try fixture.enqueueMany(4000)
        // Nothing beats for the session: it has to outlive the loop however slow the machine is.
        let queue = fixture.queue, session = try queue.openSession(name: "w", ttlSeconds: 600)
        var claimed = try queue.claim(session, kinds: ["work"], limit: 300).count
        // Transactions of other tests hold a floor back for as long as they last.
        while queue.floors.known.lanes.isEmpty && claimed < 3000 {
            claimed += try queue.claim(session, kinds: ["work"]).count
            Thread.sleep(forTimeInterval: 0.02)
        }
        #expect(queue.floors.known.lanes.count == 1)
        try queue.connection.script(
            "update ofa.live set seq = 0 where job_id = (select max(job_id) from ofa.live)")
        while case let leases = try queue.claim(session, kinds: ["work"], limit: 100),
            !leases.isEmpty
        {
            claimed += leases.count
        }
        #expect(claimed == 3999)
        queue.nextWholeRead = .now
        #expect(try queue.claim(session, kinds: ["work"], limit: 100).map(\.seq) == [0])
        #expect(queue.nextWholeRead > .now + .seconds(50))
        #expect(queue.floors.known.lanes.isEmpty)
    }
}

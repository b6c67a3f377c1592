// Tests of what people do to the queue: cancel, retry.
import Foundation
import Postgres
import Schema
import TestSupport
import Testing

@testable import Jobs

@Suite("Cancel and retry")
struct ControlTests {
    @Test("cancelling a waiting job cancels all that needs it, and nothing else")
    func cancelCascades() throws {
        let fixture = try QueueFixture()
        let job = JobSpec(kind: "work")
        let run = try fixture.queue.enqueue(
            RunSpec(
                name: "r", definition: "", definitionHash: "r",
                stages: [
                    StageSpec(name: "a", job: job), StageSpec(name: "b", job: job, needs: ["a"]),
                    StageSpec(name: "c", job: job, needs: ["b"]), StageSpec(name: "free", job: job),
                ]))
        let first = try #require(try fixture.queue.jobs(run: run).first { $0.stage == "a" })
        #expect(try fixture.queue.cancel(job: first.id) == .cancelled)
        #expect(
            try fixture.states(run)
                == ["a": "cancelled", "b": "cancelled", "c": "cancelled", "free": "available"])
        #expect(try fixture.queue.cancel(job: first.id) == .alreadyEnded)
        let session = try fixture.queue.openSession(name: "w")
        _ = try fixture.queue.complete(try fixture.claimOne(session), result: "{}")
        #expect(try fixture.queue.run(run).state == .failed)
        try fixture.expectSound()
    }

    @Test("a blocked job can be cancelled on its own")
    func cancelBlocked() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueChain(["a", "b", "c"])
        let middle = try #require(try fixture.queue.jobs(run: run).first { $0.stage == "b" })
        #expect(try fixture.queue.cancel(job: middle.id) == .cancelled)
        #expect(try fixture.states(run) == ["a": "available", "b": "cancelled", "c": "cancelled"])
        let session = try fixture.queue.openSession(name: "w")
        _ = try fixture.queue.complete(try fixture.claimOne(session), result: "{}")
        #expect(try fixture.queue.run(run).state == .failed)
        try fixture.expectSound()
    }

    @Test("a running job is asked to stop with the next beat")
    func cancelRunning() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueOne()
        let session = try fixture.queue.openSession(name: "w")
        let lease = try fixture.claimOne(session)
        #expect(try fixture.queue.cancel(job: lease.jobID) == .requested)
        #expect(try fixture.queue.beat(session, holding: [lease])?.cancelled == [lease.token])
        #expect(try fixture.queue.finishCancelled(lease) == .done)
        #expect(try fixture.queue.finishCancelled(lease) == .already)
        #expect(try fixture.states(run) == ["only": "cancelled"])
        try fixture.expectSound()
    }

    @Test("a job that was to be cancelled ends cancelled when its worker is lost")
    func cancelledThenLost() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueOne()
        let lease = try fixture.claimOne(try fixture.queue.openSession(name: "w"))
        _ = try fixture.queue.cancel(job: lease.jobID)
        try fixture.advance(to: 11)
        try fixture.queue.rescue()
        #expect(try fixture.states(run) == ["only": "cancelled"])
        try fixture.expectSound()
    }

    @Test("cancelling a run ends what waits, stops what runs, and the run ends as cancelled")
    func cancelRun() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueChain(["a", "b", "c"])
        let session = try fixture.queue.openSession(name: "w")
        let lease = try fixture.claimOne(session)
        try fixture.queue.cancel(run: run)
        #expect(try fixture.states(run) == ["a": "running", "b": "cancelled", "c": "cancelled"])
        #expect(try fixture.queue.beat(session, holding: [lease])?.cancelled == [lease.token])
        // A failure now is not tried again.
        _ = try fixture.queue.fail(lease, error: "stopped in a hurry")
        #expect(try fixture.states(run)["a"] == "cancelled")
        #expect(try fixture.queue.run(run).state == .cancelled)
        try fixture.expectSound()
    }

    @Test("children that a job adds to a cancelled run do not start")
    func fanOutIntoCancelledRun() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueOne()
        let session = try fixture.queue.openSession(name: "w")
        let lease = try fixture.claimOne(session)
        try fixture.queue.cancel(run: run)
        let fanOut = FanOut(children: [JobSpec(kind: "work")], then: JobSpec(kind: "work"))
        #expect(try fixture.queue.complete(lease, result: "{}", fanOut: fanOut) == .done)
        #expect(try fixture.queue.claim(session, kinds: ["work"]).isEmpty)
        #expect(try fixture.queue.run(run).state == .cancelled)
        try fixture.expectSound()
    }

    @Test(
        "retrying a discarded job brings back what was cancelled because of it, and the run goes on"
    )
    func retryJob() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueChain(["a", "b", "c"])
        let session = try fixture.queue.openSession(name: "w")
        let fanOut = FanOut(
            children: [JobSpec(kind: "work"), JobSpec(kind: "work")], then: JobSpec(kind: "work"))
        _ = try fixture.queue.complete(try fixture.claimOne(session), result: "{}", fanOut: fanOut)
        let leases = try fixture.queue.claim(session, kinds: ["work"], limit: 2)
        _ = try fixture.queue.complete(leases[0], result: "{}")
        _ = try fixture.queue.fail(leases[1], error: "x", retry: false)
        #expect(try fixture.queue.run(run).state == .failed)
        #expect(throws: JobsError.self) { try fixture.queue.retry(job: leases[0].jobID) }
        try fixture.queue.retry(job: leases[1].jobID)
        #expect(try fixture.queue.run(run).state == .running)
        try fixture.expectSound()
        for _ in 0..<4 {
            _ = try fixture.queue.complete(try fixture.claimOne(session), result: "{}")
            try fixture.expectSound()
        }
        #expect(try fixture.queue.run(run).state == .completed)
    }

    @Test("the dead letters of a kind are redriven; those of other kinds and cancelled jobs stay")
    func redrive() throws {
        let fixture = try QueueFixture()
        let spec = JobSpec(kind: "work")
        let stages = [
            StageSpec(name: "a", jobs: [spec, spec, JobSpec(kind: "play")]),
            StageSpec(name: "b", job: spec, needs: ["a"]),
        ]
        let run = try fixture.queue.enqueue(
            RunSpec(name: "r", definition: "", definitionHash: "r", stages: stages))
        let session = try fixture.queue.openSession(name: "w")
        for lease in try fixture.queue.claim(session, kinds: ["work", "play"], limit: 3) {
            _ = try fixture.queue.fail(lease, error: "x", retry: false)
        }
        let redrive = try fixture.queue.retry(kind: "work")
        #expect(redrive.retried.count == 2)
        #expect(redrive.refused.isEmpty)
        let discarded = try fixture.queue.jobs(run: run, state: .discarded)
        #expect(discarded.map(\.kind) == ["play"])
        #expect(try fixture.queue.jobs(run: run, state: .available, kind: "work").count == 2)
        #expect(try fixture.queue.retry(kind: "work").retried.isEmpty)
        try fixture.expectSound()
    }

    @Test("a dead letter whose pipeline runs again is left, with the reason")
    func redriveRefused() throws {
        let fixture = try QueueFixture()
        _ = try fixture.enqueueOne()
        let session = try fixture.queue.openSession(name: "w")
        let lease = try fixture.claimOne(session)
        _ = try fixture.queue.fail(lease, error: "x", retry: false)
        _ = try fixture.enqueueOne()
        let redrive = try fixture.queue.retry(kind: "work")
        #expect(redrive.retried.isEmpty)
        #expect(redrive.refused[lease.jobID]?.contains("another run") == true)
        try fixture.expectSound()
    }

    @Test("a job whose need ended badly cannot be retried on its own")
    func retryDependant() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueChain(["a", "b"])
        let session = try fixture.queue.openSession(name: "w")
        _ = try fixture.queue.fail(try fixture.claimOne(session), error: "x", retry: false)
        let dependant = try #require(try fixture.queue.jobs(run: run).first { $0.stage == "b" })
        let error = #expect(throws: JobsError.self) { try fixture.queue.retry(job: dependant.id) }
        #expect(error?.code == .wrongState)
        try fixture.expectSound()
    }

    @Test(
        "a retry of one of two bad needs leaves the dependant cancelled until the other is retried")
    func retryOneOfTwo() throws {
        let fixture = try QueueFixture()
        let job = JobSpec(kind: "work")
        let run = try fixture.queue.enqueue(
            RunSpec(
                name: "r", definition: "", definitionHash: "r",
                stages: [
                    StageSpec(name: "a", job: job), StageSpec(name: "b", job: job),
                    StageSpec(name: "c", job: job, needs: ["a", "b"]),
                ]))
        let session = try fixture.queue.openSession(name: "w")
        let leases = try fixture.queue.claim(session, kinds: ["work"], limit: 2)
        for lease in leases { _ = try fixture.queue.fail(lease, error: "x", retry: false) }
        try fixture.queue.retry(job: leases[0].jobID)
        _ = try fixture.queue.complete(try fixture.claimOne(session), result: "{}")
        try fixture.expectSound()
        #expect(try fixture.queue.run(run).state == .failed)
        try fixture.queue.retry(job: leases[1].jobID)
        for _ in 0..<2 {
            _ = try fixture.queue.complete(try fixture.claimOne(session), result: "{}")
        }
        #expect(try fixture.queue.run(run).state == .completed)
        try fixture.expectSound()
    }

    @Test("retrying a run brings back everything that ended badly and keeps what is done")
    func retryRun() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueChain(["a", "b", "c"])
        let session = try fixture.queue.openSession(name: "w")
        _ = try fixture.queue.complete(try fixture.claimOne(session), result: "1")
        let lease = try fixture.claimOne(session)
        try fixture.queue.cancel(run: run)
        _ = try fixture.queue.finishCancelled(lease)
        #expect(try fixture.queue.run(run).state == .cancelled)
        #expect(try fixture.queue.retry(run: run) == 1)
        #expect(try fixture.states(run) == ["a": "completed", "b": "available", "c": "blocked"])
        for _ in 0..<2 {
            _ = try fixture.queue.complete(try fixture.claimOne(session), result: "{}")
        }
        #expect(try fixture.queue.run(run).state == .completed)
        #expect(try fixture.queue.retry(run: run) == 0)
        try fixture.expectSound()
    }

    @Test("what does not exist is said to be missing")
    func missing() throws {
        let fixture = try QueueFixture()
        for body in [
            { _ = try fixture.queue.job(7) }, { _ = try fixture.queue.runStatus(7) },
            { _ = try fixture.queue.cancel(job: 7) }, { try fixture.queue.cancel(run: 7) },
        ] as [() throws -> Void] {
            let error = #expect(throws: JobsError.self) { try body() }
            #expect(error?.code == .notFound)
        }
    }

    @Test("cancelling a run comes back for a job whose row somebody had locked and left as it was")
    func cancelLocked() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueMany(2)
        let locker = try fixture.another(), canceller = try fixture.another()
        try locker.connection.script(
            "BEGIN; SELECT FROM ofa.live ORDER BY job_id LIMIT 1 FOR UPDATE")
        let ended = DispatchSemaphore(value: 0)
        nonisolated(unsafe) let queue = canceller
        Thread.detachNewThread {
            do { try queue.cancel(run: run) } catch { Issue.record(error) }
            ended.signal()
        }
        try fixture.wait {
            Set(try fixture.queue.jobs(run: run).map(\.state)) == [.available, .cancelled]
        }
        try locker.connection.script("ROLLBACK")
        ended.wait()
        #expect(try fixture.states(run) == ["only": "cancelled,cancelled"])
        #expect(try fixture.queue.run(run).state == .cancelled)
        // Asked again, it stays so.
        try fixture.queue.cancel(run: run)
        #expect(try fixture.queue.run(run).state == .cancelled)
        try fixture.expectSound()
    }

    @Test(
        "who holds a run waits for nothing that an end holds which waits for the run",
        arguments: ["live", "unique"])
    func endWaits(what: String) throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueOne(JobSpec(kind: "work", uniqueKey: "k"))
        let lease = try fixture.claimOne(try fixture.queue.openSession(name: "w"))
        let holder = try fixture.another()
        let ended = DispatchSemaphore(value: 0)
        nonisolated(unsafe) let queue = fixture.queue
        try holder.connection.transaction { connection in
            _ = try connection.query(.runLock(run: run))
            Thread.detachNewThread {
                do { #expect(try queue.complete(lease, result: "{}") == .done) } catch {
                    Issue.record(error)
                }
                ended.signal()
            }
            let watch = try fixture.database.connect()
            try fixture.wait { try watch.query(waitingLocks)[0].int("count") > 0 }
            if what == "live" {
                _ = try connection.query(.runReleaseReady(run: run))
            } else {
                try connection.script(
                    "INSERT INTO ofa.unique_job (key, job_id) VALUES ('k', 0) ON CONFLICT DO NOTHING"
                )
            }
        }
        ended.wait()
        #expect(try fixture.queue.run(run).state == .completed)
        try fixture.expectSound()
    }

    private let waitingLocks = Statement(
        name: "WaitingLocks",
        sql: "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid' "
            + "AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())")
}

// Tests of unique keys: while a job with a key is unfinished, no other with it is added or brought back.
import Foundation
import Jobs
import TestSupport
import Testing

@Suite("Unique keys")
struct UniqueTests {
    private let unique = JobSpec(kind: "work", uniqueKey: "index 7")

    @Test("a job whose key an unfinished job holds is left out, of a stage and of a fan-out")
    func leftOut() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueue([
            StageSpec(name: "only", jobs: [unique, JobSpec(kind: "work"), unique])
        ])
        #expect(try fixture.queue.jobs(run: run).map(\.ordinal) == [0, 1])
        let session = try fixture.queue.openSession(name: "w")
        let leases = try fixture.queue.claim(session, kinds: ["work"], limit: 2)
        let fanOut = FanOut(children: [unique, JobSpec(kind: "work")])
        _ = try fixture.queue.complete(leases[1], result: "{}", fanOut: fanOut)
        #expect(try fixture.queue.jobs(run: run).count == 3)
        try fixture.expectSound()
        // The key is free in the transaction after the one that ends its job.
        _ = try fixture.queue.complete(leases[0], result: "{}")
        _ = try fixture.queue.complete(
            try fixture.claimOne(session), result: "{}", fanOut: fanOut)
        #expect(try fixture.queue.jobs(run: run).count == 5)
        try fixture.expectSound()
    }

    @Test("a run whose stage would be left without jobs is refused, and nothing of it is written")
    func refused() throws {
        let fixture = try QueueFixture()
        _ = try fixture.enqueueOne(unique, name: "first")
        let error = #expect(throws: JobsError.self) {
            try fixture.enqueue([
                StageSpec(name: "a", job: JobSpec(kind: "work")),
                StageSpec(name: "b", job: unique, needs: ["a"]),
            ])
        }
        #expect(error?.code == .notUnique)
        #expect(try fixture.queue.runs().count == 1)
        #expect(try fixture.queue.jobs().count == 1)
        try fixture.expectSound()
    }

    @Test(
        "a key is free again when its job has ended, however it ended",
        arguments: ["complete", "discard", "cancel", "cancel waiting", "cancel run"])
    func free(end: String) throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueOne(unique, name: "first")
        let job = try fixture.queue.jobs(run: run)[0].id
        if end.hasSuffix("waiting") {
            #expect(try fixture.queue.cancel(job: job) == .cancelled)
        } else if end.hasSuffix("run") {
            try fixture.queue.cancel(run: run)
        } else {
            let lease = try fixture.claimOne(try fixture.queue.openSession(name: "w"))
            switch end {
            case "complete": _ = try fixture.queue.complete(lease, result: "{}")
            case "discard": _ = try fixture.queue.fail(lease, error: "x", retry: false)
            default: _ = try fixture.queue.finishCancelled(lease)
            }
        }
        try fixture.expectSound()
        #expect(try fixture.enqueueOne(unique, name: "second") != run)
        try fixture.expectSound()
    }

    @Test("a failed job keeps its key until its last attempt")
    func keptByRetryable() throws {
        let fixture = try QueueFixture()
        _ = try fixture.enqueueOne(unique, name: "first")
        let lease = try fixture.claimOne(try fixture.queue.openSession(name: "w"))
        _ = try fixture.queue.fail(lease, error: "x")
        #expect(throws: JobsError.self) { try fixture.enqueueOne(unique, name: "second") }
    }

    @Test("a job is not retried while another holds its key; afterwards it holds it again")
    func retry() throws {
        let fixture = try QueueFixture()
        let session = try fixture.queue.openSession(name: "w")
        let first = try fixture.enqueueOne(unique, name: "first")
        try fixture.finish(session, [false])
        let job = try fixture.queue.jobs(run: first)[0].id
        _ = try fixture.enqueueOne(unique, name: "second")
        for body in [
            { try fixture.queue.retry(job: job) }, { _ = try fixture.queue.retry(run: first) },
        ] as [() throws -> Void] {
            let error = #expect(throws: JobsError.self) { try body() }
            #expect(error?.code == .notUnique)
            #expect(try fixture.queue.job(job).state == .discarded)
            #expect(try fixture.queue.run(first).state == .failed)
            try fixture.expectSound()
        }
        try fixture.finish(session, [true])
        try fixture.queue.retry(job: job)
        try fixture.expectSound()
        #expect(throws: JobsError.self) { try fixture.enqueueOne(unique, name: "third") }
        try fixture.finish(session, [true])
        #expect(try fixture.queue.run(first).state == .completed)
        try fixture.expectSound()
    }

    @Test("a retry that would bring back a cancelled dependant whose key is taken is refused whole")
    func retryDependant() throws {
        let fixture = try QueueFixture()
        let session = try fixture.queue.openSession(name: "w")
        let run = try fixture.enqueue([
            StageSpec(name: "a", job: JobSpec(kind: "work")),
            StageSpec(name: "b", job: unique, needs: ["a"]),
        ])
        let lease = try fixture.claimOne(session)
        _ = try fixture.queue.fail(lease, error: "x", retry: false)
        _ = try fixture.enqueueOne(unique, name: "second")
        let error = #expect(throws: JobsError.self) { try fixture.queue.retry(job: lease.jobID) }
        #expect(error?.code == .notUnique)
        #expect(try fixture.states(run) == ["a": "discarded", "b": "cancelled"])
        try fixture.expectSound()
    }

    @Test("a recurring run whose key is taken is left out and stops nobody else's")
    func recurring() throws {
        let fixture = try QueueFixture()
        let holder = try fixture.enqueueOne(unique, name: "holder")
        func spec(_ name: String, _ job: JobSpec) -> RunSpec {
            RunSpec(
                name: name, definition: "", definitionHash: name,
                stages: [StageSpec(name: "only", job: job)])
        }
        try fixture.queue.recur(spec("taken", unique), everySeconds: 100)
        try fixture.queue.recur(spec("free", JobSpec(kind: "work")), everySeconds: 100)
        try fixture.queue.housekeep()
        #expect(try fixture.queue.runs().map(\.name) == ["free", "holder"])
        let session = try fixture.queue.openSession(name: "w", ttlSeconds: 1000)
        try fixture.finish(session, [true, true])
        #expect(try fixture.queue.run(holder).state == .completed)
        try fixture.advance(to: 101)
        try fixture.queue.housekeep()
        #expect(
            try fixture.queue.runs().map(\.name).sorted() == ["free", "free", "holder", "taken"])
        try fixture.expectSound()
    }
}

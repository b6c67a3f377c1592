// The page of a job, its log and its forms; the workers and the queue.

import Foundation
import Jobs
import Postgres
import TestSupport
import Testing

@testable import Dashboard

@Suite("Pages of jobs, workers and queues")
struct JobPagesTests {
    @Test("a job's page tells terms, attempts, errors, log, arguments and result")
    func facts() throws {
        let fixture = try PageFixture()
        let run = try fixture.enqueue([
            StageSpec(
                name: "one",
                job: JobSpec(
                    kind: "work", args: #"{"epochs": 3, "deep": {"a": [1, 2]}}"#, queue: "night",
                    priority: 7, maxAttempts: 2, timeoutSeconds: 3600, key: "gpu", threads: 2,
                    memoryMB: 512))
        ])
        let session = try fixture.queue.openSession(name: "worker-1", kinds: ["work"])
        let lease = try fixture.claim(session)
        try fixture.queue.log(lease, lines: ["first line", "second line"])
        #expect(try fixture.queue.fail(lease, error: "no room", retry: true) == .done)
        let page = try fixture.page("/jobs/\(lease.jobID)")
        #expect(page.isLive && page.trail.map(\.path).contains("/runs/\(run)"))
        for fact in [
            "night", "gpu", "2 processors", "512 MB", "up to 2 attempts, 1 h 00 min each",
            "no room", "first line\n", "worker-1", "epochs", #"{&quot;a&quot;:[1,2]}"#,
            "<span class=\"unseen\"> job \(lease.jobID)</span>",
        ] {
            #expect(page.body.text.contains(fact), "\(fact)")
        }
    }

    @Test("a running job is asked to stop, a waiting one ends; what was cancelled starts again")
    func forms() throws {
        let fixture = try PageFixture()
        let run = try fixture.enqueue([
            StageSpec(name: "two", jobs: [JobSpec(kind: "work"), JobSpec(kind: "work")])
        ])
        let session = try fixture.queue.openSession(name: "worker")
        let lease = try fixture.claim(session)
        let waiting = try #require(try fixture.queue.jobs(run: run, state: .available).first).id
        let path = "/jobs/\(lease.jobID)"
        #expect(try fixture.post("\(path)/cancel") == "\(path)?done=cancelled")
        #expect(try fixture.markup(path).contains("asked to stop"))
        #expect(try fixture.post("/jobs/\(waiting)/cancel") == "/jobs/\(waiting)?done=cancelled")
        #expect(try fixture.queue.job(waiting).state == .cancelled)
        #expect(
            try fixture.refusal { _ = try fixture.post("/jobs/\(waiting)/cancel") } == .form)
        let page = try fixture.page("/jobs/\(waiting)")
        #expect(!page.isLive && page.body.text.contains("action=\"/jobs/\(waiting)/retry\""))
        #expect(try fixture.post("/jobs/\(waiting)/retry") == "/jobs/\(waiting)?done=retried")
        #expect(try fixture.queue.job(waiting).state == .available)
        #expect(throws: JobsError.self) { try fixture.post("/jobs/99/cancel") }
        #expect(throws: JobsError.self) { try fixture.page("/jobs/99") }
    }

    @Test("a long log is read from its start, a thousand lines at a time")
    func log() throws {
        let fixture = try PageFixture()
        _ = try fixture.enqueue([StageSpec(name: "one", job: JobSpec(kind: "work"))])
        let lease = try fixture.claim(try fixture.queue.openSession(name: "worker"))
        try fixture.queue.log(lease, lines: (1...1300).map { "line \($0)." })
        let page = try fixture.markup("/jobs/\(lease.jobID)")
        #expect(page.contains("1,100 earlier lines") && page.contains("line 1300."))
        #expect(!page.contains("line 1100."))
        let first = try fixture.markup("/jobs/\(lease.jobID)/log")
        #expect(first.contains("line 1.") && first.contains("line 1000."))
        let next = try #require(first.firstMatch(of: #/log\?after=\d+/#)).output
        let rest = try fixture.markup("/jobs/\(lease.jobID)/\(next)")
        #expect(rest.contains("line 1001.") && rest.contains("line 1300."))
        #expect(!rest.contains("line 1000."))
    }

    @Test("the workers' page tells slots, jobs, heartbeats, lost workers, and what none can take")
    func workers() throws {
        let fixture = try PageFixture()
        #expect(try fixture.markup("/workers").contains("No worker is alive."))
        let run = try fixture.enqueue([
            StageSpec(
                name: "two",
                jobs: [
                    JobSpec(kind: "work"), JobSpec(kind: "other", requires: ["device:board"]),
                ])
        ])
        let session = try fixture.queue.openSession(
            name: "worker-1", slots: 3, kinds: ["work", "other"])
        let lease = try fixture.claim(session)
        #expect(
            try fixture.queue.beat(
                session, holding: [lease], workingSlots: 2, duties: ["rescue"]) != nil)
        let page = try fixture.page("/workers")
        #expect(page.isLive)
        for fact in [
            "worker-1", "1 of 2", "1 do not work", "job \(lease.jobID)", "run \(run)",
            "device:board", "work, other", "Heartbeat",
        ] {
            #expect(page.body.text.contains(fact), "\(fact)")
        }
        try fixture.queue.close(session)
        let later = try fixture.markup("/workers")
        #expect(later.contains("No worker is alive.") && later.contains("a lost worker"))
    }

    @Test("the queue's page tells depth, pauses, limits, duties and the last day")
    func queue() throws {
        let fixture = try PageFixture()
        _ = try fixture.enqueue([
            StageSpec(
                name: "two",
                jobs: [
                    JobSpec(kind: "work"), JobSpec(kind: "work", key: "gpu"),
                    JobSpec(kind: "later", queue: "night", delaySeconds: 3600),
                ])
        ])
        try fixture.queue.setPermits(key: "gpu", slots: 2)
        try fixture.queue.pause(queue: "night")
        let session = try fixture.queue.openSession(name: "worker-1", duties: ["rescue"])
        let lease = try fixture.claim(session)
        #expect(try fixture.queue.complete(lease, result: "{}") == .done)
        let page = try fixture.page("/queue")
        #expect(page.isLive)
        for fact in ["night", "paused", "later", "scheduled", "gpu", "rescue", "The last day"] {
            #expect(page.body.text.contains(fact), "\(fact)")
        }
    }
}

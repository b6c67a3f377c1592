// Tests of Worker with real threads and a real server. Where a test must wait for
// something, it waits for the thing itself, on a semaphore or by asking the queue.
import Foundation
import Postgres
import Schema
import Synchronization
import TestSupport
import Testing

@testable import Jobs

@Suite("Worker")
struct WorkerTests {
    @Test("a worker takes a run through all its stages, with results, children, progress and log")
    func wholeRun() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueChain(["a", "b"])
        try testWorker(fixture.database.url) { context in
            context.log("in \(context.lease.stage)\0")
            context.progress(fraction: 0.5, message: "half")
            struct Args: Decodable { var stage: String? }
            switch try context.args(Args.self).stage {
            case "a":
                let child = JobSpec(kind: "work", args: "{}")
                let then = JobSpec(kind: "work", args: #"{"stage":"then"}"#)
                return JobOutput(result: "0", fanOut: FanOut(children: [child, child], then: then))
            case "then": return JobOutput(result: "\(try context.childResults().count)")
            case "b": return JobOutput(result: try context.results(ofStage: "a").joined())
            default: return JobOutput(result: "1")
            }
        }.run()
        let status = try fixture.queue.runStatus(run)
        #expect(status.run.state == .completed)
        #expect(status.stages.map(\.jobs) == [4, 1])
        #expect(status.stages.map(\.progress) == [1, 1])
        #expect(try fixture.queue.results(run: run, stage: "b") == ["2"])
        let last = try #require(try fixture.queue.jobs(run: run).first { $0.stage == "b" })
        #expect(last.fraction == 0.5)
        #expect(try fixture.queue.log(of: last.id).map(\.line) == ["in b\\u{0}"])
        try fixture.expectSound()
    }

    @Test("a handler that throws is run again; a permanent error discards the job at once")
    func failures() throws {
        struct Broken: Error {}
        struct Hopeless: PermanentError {}
        let fixture = try QueueFixture()
        let backoff = RetryPolicy(baseSeconds: 0.01, factor: 1, maxSeconds: 0.01)
        let spec = JobSpec(kind: "work", args: "1", backoff: backoff)
        let retried = try fixture.enqueueOne(spec, name: "retried")
        let hopeless = try fixture.enqueueOne(JobSpec(kind: "work", args: "2"), name: "hopeless")
        try testWorker(fixture.database.url) { context in
            if context.lease.args == "2" { throw Hopeless() }
            if context.lease.attempt < 3 { throw Broken() }
            return JobOutput()
        }.run()
        #expect(try fixture.queue.run(retried).state == .completed)
        let job = try fixture.queue.jobs(run: retried)[0]
        let outcomes: [AttemptOutcome?] = [.failed, .failed, .completed]
        #expect(try fixture.queue.attempts(of: job.id).map(\.outcome) == outcomes)
        #expect(try fixture.queue.run(hopeless).state == .failed)
        #expect(try fixture.queue.jobs(run: hopeless)[0].attempts == 1)
        try fixture.expectSound()
    }

    @Test(
        "a worker that is asked to go saves a checkpoint and gives the job back; the next one continues"
    )
    func drain() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueOne()
        let started = DispatchSemaphore(value: 0)
        let first = try testWorker(fixture.database.url, untilIdle: false) { context in
            started.signal()
            while !context.isDraining { Thread.sleep(forTimeInterval: 0.005) }
            try context.saveCheckpoint(seq: 7, payload: #"{"step":7}"#)
            try context.stopIfAsked()
            return JobOutput(result: "0")
        }
        let thread = JoinableThread(name: "first", stackBytes: 1 << 20) { try first.run() }
        started.wait()
        first.requestDrain()
        try thread.join()
        let job = try fixture.queue.jobs(run: run)[0]
        #expect(job.state == .available)
        #expect(job.crashes == 0)
        try testWorker(fixture.database.url) { context in
            let checkpoint = try context.latestCheckpoint()?.payload ?? "null"
            return JobOutput(result: "[\(context.lease.attempt), \(checkpoint)]")
        }.run()
        #expect(try fixture.queue.results(run: run, stage: "only") == [#"[1, {"step":7}]"#])
        #expect(try fixture.queue.attempts(of: job.id).map(\.outcome) == [.released, .completed])
        try fixture.expectSound()
    }

    @Test("a running job stops when it is cancelled, and when it is over its time")
    func interruptions() throws {
        let fixture = try QueueFixture()
        let cancelled = try fixture.enqueueOne(name: "cancelled")
        let slow = try fixture.enqueueOne(
            JobSpec(kind: "work", args: "1", maxAttempts: 1, timeoutSeconds: 0.05), name: "slow")
        let url = fixture.database.url
        let answers = Mutex<[CancelAnswer]>([])
        try testWorker(url, ttlSeconds: 2) { context in
            if context.lease.args == "{}" {
                let queue = JobQueue(try Connection(url: url))
                let answer = try queue.cancel(job: context.lease.jobID)
                answers.withLock { $0.append(answer) }
            }
            try waitForInterruption(context)
            return JobOutput()
        }.run()
        #expect(answers.withLock { $0 } == [.requested])
        #expect(try fixture.states(cancelled) == ["only": "cancelled"])
        #expect(try fixture.states(slow) == ["only": "discarded"])
        #expect(try fixture.queue.jobs(run: slow)[0].reason == "ran over its time limit")
        try fixture.expectSound()
    }

    @Test("an attempt observer is asked about every attempt, and its answer is booked with the end")
    func observer() throws {
        struct Observer: AttemptObserver {
            func start(_ lease: Lease) throws {}
            func end(_ lease: Lease, outcome: AttemptOutcome) throws -> AttemptUse? {
                AttemptUse(
                    zone: "world", wallNs: lease.token, cpuNs: 0, energy: nil, method: "test",
                    tier: "U")
            }
        }
        struct Broken: Error {}
        let fixture = try QueueFixture()
        let backoff = RetryPolicy(baseSeconds: 0.01, factor: 1, maxSeconds: 0.01)
        let run = try fixture.enqueueOne(JobSpec(kind: "work", backoff: backoff))
        _ = try fixture.claimOne(try fixture.queue.openSession(name: "gone", ttlSeconds: 1))
        try fixture.advance(to: 2)
        #expect(try fixture.queue.rescue(observer: Observer()) == 1)
        try testWorker(fixture.database.url, observer: Observer()) { context in
            if context.lease.attempt == 1 { throw Broken() }
            return JobOutput()
        }.run()
        let differing = Statement(
            name: "Differing",
            sql: """
                select count(*) as n from ofa.attempt full join ofa.meter using (token)
                where attempt.outcome is distinct from meter.outcome or meter.wall_ns <> token
                """)
        #expect(try fixture.queue.connection.queryOne(differing).int("n") == 0)
        #expect(try fixture.queue.runStatus(run).stages[0].attempts == 3)
    }

    @Test("a storm of failures, children, cancellations and four workers leaves a sound queue")
    func storm() throws {
        struct Broken: Error {}
        let fixture = try QueueFixture()
        let url = fixture.database.url
        let backoff = RetryPolicy(baseSeconds: 0.001, factor: 1, maxSeconds: 0.001)
        let child = JobSpec(kind: "work", args: "1", maxAttempts: 4, backoff: backoff)
        let planner = JobSpec(kind: "work", args: "2", backoff: backoff)
        let runs = try (0..<6).map { index in
            try fixture.queue.enqueue(
                RunSpec(
                    name: "run \(index)", definition: "", definitionHash: "\(index)",
                    stages: [
                        StageSpec(name: "a", job: planner),
                        StageSpec(name: "b", job: planner, needs: ["a"]),
                        StageSpec(name: "c", job: child, needs: ["a", "b"]),
                    ]))
        }
        let failures = Mutex<[String]>([])
        DispatchQueue.concurrentPerform(iterations: 4) { index in
            let work: @Sendable (JobContext) throws -> JobOutput = { context in
                let lease = context.lease
                // A fixed third of the attempts fail; the same job may succeed later.
                if (lease.jobID * 7 + Int64(lease.attempt) * 3) % 10 < 3 { throw Broken() }
                if lease.jobID % 23 == 5 {
                    let queue = JobQueue(try Connection(url: url))
                    _ = try queue.cancel(job: lease.jobID + 3)
                }
                guard lease.args == "2" else { return JobOutput(result: "1") }
                let isOdd = lease.jobID % 2 == 1
                return JobOutput(
                    result: "2",
                    fanOut: FanOut(
                        children: Array(repeating: child, count: 12), then: isOdd ? child : nil))
            }
            do {
                try testWorker(url, name: "w\(index)", work).run()
            } catch { failures.withLock { $0.append("\(error)") } }
        }
        // Jobs that were to be cancelled and did not exist are the storm's only permitted
        // complaint.
        #expect(failures.withLock { $0 } == [])
        for run in runs { #expect(try fixture.queue.run(run).state != .running) }
        try fixture.expectSound()
        for run in runs { try fixture.queue.retry(run: run) }
        try fixture.expectSound()
        try testWorker(url) { _ in JobOutput(result: "3") }.run()
        for run in runs { #expect(try fixture.queue.run(run).state == .completed) }
        try fixture.expectSound()
    }

}

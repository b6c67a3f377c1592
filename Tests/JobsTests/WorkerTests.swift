// Tests of Worker and LeaseKeeper with real threads and a real server. Where a test must wait for
// something, it waits for the thing itself, on a semaphore or by asking the queue.
import Foundation
import Postgres
import Schema
import Synchronization
import TestSupport
import Testing

@testable import Jobs

/// A handler made of a closure.
private struct Handler: JobHandler {
    let body: @Sendable (JobContext) throws -> JobOutput
    func run(_ context: JobContext) throws -> JobOutput { try body(context) }
}

@Suite("Worker")
struct WorkerTests {
    /// A worker that ends when nothing is left to do.
    private func worker(
        _ url: String, ttlSeconds: Double = 30, name: String = "w", untilIdle: Bool = true,
        observer: (any AttemptObserver)? = nil,
        _ body: @escaping @Sendable (JobContext) throws -> JobOutput
    ) throws -> Worker {
        try Worker(
            databaseURL: url, registry: ["work": Handler(body: body)],
            options: WorkerOptions(
                threads: 1, ttlSeconds: ttlSeconds, name: name, untilIdle: untilIdle,
                report: { _ in }),
            observer: observer)
    }

    /// Waits until the job is asked to stop, as a handler does in its loop.
    private static func waitForInterruption(_ context: JobContext) throws {
        while true {
            try context.stopIfCancelled()
            Thread.sleep(forTimeInterval: 0.005)
        }
    }

    @Test("a worker takes a run through all its stages, with results, children, progress and log")
    func wholeRun() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueChain(["a", "b"])
        try worker(fixture.database.url) { context in
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
        try worker(fixture.database.url) { context in
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
        let first = try worker(fixture.database.url, untilIdle: false) { context in
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
        try worker(fixture.database.url) { context in
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
        try worker(url, ttlSeconds: 2) { context in
            if context.lease.args == "{}" {
                let queue = JobQueue(try Connection(url: url))
                let answer = try queue.cancel(job: context.lease.jobID)
                answers.withLock { $0.append(answer) }
            }
            try Self.waitForInterruption(context)
            return JobOutput()
        }.run()
        #expect(answers.withLock { $0 } == [.requested])
        #expect(try fixture.states(cancelled) == ["only": "cancelled"])
        #expect(try fixture.states(slow) == ["only": "discarded"])
        #expect(try fixture.queue.jobs(run: slow)[0].reason == "ran over its time limit")
        try fixture.expectSound()
    }

    @Test("a worker whose session is declared dead stops, writes nothing, and starts afresh")
    func sessionLost() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueOne()
        let url = fixture.database.url
        let runs = Mutex(0)
        try worker(url, ttlSeconds: 4) { context in
            let isFirst = runs.withLock { runs in
                runs += 1
                return runs == 1
            }
            if isFirst {
                let rescuer = JobQueue(try Connection(url: url))
                try rescuer.connection.script("SET ofa.clock_offset = '3600 s'")
                // A session that is just beating is left for the next time; and once it is dead,
                // the worker's own keeper may be the one who frees the job.
                var outcomes: [AttemptOutcome?] = []
                for _ in 0..<1000 where outcomes != [.lost] {
                    try rescuer.rescue()
                    outcomes = try rescuer.attempts(of: context.lease.jobID).map(\.outcome)
                    Thread.sleep(forTimeInterval: 0.005)
                }
                try Self.waitForInterruption(context)
            }
            return JobOutput(result: isFirst ? "1" : "2")
        }.run()
        #expect(try fixture.queue.results(run: run, stage: "only") == ["2"])
        let job = try fixture.queue.jobs(run: run)[0]
        #expect(try fixture.queue.attempts(of: job.id).map(\.outcome) == [.lost, .completed])
        try fixture.expectSound()
    }

    @Test("without beats a job stops itself at two thirds of its lease, by its own clock")
    func selfFence() {
        let now = Mutex(100.0)
        let signal = AttemptSignal(lastBeat: 100, termSeconds: 20.0 / 3) { now.withLock { $0 } }
        #expect(!signal.isCancelled)
        now.withLock { $0 = 106 }
        signal.beaten(sentAt: 105)
        now.withLock { $0 = 111.6 }
        #expect(!signal.isCancelled)
        now.withLock { $0 = 111.7 }
        #expect(signal.interruption == .fenced)
        // A late beat does not take it back: the handler may have begun to stop.
        signal.beaten(sentAt: 111.7)
        #expect(signal.interruption == .fenced)
    }

    @Test("a lost connection under a handler gives the job back and counts a crash, not an attempt")
    func connectionLostUnderHandler() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueOne()
        let url = fixture.database.url
        try worker(url) { context in
            if context.lease.crashes == 0 {
                let kill = Statement(name: "Kill", sql: "select pg_terminate_backend($1::int)")
                try Connection(url: url).execute(kill, [.int(context.connection.backendProcess)])
                _ = try context.connection.query(kill, [.int(0)])
            }
            return JobOutput(result: "\(context.lease.attempt)")
        }.run()
        #expect(try fixture.queue.results(run: run, stage: "only") == ["1"])
        #expect(try fixture.queue.jobs(run: run)[0].attempts == 2)
        try fixture.expectSound()
    }

    @Test("an attempt observer hears of every attempt, in the transaction that ends it")
    func observer() throws {
        struct Observer: AttemptObserver {
            let insert = Statement(
                name: "Seen", sql: "insert into ofa.seen (token, outcome) values ($1, $2)")
            func start(_ lease: Lease) throws {}
            func end(_ lease: Lease, outcome: AttemptOutcome, connection: Connection) throws {
                try connection.execute(insert, [.int(lease.token), .text(outcome.rawValue)])
            }
        }
        struct Broken: Error {}
        let fixture = try QueueFixture()
        try fixture.queue.connection.script(
            "create table ofa.seen (token bigint primary key, outcome text not null)")
        let backoff = RetryPolicy(baseSeconds: 0.01, factor: 1, maxSeconds: 0.01)
        let run = try fixture.enqueueOne(JobSpec(kind: "work", backoff: backoff))
        _ = try fixture.claimOne(try fixture.queue.openSession(name: "gone", ttlSeconds: 1))
        try fixture.advance(to: 2)
        #expect(try fixture.queue.rescue(observer: Observer()) == 1)
        try worker(fixture.database.url, observer: Observer()) { context in
            if context.lease.attempt == 1 { throw Broken() }
            return JobOutput()
        }.run()
        let differing = Statement(
            name: "Differing",
            sql: """
                select count(*) as n from ofa.attempt full join ofa.seen using (token)
                where attempt.outcome is distinct from seen.outcome
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
                try worker(url, name: "w\(index)", work).run()
            } catch { failures.withLock { $0.append("\(error)") } }
        }
        // Jobs that were to be cancelled and did not exist are the storm's only permitted
        // complaint.
        #expect(failures.withLock { $0 } == [])
        for run in runs { #expect(try fixture.queue.run(run).state != .running) }
        try fixture.expectSound()
        for run in runs { try fixture.queue.retry(run: run) }
        try fixture.expectSound()
        try worker(url) { _ in JobOutput(result: "3") }.run()
        for run in runs { #expect(try fixture.queue.run(run).state == .completed) }
        try fixture.expectSound()
    }

    @Test("a worker survives an immediate restart of PostgreSQL in the middle of a job")
    func serverRestart() throws {
        let parent = try TemporaryFolder.make(prefix: "ofa-test")
        // What was committed must survive the crash, so commits are synchronous here.
        let server = PrivateServer(home: parent + "/home", settings: ["fsync = off"])
        try TestServer.watch(home: parent, server: try server.status())
        let url = try server.start()
        defer { do { try server.stop() } catch { Issue.record(error) } }
        let connection = try Connection(url: url)
        try Migrator(connection).migrate()
        let queue = JobQueue(connection)
        let stages = [
            StageSpec(name: "a", job: JobSpec(kind: "work")),
            StageSpec(name: "b", job: JobSpec(kind: "work"), needs: ["a"]),
        ]
        let run = try queue.enqueue(
            RunSpec(name: "r", definition: "", definitionHash: "r", stages: stages))
        let started = DispatchSemaphore(value: 0)
        let restarted = DispatchSemaphore(value: 0)
        let worker = try worker(url, ttlSeconds: 120) { context in
            if context.lease.stage == "a" {
                started.signal()
                restarted.wait()
                restarted.signal()
            }
            return JobOutput(result: "1")
        }
        let thread = JoinableThread(name: "worker", stackBytes: 1 << 20) { try worker.run() }
        started.wait()
        defer { restarted.signal() }
        try server.restartAtOnce()
        restarted.signal()
        try thread.join()
        #expect(try queue.run(run).state == .completed)
        #expect(try queue.jobs(run: run).map(\.attempts) == [1, 1])
        #expect(try queue.audit() == [])
    }

    @Test(
        "an end that comes after the lease's term, of a session that lives on, gives the job back")
    func lapsed() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueOne()
        let url = fixture.database.url
        let ended = DispatchSemaphore(value: 0), runs = Mutex(0)
        // The server has not run for so long: nobody declares the session dead.
        let made = try worker(url, ttlSeconds: 36_000) { context in
            let isFirst = runs.withLock { runs in
                runs += 1
                return runs == 1
            }
            if isFirst {
                try Connection(url: url).script(
                    "UPDATE ofa.session SET beat_at = ofa.now() - ttl - interval '1 s'")
            }
            return JobOutput()
        }
        Thread.detachNewThread {
            do { try made.run() } catch { Issue.record(error) }
            ended.signal()
        }
        try fixture.wait {
            let job = try fixture.queue.jobs(run: run)[0]
            return job.attempts == 1 && job.state == .available
        }
        try fixture.queue.connection.script("UPDATE ofa.session SET beat_at = ofa.now()")
        ended.wait()
        #expect(try fixture.queue.run(run).state == .completed)
        let job = try fixture.queue.jobs(run: run)[0]
        #expect(try fixture.queue.attempts(of: job.id).map(\.outcome) == [.released, .completed])
        try fixture.expectSound()
    }

    @Test("a job that somebody else has is stopped, though the session lives")
    func takenOver() throws {
        let fixture = try QueueFixture()
        _ = try fixture.enqueueOne()
        let url = fixture.database.url
        let reason = Mutex<JobInterruption?>(nil)
        let holder = Mutex<Worker?>(nil)
        let made = try worker(url, ttlSeconds: 3, untilIdle: false) { context in
            try Connection(url: url).script("UPDATE ofa.live SET token = token + 1000")
            holder.withLock { $0?.requestDrain() }
            do { try Self.waitForInterruption(context) } catch let error as JobInterruption {
                reason.withLock { $0 = error }
                throw error
            }
            return JobOutput()
        }
        holder.withLock { $0 = made }
        try made.run()
        #expect(reason.withLock { $0 } == .fenced)
    }
}

extension PrivateServer {
    /// Kills the server as a crash would, and starts it again.
    func restartAtOnce() throws {
        let status = try status()
        let user = geteuid() == 0 ? SystemUser(named: status.user) : nil
        let tool = try ServerBinaries.find(majorVersion: status.majorVersion).path("pg_ctl")
        let outcome = try ChildProcess(user: user).run(
            [tool, "restart", "--pgdata=data", "--mode=immediate", "--wait", "--log=server.log"],
            folder: (status.dataFolder as NSString).deletingLastPathComponent)
        try #require(outcome.exitCode == 0, "\(outcome.output)")
    }
}

// A worker that loses its lease, its session, its connection or its server. Where a test must wait for something, it
// waits for the thing itself, on a semaphore or by asking the queue.
import Foundation
import Postgres
import Schema
import Synchronization
import TestSupport
import Testing

@testable import Jobs

@Suite struct WorkerLossTests {
    @Test("a worker whose session is declared dead stops, writes nothing, and starts afresh")
    func sessionLost() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueOne()
        let url = fixture.database.url
        let runs = Mutex(0)
        try testWorker(url, ttlSeconds: 4) { context in
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
                try waitForInterruption(context)
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
        try testWorker(url) { context in
            if context.lease.crashes == 0 {
                let kill = Statement(name: "Kill", sql: "select pg_terminate_backend($1::int)")
                let own = try context.connection
                try Connection(url: url).execute(kill, [.int(own.backendProcess)])
                _ = try own.query(kill, [.int(0)])
            }
            return JobOutput(result: "\(context.lease.attempt)")
        }.run()
        #expect(try fixture.queue.results(run: run, stage: "only") == ["1"])
        #expect(try fixture.queue.jobs(run: run)[0].attempts == 2)
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
        let worker = try testWorker(url, ttlSeconds: 120) { context in
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
        // The server has run for less than a term: no worker expires the session yet.
        let made = try testWorker(url, ttlSeconds: 36_000) { context in
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
        // The worker may claim the job again at once: what stays is how the first attempt ended.
        try fixture.wait {
            let job = try fixture.queue.jobs(run: run)[0]
            return try fixture.queue.attempts(of: job.id).first?.outcome == .released
        }
        try fixture.queue.connection.script("UPDATE ofa.session SET beat_at = ofa.now()")
        ended.wait()
        #expect(try fixture.queue.run(run).state == .completed)
        let job = try fixture.queue.jobs(run: run)[0]
        #expect(try fixture.queue.attempts(of: job.id).map(\.outcome) == [.released, .completed])
        try fixture.expectSound()
    }

    @Test("a job that another worker holds is stopped, though the session lives")
    func takenOver() throws {
        let fixture = try QueueFixture()
        _ = try fixture.enqueueOne()
        let url = fixture.database.url
        let reason = Mutex<JobInterruption?>(nil)
        let holder = Mutex<Worker?>(nil)
        let made = try testWorker(url, ttlSeconds: 3, untilIdle: false) { context in
            try Connection(url: url).script("UPDATE ofa.live SET token = token + 1000")
            holder.withLock { $0?.requestDrain() }
            do { try waitForInterruption(context) } catch let error as JobInterruption {
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

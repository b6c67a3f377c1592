// Fault 11: a server with no connection left, whose sessions are terminated all the time, and workers that
// reach it directly and through a pooler in transaction mode.
import Foundation
import Jobs
import Postgres
import Schema
import Synchronization
import TestSupport
import Testing

@Suite("Fault 11: connection famine", .serialized)
struct FamineTests {
    /// Others that take every connection they can get, and hold on to it.
    private final class Crowd: Sendable {
        private let state = Mutex((isOver: false, refused: 0))
        private let ended = DispatchSemaphore(value: 0)

        /// Starts to take connections of the server at `url`.
        init(_ url: String) {
            Thread.detachNewThread { [self] in
                var held: [Connection] = []
                while !state.withLock({ $0.isOver }) {
                    do {
                        held.append(try Connection(url: url, applicationName: "crowd"))
                        continue
                    } catch { state.withLock { $0.refused += 1 } }
                    Thread.sleep(forTimeInterval: 0.01)
                    // Now and then one goes, and whoever is there first has its place.
                    if held.count > 2, state.withLock({ $0.refused % 20 == 0 }) {
                        held.removeFirst().close()
                        Thread.sleep(forTimeInterval: 0.05)
                    }
                }
                for connection in held { connection.close() }
                ended.signal()
            }
        }

        /// How often it was refused.
        var refused: Int { state.withLock { $0.refused } }

        /// Lets go of everything.
        func end() {
            state.withLock { $0.isOver = true }
            ended.wait()
        }
    }

    private static let workers = Statement(
        name: "WorkerBackends",
        sql: "select pid from pg_stat_activity where application_name like 'ofa %' order by pid")
    private static let terminate = Statement(
        name: "Terminate", sql: "select pg_terminate_backend($1::int)")

    @Test("workers that find no connection, or lose theirs all the time, finish everything once")
    func famine() throws {
        let seed = ScaledForm.seed("connection famine")
        var random = StormRandom(seed)
        let server = try DedicatedServer(settings: [
            "max_connections = 24", "superuser_reserved_connections = 0",
        ])
        // Two for the test itself, before the others come.
        let control = try server.connect(applicationName: "control")
        let killer = try server.connect(applicationName: "killer")
        try Migrator(control).migrate()
        let queue = JobQueue(control)
        let seconds = ScaledForm.seconds ?? 4
        let job = JobSpec(kind: "sleep", args: #"{"seconds":0.01}"#, maxCrashes: 1000)
        let plan = JobSpec(kind: "plan", args: #"{"children":30}"#, maxCrashes: 1000)
        let count = Int(seconds * 100)
        let run = try queue.enqueue(
            RunSpec(
                name: "famine", definition: "", definitionHash: "1",
                stages: [
                    StageSpec(name: "a", jobs: Array(repeating: job, count: count)),
                    StageSpec(name: "b", job: plan, needs: ["a"]),
                ]))
        var urls = [server.url, server.url]
        let bouncer =
            PgBouncer.isInstalled ? try PgBouncer(before: server.url, poolSize: 3) : nil
        if let bouncer {
            urls.append(bouncer.url(of: server.url))
        } else {
            print("connection famine: without a pooler, pgbouncer is not installed")
        }
        let workers = try urls.enumerated().map { index, url in
            try RunningCommand(
                program: "ofa-fault-worker",
                [
                    "--ttl-seconds", "4", "--until-idle", "--workers", "2", "--prefetch", "4",
                    "--name", "famine \(index)",
                ], environment: ["OFA_DATABASE_URL": url])
        }
        let sessions = Statement(name: "Sessions", sql: "select count(*) as n from ofa.session")
        while try control.queryOne(sessions).int("n") < 2 * urls.count {
            let areRunning = workers.allSatisfy { $0.isRunning }
            try #require(areRunning, "\(workers.map(\.errors))")
            Thread.sleep(forTimeInterval: 0.01)
        }
        let crowd = Crowd(server.url)
        var killed = 0
        let end = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < end {
            let found = try killer.query(Self.workers).map { try $0.int("pid") }
            if let victim = found.randomElement(using: &random) {
                _ = try killer.query(Self.terminate, [.int(victim)])
                killed += 1
            }
            Thread.sleep(forTimeInterval: 0.1)
        }
        crowd.end()
        for worker in workers { #expect(worker.wait() == 0, "\(worker.errors)") }
        #expect(killed > 3 && crowd.refused > 3)
        #expect(try queue.run(run).state == .completed)
        let jobs = try queue.jobs(run: run, limit: 100_000)
        #expect(jobs.count == count + 1 + 31 && jobs.allSatisfy { $0.state == .completed })
        try QueueProof.expect(
            queue, after: killed, "sessions terminated, \(crowd.refused) refused",
            "11 connection famine")
    }
}

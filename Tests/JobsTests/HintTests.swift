// Tests of hints: a worker that would poll twice a minute starts at once when there is something to do.
import Foundation
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import Jobs

@Suite("Hints")
struct HintTests {
    /// A worker on a thread of its own that looks every 30 seconds unless it is told.
    private final class Sleeper: Sendable {
        /// Far more than a hint takes, less than a look by itself.
        static let patience = DispatchTimeInterval.seconds(25)

        let worker: Worker
        let thread: JoinableThread
        let started = DispatchSemaphore(value: 0)

        init(_ fixture: QueueFixture, kind: String = "work", pollSeconds: Double = 30) throws {
            let started = started
            let handler = ClosureHandler { context in
                started.signal()
                struct Args: Decodable { var children: Int? }
                let count = try context.args(Args.self).children ?? 0
                if count == 0 { return JobOutput() }
                let child = JobSpec(kind: kind)
                return JobOutput(
                    fanOut: FanOut(children: Array(repeating: child, count: count), then: child))
            }
            var options = WorkerOptions(
                pollSeconds: pollSeconds, ttlSeconds: 30, name: "sleeper", report: { _ in })
            options.firstPollSeconds = pollSeconds
            let worker = try Worker(
                databaseURL: fixture.database.url, registry: [kind: handler], options: options)
            self.worker = worker
            thread = JoinableThread(name: "sleeper", stackBytes: 1 << 20) { try worker.run() }
            try waitUntilListening(fixture)
        }

        /// Waits until its keeper listens; it has looked for jobs itself by then, or hears of them.
        func waitUntilListening(_ fixture: QueueFixture) throws {
            let listening = Statement(
                name: "Listening",
                sql: """
                    select count(*) as n from pg_stat_activity where datname = current_database()
                      and application_name = 'ofa sleeper keeper'
                    """)
            for _ in 0..<2000 {
                if try fixture.queue.connection.queryOne(listening).int("n") > 0 { return }
                Thread.sleep(forTimeInterval: 0.01)
            }
            Issue.record("the keeper did not connect")
        }

        func expectStart(_ count: Int = 1) {
            for number in 1...count {
                #expect(started.wait(timeout: .now() + Self.patience) == .success, "\(number)")
            }
        }

        func stop() throws {
            worker.requestDrain()
            try thread.join()
        }
    }

    @Test("a worker that polls every 30 seconds starts at once when a job is enqueued")
    func enqueue() throws {
        let fixture = try QueueFixture()
        let sleeper = try Sleeper(fixture)
        for number in 0..<3 {
            _ = try fixture.enqueueOne(name: "\(number)")
            sleeper.expectStart()
        }
        try sleeper.stop()
        try fixture.expectSound()
    }

    @Test("the children of a fan-out and the job after them start at once, at another worker too")
    func fanOut() throws {
        let fixture = try QueueFixture()
        let sleeper = try Sleeper(fixture)
        _ = try fixture.enqueueOne(JobSpec(kind: "work", args: #"{"children":3}"#))
        sleeper.expectStart(5)
        // Here the fan-out, and then its last child, are done by somebody who takes nothing else.
        _ = try fixture.enqueueOne(JobSpec(kind: "plan"), name: "other")
        let session = try fixture.queue.openSession(name: "planner", ttlSeconds: 300)
        let planner = try #require(try fixture.queue.claim(session, kinds: ["plan"]).first)
        let fanOut = FanOut(
            children: [JobSpec(kind: "work"), JobSpec(kind: "plan")], then: JobSpec(kind: "work"))
        _ = try fixture.queue.complete(planner, result: "{}", fanOut: fanOut)
        sleeper.expectStart()
        let child = try #require(try fixture.queue.claim(session, kinds: ["plan"]).first)
        while try fixture.queue.jobs(state: .running).count > 1 {
            Thread.sleep(forTimeInterval: 0.01)
        }
        _ = try fixture.queue.complete(child, result: "{}")
        sleeper.expectStart()
        try sleeper.stop()
        try fixture.expectSound()
    }

    @Test("a stage of another worker, and a job that is given back, start at once")
    func others() throws {
        let fixture = try QueueFixture()
        let sleeper = try Sleeper(fixture)
        _ = try fixture.enqueue([
            StageSpec(name: "a", job: JobSpec(kind: "plan")),
            StageSpec(name: "b", job: JobSpec(kind: "work"), needs: ["a"]),
            StageSpec(name: "c", job: JobSpec(kind: "plan")),
            StageSpec(name: "d", job: JobSpec(kind: "work"), needs: ["c"]),
        ])
        let session = try fixture.queue.openSession(name: "planner", ttlSeconds: 300)
        let plans = try fixture.queue.claim(session, kinds: ["plan"], limit: 2)
        _ = try fixture.queue.complete(plans[0], result: "{}")
        sleeper.expectStart()
        // The same through the statement that ends and claims.
        _ = try fixture.queue.endAndClaim(
            session, [Ending(plans[1], .completed(result: "{}"))],
            ClaimRequest(kinds: ["plan"]))
        sleeper.expectStart()
        // In one transaction: the sleeper, which looks again when its job ends, must not be the one that takes it.
        let lease = try enqueueSilently(fixture.queue) { try fixture.claimOne(session) }
        _ = try fixture.queue.release(lease, reason: "x")
        sleeper.expectStart()
        try sleeper.stop()
        try fixture.expectSound()
    }

    @Test("a hint that comes while the listening connection is lost is made up for")
    func lostConnection() throws {
        let fixture = try QueueFixture()
        let sleeper = try Sleeper(fixture)
        let kill = Statement(
            name: "Kill",
            sql: """
                select count(pg_terminate_backend(pid, 5000)) as n from pg_stat_activity
                where datname = current_database() and application_name = 'ofa sleeper keeper'
                """)
        for number in 0..<2 {
            #expect(try fixture.queue.connection.queryOne(kill).int("n") == 1)
            _ = try fixture.enqueueOne(name: "\(number)")
            sleeper.expectStart()
            try sleeper.waitUntilListening(fixture)
        }
        try sleeper.stop()
        try fixture.expectSound()
    }

    /// Enqueues a job without the hint that follows it.
    private func enqueueSilently<Result>(_ queue: JobQueue, then: () throws -> Result) throws
        -> Result
    {
        let spec = RunSpec(
            name: "silent", definition: "", definitionHash: "silent",
            stages: [StageSpec(name: "only", job: JobSpec(kind: "work"))])
        return try queue.transact { connection in
            _ = try queue.insert(spec, try spec.stagesInOrder(), connection)
            return try then()
        }
    }

    @Test("a worker that hears nothing polls")
    func polls() throws {
        let fixture = try QueueFixture()
        let sleeper = try Sleeper(fixture, pollSeconds: 0.05)
        try enqueueSilently(fixture.queue) {}
        sleeper.expectStart()
        try sleeper.stop()
        try fixture.expectSound()
    }
}

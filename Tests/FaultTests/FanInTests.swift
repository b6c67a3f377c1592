// Fault 12: a wide fan-in from many connections, with failures, cancellations, retries and duplicates at
// random, beside a model in memory that says what every answer and every counter must be.
import Foundation
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import Jobs

@Suite("Fault 12: fan-in against a model", .serialized)
struct FanInTests {
    /// A fan-out of `width` children and the job after them, and a model of each child.
    private final class Storm: Sendable {
        let url: String
        let run: RunID
        let models: [JobID: ChildModel]
        let ids: [JobID]
        let seed: UInt64

        init(_ url: String, width: Int, seed: UInt64) throws {
            self.url = url
            self.seed = seed
            let queue = JobQueue(try Connection(url: url))
            run = try queue.enqueue(
                RunSpec(
                    name: "fan-in", definition: "", definitionHash: "1",
                    stages: [
                        StageSpec(name: "a", job: JobSpec(kind: "planner")),
                        StageSpec(name: "b", job: JobSpec(kind: "last"), needs: ["a"]),
                    ]))
            let session = try queue.openSession(name: "planner")
            let lease = try #require(try queue.claim(session, kinds: ["planner"]).first)
            let backoff = RetryPolicy(baseSeconds: 0, factor: 1, maxSeconds: 0)
            let children = (0..<width).map {
                JobSpec(kind: "child", args: "\($0)", maxAttempts: 4, backoff: backoff)
            }
            let fanOut = FanOut(children: children, then: JobSpec(kind: "join"))
            #expect(try queue.complete(lease, result: "0", fanOut: fanOut) == .done)
            #expect(try queue.complete(lease, result: "0", fanOut: fanOut) == .already)
            try queue.close(session)
            ids = try queue.jobs(run: run, limit: 2 * width).filter { $0.kind == "child" }.map(\.id)
            models = Dictionary(uniqueKeysWithValues: ids.map { ($0, ChildModel()) })
            #expect(ids.count == width)
        }

        /// Works off what there is from `connections` connections.
        func round(_ number: Int, connections: Int, calm: Bool) -> [String] {
            let failures = Mutex<[String]>([])
            DispatchQueue.concurrentPerform(iterations: connections) { index in
                var random = StormRandom(seed &+ UInt64(number * 1000 + index))
                do { try work(index, calm: calm, &random) } catch {
                    failures.withLock { $0.append("\(error)") }
                }
            }
            return failures.withLock { $0 }
        }

        private func work(_ index: Int, calm: Bool, _ random: inout StormRandom) throws {
            let queue = JobQueue(try Connection(url: url, applicationName: "storm \(index)"))
            let session = try queue.openSession(name: "w\(index)", ttlSeconds: 600)
            while true {
                if !calm {
                    let chance = Int.random(in: 0..<10, using: &random)
                    let job = ids[Int.random(in: 0..<ids.count, using: &random)]
                    if chance < 3 { try models[job]?.cancel(job, queue) }
                    if chance > 7 { try models[job]?.retry(job, queue) }
                }
                let limit = Int.random(in: 1...8, using: &random)
                let leases = try queue.claim(session, kinds: ["child"], limit: limit)
                for lease in leases {
                    let model = try #require(models[lease.jobID], "an unknown job was claimed")
                    try model.work(lease, queue, calm: calm, &random)
                }
                if leases.isEmpty, try !queue.hasJobsInSight(run: run, kinds: ["child"]) { break }
            }
            try queue.close(session)
        }

        /// Retries every child that ended badly, from several connections at once.
        func retryAll(connections: Int) -> [String] {
            let failures = Mutex<[String]>([])
            DispatchQueue.concurrentPerform(iterations: connections) { index in
                do {
                    let queue = JobQueue(try Connection(url: url))
                    for (place, id) in ids.enumerated() where place % connections == index {
                        guard let model = models[id] else { continue }
                        let phase = model.state.withLock { $0.phase }
                        if phase != .completed { try model.retry(id, queue) }
                    }
                } catch { failures.withLock { $0.append("\(error)") } }
            }
            return failures.withLock { $0 }
        }
    }

    private static let groups = Statement(
        name: "FanInGroup",
        sql: """
            select expected, pending, ok, bad, fired_at is not null as fired, good
            from ofa.job_group where owner_job is not null
            """)
    private static let attempts = Statement(
        name: "FanInAttempts",
        sql: "select job_id, count(*) as n from ofa.attempt group by job_id")

    /// Compares counters, states and attempts with the model, nobody being at work.
    private func compare(_ storm: Storm, _ queue: JobQueue) throws {
        let states = storm.models.mapValues { $0.state.withLock { $0 } }
        let ok = states.values.filter { $0.phase == .completed }.count
        let group = try queue.connection.queryOne(Self.groups)
        #expect(try group.int("expected") == storm.ids.count)
        #expect(try group.int("pending") == 0)
        #expect(try group.int("ok") == ok)
        #expect(try group.int("bad") == storm.ids.count - ok)
        #expect(try group.bool("fired"))
        #expect(try group.optionalBool("good") == (ok == storm.ids.count))
        let jobs = try queue.jobs(run: storm.run, limit: 2 * storm.ids.count + 10)
        for job in jobs where job.kind == "child" {
            #expect(states[job.id]?.phase.rawValue == job.state.rawValue, "job \(job.id)")
        }
        let join = try #require(jobs.first { $0.kind == "join" })
        #expect(join.state == (ok == storm.ids.count ? .available : .cancelled))
        for row in try queue.connection.query(Self.attempts) {
            guard let state = states[try row.int64("job_id")] else { continue }
            #expect(try row.int("n") == state.attempts)
        }
        #expect(try queue.audit() == [])
    }

    @Test("a wide fan-in under failures, cancels, retries and duplicates does what its model says")
    func storm() throws {
        let width = ScaledForm.pick(1000, 10_000), connections = ScaledForm.pick(8, 32)
        let seed = ScaledForm.seed("fan-in of \(width) from \(connections) connections")
        let database = try TemporaryDatabase(), queue = JobQueue(try database.connect())
        let storm = try Storm(database.url, width: width, seed: seed)
        for number in 0..<2 {
            #expect(storm.round(number, connections: connections, calm: false) == [])
            try compare(storm, queue)
            #expect(storm.retryAll(connections: connections) == [])
            #expect(try queue.audit() == [])
        }
        #expect(storm.round(2, connections: connections, calm: true) == [])
        try compare(storm, queue)

        // The fan-in fired as often as it was reopened, and its job runs once, with every result in order.
        let session = try queue.openSession(name: "last")
        let join = try #require(try queue.claim(session, kinds: ["join"], limit: 9).first)
        #expect(try queue.childResults(of: join.jobID) == (0..<width).map { "\($0)" })
        #expect(try queue.complete(join, result: "1") == .done)
        let last = try #require(try queue.claim(session, kinds: ["last", "join"], limit: 9).first)
        #expect(try queue.complete(last, result: "1") == .done)
        #expect(try queue.run(storm.run).state == .completed)
        #expect(try queue.attempts(of: join.jobID).count == 1)
        let tried = storm.models.values.reduce(0) { $0 + $1.state.withLock { $0.attempts } }
        try QueueProof.expect(queue, after: tried, "attempts as the model says", "12 fan-in")
    }

    @Test("a cancel that overtakes a claim and a completion on its way does not deadlock with it")
    func cancelOvertakes() throws {
        let database = try TemporaryDatabase(), queue = JobQueue(try database.connect())
        let run = try queue.enqueue(
            RunSpec(
                name: "r", definition: "", definitionHash: "1",
                stages: [StageSpec(name: "a", job: JobSpec(kind: "work"))]))
        let job = try queue.jobs(run: run)[0].id
        let control = try database.connect(), url = database.url
        func waitForWaiting(_ count: Int) throws {
            let waiting = Statement(
                name: "Waiting",
                sql: """
                    select count(*) as n from pg_stat_activity
                    where datname = current_database() and wait_event_type = 'Lock'
                    """)
            let deadline = ContinuousClock.now + .seconds(60)
            while try queue.connection.queryOne(waiting).int("n") < count {
                try #require(ContinuousClock.now < deadline)
                Thread.sleep(forTimeInterval: 0.001)
            }
        }
        try control.script("begin; select from ofa.run for no key update")
        let cancelled = Mutex<CancelAnswer?>(nil), completed = Mutex<CompletionAnswer?>(nil)
        let canceller = JoinableThread(name: "canceller", stackBytes: 1 << 20) {
            let answer = try JobQueue(try Connection(url: url)).cancel(job: job)
            cancelled.withLock { $0 = answer }
        }
        try waitForWaiting(1)
        // It found nothing running, and waits for the run. Now the job is claimed and completed.
        let session = try queue.openSession(name: "w")
        let lease = try #require(try queue.claim(session, kinds: ["work"]).first)
        let worker = JoinableThread(name: "worker", stackBytes: 1 << 20) {
            let answer = try JobQueue(try Connection(url: url)).complete(lease, result: "1")
            completed.withLock { $0 = answer }
        }
        try waitForWaiting(2)
        try control.script("commit")
        try canceller.join()
        try worker.join()
        #expect(completed.withLock { $0 } == .done)
        #expect(cancelled.withLock { $0 } == .alreadyEnded)
        try QueueProof.expect(queue, after: 1, "cancel between", "12 cancel overtakes")
    }
}

// Tests of Producer and Slot: how many jobs a worker takes in hand, and what becomes of them. The clock is the test's.
import Foundation
import Postgres
import Schema
import Synchronization
import TestSupport
import Testing

@testable import Jobs

@Suite("Producer")
struct ProducerTests {
    /// A producer and a slot on one thread, and a board with a clock that only the test moves.
    private struct Bench {
        let fixture: QueueFixture
        let board: WorkerBoard
        let session: Session
        let budget: HostBudget
        var producer: Producer
        let slot: Slot
        var held: [Lease] { board.view.held.map(\.lease) }

        init(
            jobs: Int, time: Clock = Clock(), budget: HostBudget? = nil,
            observer: (any AttemptObserver)? = nil,
            _ body: @escaping @Sendable (JobContext) throws -> Void
        ) throws {
            fixture = try QueueFixture()
            _ = try fixture.enqueueMany(jobs)
            board = try WorkerBoard(clock: { time.now })
            session = try fixture.queue.openSession(name: "w", ttlSeconds: 3000)
            board.begin(session, openedAt: time.now)
            let options = WorkerOptions(prefetch: 64, ttlSeconds: 3000, report: { _ in })
            let registry: [String: any JobHandler] = [
                "work": ClosureHandler { context in
                    try body(context)
                    return JobOutput()
                }
            ]
            let url = fixture.database.url
            self.budget = budget ?? HostBudget()
            producer = Producer(
                queue: fixture.queue, board: board, options: options, registry: registry,
                observer: observer, budget: self.budget, databaseURL: url)
            slot = Slot(
                number: 0, databaseURL: url, registry: registry, options: options,
                observer: observer, board: board, budget: self.budget)
        }

        /// Claims, and returns how many jobs that were.
        mutating func claim() throws -> Int {
            producer.collect()
            return try producer.round(
                session, budget.room(kinds: ["work"], limit: producer.size))
        }

        /// Runs the jobs in hand, one after the other.
        func workOff() throws {
            var finished: Finished?
            while let held = board.next(slot: 0, after: finished) {
                finished = try slot.work(held)
            }
        }
    }

    @Test("short jobs are claimed with the ends of others, before a slot runs out of them")
    func ahead() throws {
        let time = Clock()
        var bench = try Bench(jobs: 300, time: time) { _ in }
        while bench.producer.size < 64 {
            _ = try bench.claim()
            try bench.workOff()
        }
        #expect(try bench.claim() == 64)
        var finished: Finished?
        for _ in 0..<40 {
            let held = try #require(bench.board.next(slot: 0, after: finished))
            finished = try bench.slot.work(held)
        }
        var work = bench.board.work
        #expect(work.inbox == 24 && !work.isStarving)
        // Not yet: others may do with what is in hand.
        _ = try bench.producer.exchange(bench.session, &work, time.now)
        #expect(work.inbox == 24)
        time.pass(Producer.endSeconds)
        _ = try bench.producer.exchange(bench.session, &work, time.now)
        #expect(work.inbox == 64)
        #expect(bench.held.count == 65, "one is at work")
    }

    /// A clock that only the test moves.
    private final class Clock: Sendable {
        private let seconds = Mutex(0.0)
        var now: Double { seconds.withLock { $0 } }
        func pass(_ more: Double) { seconds.withLock { $0 += more } }
    }

    /// Meters nothing but that there was an attempt.
    private struct Meter: AttemptObserver {
        func start(_ lease: Lease) {}
        func end(_ lease: Lease, outcome: AttemptOutcome) -> AttemptUse? {
            AttemptUse(
                zone: "world", wallNs: 1, cpuNs: 1, energy: nil, method: "test", tier: "U")
        }
    }

    @Test(
        "metered jobs under a budget end with the next claim, all at one moment, each with its meter row"
    )
    func metered() throws {
        let budget = HostBudget(threads: 4, memoryMB: 1000)
        var bench = try Bench(jobs: 300, budget: budget, observer: Meter()) { _ in }
        var batches = 0
        while try bench.claim() > 0 {
            try bench.workOff()
            batches += 1
        }
        #expect(batches == 7)
        let row = try bench.fixture.queue.connection.queryOne(
            Statement(
                name: "Ended",
                sql: "SELECT count(*) AS metered, count(DISTINCT attempt.ended_at) AS moments "
                    + "FROM ofa.attempt JOIN ofa.meter USING (token) WHERE meter.outcome = 'completed'"
            ))
        #expect(try row.int("metered") == 300)
        #expect(try row.int("moments") == batches)
        try bench.fixture.expectSound()
    }

    @Test("what was fenced has no meter row, but for the one with which it is given back")
    func fencedIsNotMetered() throws {
        var bench = try Bench(jobs: 1, observer: Meter()) { _ in }
        #expect(try bench.claim() == 1)
        try bench.workOff()
        try bench.fixture.queue.connection.script(
            "UPDATE ofa.session SET beat_at = ofa.now() - ttl - interval '1 s'")
        _ = try bench.claim()
        let job = try bench.fixture.queue.jobs()[0]
        #expect(job.state == .available)
        #expect(
            try bench.fixture.queue.attempts(of: job.id).map(\.outcome) == [.released])
        let count = Statement(name: "Meters", sql: "SELECT count(*) AS n FROM ofa.meter")
        #expect(try bench.fixture.queue.connection.queryOne(count).int("n") == 0)
    }

    @Test("batches grow while jobs are short, up to the most that is wanted")
    func grows() throws {
        var bench = try Bench(jobs: 300) { _ in }
        var sizes: [Int] = []
        while case let count = try bench.claim(), count > 0 {
            sizes.append(count)
            try bench.workOff()
        }
        #expect(sizes == [1, 16, 64, 64, 64, 64, 27])
        #expect(try bench.fixture.queue.jobs(state: .completed).count == 300)
        #expect(bench.held.isEmpty)
        try bench.fixture.expectSound()
    }

    @Test("a batch stays one job while jobs are long, and shrinks when they get long")
    func staysSmall() throws {
        let clock = Clock()
        var bench = try Bench(jobs: 40, time: clock) { context in
            // Short ones first; from the twenty-second on they take long.
            clock.pass(context.lease.ordinal < 5 || context.lease.ordinal > 20 ? 1 : 0.001)
        }
        var sizes: [Int] = []
        while case let count = try bench.claim(), count > 0, sizes.count < 30 {
            sizes.append(count)
            try bench.workOff()
        }
        #expect(sizes[..<5] == [1, 1, 1, 1, 1])
        #expect(sizes.max() ?? 0 > 1)
        #expect(sizes.suffix(5) == [1, 1, 1, 1, 1])
        try bench.fixture.expectSound()
    }

    @Test("a job that is cancelled while it waits in hand is not run")
    func cancelledInHand() throws {
        let ran = Mutex<[Int]>([])
        var bench = try Bench(jobs: 5) { context in
            ran.withLock { $0.append(context.lease.ordinal) }
        }
        _ = try bench.claim()
        try bench.workOff()
        #expect(try bench.claim() == 4)
        let victim = try #require(bench.board.view.held.dropFirst(2).first)
        #expect(try bench.fixture.queue.cancel(job: victim.lease.jobID) == .requested)
        let beat = try bench.fixture.queue.beat(bench.session, holding: bench.held)
        #expect(beat?.cancelled == [victim.lease.token])
        victim.signal.interrupt(.cancelled)
        try bench.workOff()
        #expect(try bench.claim() == 0)
        #expect(ran.withLock { $0 } == [0, 1, 2, 4])
        #expect(try bench.fixture.queue.job(victim.lease.jobID).state == .cancelled)
        try bench.fixture.expectSound()
    }

    /// A worker of one slot on the fixture's queue that takes up to 64 jobs in hand.
    private func worker(
        _ fixture: QueueFixture, untilIdle: Bool = true, observer: (any AttemptObserver)? = nil,
        _ body: @escaping @Sendable (JobContext) throws -> JobOutput
    ) throws -> Worker {
        try Worker(
            databaseURL: fixture.database.url, registry: ["work": ClosureHandler(body)],
            options: WorkerOptions(
                prefetch: 64, ttlSeconds: 30, untilIdle: untilIdle, report: { _ in }),
            observer: observer)
    }

    @Test("a worker that is asked to go ends the job it is at and gives back what it had not begun")
    func drain() throws {
        let fixture = try QueueFixture(), running = Mutex<Worker?>(nil)
        _ = try fixture.enqueueMany(5)
        let made = try worker(fixture, untilIdle: false) { context in
            if context.lease.ordinal == 2 { running.withLock { $0?.requestDrain() } }
            return JobOutput()
        }
        running.withLock { $0 = made }
        try made.run()
        let jobs = try fixture.queue.jobs()
        let states: [JobState] = [.completed, .completed, .completed, .available, .available]
        #expect(jobs.map(\.state) == states)
        #expect(jobs.suffix(2).map(\.attempt) == [0, 0])
        #expect(jobs.suffix(2).map(\.crashes) == [0, 0])
        try fixture.expectSound()
    }

    @Test("jobs in hand that no slot begins go back to the queue, whole, while a long one runs")
    func unbegun() throws {
        let fixture = try QueueFixture(), queue = fixture.queue
        _ = try fixture.enqueueMany(60, JobSpec(kind: "work", timeoutSeconds: 3600))
        let isLong = DispatchSemaphore(value: 0), goOn = DispatchSemaphore(value: 0)
        let made = try worker(fixture) { context in
            if context.lease.ordinal == 22 {
                isLong.signal()
                goOn.wait()
            }
            return JobOutput()
        }
        let thread = JoinableThread(name: "w", stackBytes: 1 << 20) { try made.run() }
        isLong.wait()
        try fixture.wait { try queue.jobs(state: .running).count == 1 }
        let free = try queue.jobs(state: .available)
        #expect(free.allSatisfy { $0.attempt == 0 && $0.crashes == 0 })
        // What was done before is written down, though the slot is not free.
        #expect(try queue.jobs(state: .completed).count == 59 - free.count)
        goOn.signal()
        try thread.join()
        #expect(try queue.jobs(state: .completed).count == 60)
        // Nothing was tried of those that went back, and nothing is charged for them.
        #expect(try queue.jobs().allSatisfy { $0.attempts == 1 })
        let spent = Statement(name: "Spent", sql: "select sum(attempts)::int as n from ofa.spent")
        #expect(try queue.connection.queryOne(spent).int("n") == 60)
        try fixture.expectSound()
    }

    @Test("an end that is refused fails its own job; the others of the batch are done")
    func refused() throws {
        let fixture = try QueueFixture()
        _ = try fixture.enqueueMany(40)
        let broken = Statement(name: "Broken", sql: "select 1 / $1::int")
        try worker(fixture, observer: Meter()) { context in
            let divisor = context.lease.ordinal % 10 == 7 ? 0 : 1
            return JobOutput(records: [Request(broken, [.int(divisor)])])
        }.run()
        let jobs = try fixture.queue.jobs()
        #expect(jobs.filter { $0.state == .completed }.count == 36)
        let bad = jobs.filter { $0.state == .discarded }
        #expect(bad.map(\.ordinal) == [7, 17, 27, 37])
        #expect(bad.allSatisfy { $0.reason?.contains("division by zero") == true })
        #expect(bad.allSatisfy { $0.attempts == 1 })
        // What they used is metered all the same.
        let metered = Statement(
            name: "Metered", sql: "select count(*) as n from ofa.meter where outcome = 'failed'")
        #expect(try fixture.queue.connection.queryOne(metered).int("n") == 4)
        try fixture.expectSound()
    }

    @Test("an end whose bytes were collected meanwhile is tried again")
    func bytesGone() throws {
        let fixture = try QueueFixture()
        let soon = RetryPolicy(baseSeconds: 0.01, jitter: 0)
        _ = try fixture.enqueueMany(3, JobSpec(kind: "work", backoff: soon))
        let pin = Statement(
            name: "Pin", sql: "insert into ofa.pin (digest, reason) values ($1::bytea, 'x')")
        try worker(fixture) { context in
            guard context.lease.ordinal == 1, context.lease.attempt == 1 else {
                return JobOutput()
            }
            return JobOutput(records: [
                Request(pin, [.bytes([UInt8](repeating: 1, count: 32))])
            ])
        }.run()
        let jobs = try fixture.queue.jobs()
        #expect(jobs.map(\.state) == [.completed, .completed, .completed])
        #expect(jobs.map(\.attempts) == [1, 2, 1])
        try fixture.expectSound()
    }

    @Test("a worker whose term is over runs nothing of what it has in hand")
    func fencedInHand() throws {
        let clock = Clock()
        let ran = Mutex(0)
        var bench = try Bench(jobs: 5, time: clock) { _ in
            ran.withLock { $0 += 1 }
            clock.pass(0)
        }
        _ = try bench.claim()
        try bench.workOff()
        #expect(try bench.claim() == 4)
        clock.pass(2001)
        try bench.workOff()
        #expect(ran.withLock { $0 } == 1)
        bench.producer.collect()
        #expect(try bench.producer.round(bench.session, nil) == 0)
        #expect(try bench.fixture.queue.jobs(state: .available).count == 4)
        try bench.fixture.expectSound()
    }
}

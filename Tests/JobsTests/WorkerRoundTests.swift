// Tests of WorkerRound: how many jobs a worker takes in hand, and what becomes of them. The clock is the test's.
import Foundation
import Postgres
import Schema
import Synchronization
import TestSupport
import Testing

@testable import Jobs

@Suite("WorkerRound")
struct WorkerRoundTests {
    /// A round on a queue, a board with a clock that only the test moves.
    private struct Bench {
        let fixture: QueueFixture
        let board: WorkerBoard
        let session: Session
        var round: WorkerRound
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
            round = WorkerRound(
                queue: fixture.queue, board: board,
                options: WorkerOptions(
                    prefetch: 64, budget: budget, ttlSeconds: 3000, report: { _ in }),
                registry: [
                    "work": ClosureHandler { context in
                        try body(context)
                        return JobOutput()
                    }
                ], observer: observer)
        }

        /// Claims, and returns how many jobs that were.
        mutating func claim() throws -> Int {
            try round.endAndClaim(session, ["work"]) ? held.count : 0
        }
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
            try bench.round.workOff()
            batches += 1
        }
        #expect(batches == 8)
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
        try bench.round.workOff()
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
            try bench.round.workOff()
        }
        #expect(sizes == [1, 4, 16, 64, 64, 64, 64, 23])
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
            try bench.round.workOff()
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
        try bench.round.workOff()
        #expect(try bench.claim() == 4)
        let victim = bench.board.view.held[2]
        #expect(try bench.fixture.queue.cancel(job: victim.lease.jobID) == .requested)
        let beat = try bench.fixture.queue.beat(bench.session, holding: bench.held)
        #expect(beat?.cancelled == [victim.lease.token])
        victim.signal.interrupt(.cancelled)
        try bench.round.workOff()
        #expect(try bench.claim() == 0)
        #expect(ran.withLock { $0 } == [0, 1, 2, 4])
        #expect(try bench.fixture.queue.job(victim.lease.jobID).state == .cancelled)
        try bench.fixture.expectSound()
    }

    @Test("a worker that is asked to go ends the job it is at and gives back what it had not begun")
    func drain() throws {
        let board = Mutex<WorkerBoard?>(nil)
        var bench = try Bench(jobs: 5) { context in
            if context.lease.ordinal == 2 { board.withLock { $0?.drain() } }
        }
        board.withLock { $0 = bench.board }
        _ = try bench.claim()
        try bench.round.workOff()
        #expect(try bench.claim() == 4)
        try bench.round.workOff()
        #expect(bench.round.hasEndings)
        #expect(try !bench.round.endAndClaim(bench.session, []))
        #expect(bench.held.isEmpty)
        let jobs = try bench.fixture.queue.jobs()
        let states: [JobState] = [.completed, .completed, .completed, .available, .available]
        #expect(jobs.map(\.state) == states)
        #expect(jobs.suffix(2).map(\.attempt) == [0, 0])
        #expect(jobs.suffix(2).map(\.crashes) == [0, 0])
        try bench.fixture.expectSound()
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
        try bench.round.workOff()
        #expect(try bench.claim() == 4)
        clock.pass(2001)
        try bench.round.workOff()
        #expect(ran.withLock { $0 } == 1)
        #expect(try bench.fixture.queue.jobs(state: .available).count == 4)
        try bench.fixture.expectSound()
    }
}

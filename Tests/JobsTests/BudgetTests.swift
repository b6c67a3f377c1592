// Tests of budgets: what was metered is compared, runs are held and let go, and nothing is lost on the way.
import Foundation
import Postgres
import Schema
import TestSupport
import Testing

@testable import Jobs

@Suite("Budgets")
struct BudgetTests {
    private let fixture: QueueFixture
    private let queue: JobQueue
    private let session: Session
    private let clock = Clock()

    /// How far the database's clock was moved, and how many seconds were metered.
    private final class Clock {
        var seconds = 0.0
        var metered: Int64 = 0
    }

    init() throws {
        fixture = try QueueFixture()
        queue = fixture.queue
        session = try queue.openSession(name: "w")
    }

    /// Meters `joules`, all of them used by one attempt, in the second after what was metered before.
    private func meter(_ joules: Int64, _ job: JobID, _ token: Int64) throws {
        let row = try queue.connection.queryOne(
            Statement(name: "Now", sql: "select extract(epoch from ofa.now())::bigint as s"))
        let second: Int64 = 1_000_000, from = try row.int64("s") * second + clock.metered * second
        clock.metered += 1
        var counts = EnergyReport.Counts()
        (counts.uses, counts.intervals) = (1, 1)
        let answer = try queue.add(
            EnergyReport(
                process: UUID(), untilUs: from + second, isLast: true, zone: "world",
                method: "test", tier: "M", counts: counts,
                uses: [
                    .init(
                        job: job, token: token, fromUs: from, untilUs: from + second,
                        reservedNs: 1000 * second, cpuNs: 1000 * second)
                ],
                intervals: [
                    .init(
                        fromUs: from, untilUs: from + second, capacityNs: 1000 * second,
                        busyNs: 1000 * second, othersNs: 0,
                        idle: .init(microjoules: 0, low: 0, high: 0),
                        load: .init(
                            microjoules: joules * 1_000_000, low: joules * 500_000,
                            high: joules * 2_000_000))
                ]))
        #expect(answer.late == 0)
    }

    private func meter(_ joules: Int64, _ lease: Lease) throws {
        try meter(joules, lease.jobID, lease.token)
    }

    /// Checks budgets as a worker does, two seconds after the last check.
    private func check(_ leases: [Lease] = []) throws -> [Int64: String] {
        clock.seconds += 2
        try fixture.advance(to: clock.seconds)
        return try queue.checkBudgets(leases)
    }

    private func limit(joules: Int64) -> EnergyBudget.Limits {
        .init(microjoules: joules * 1_000_000)
    }

    @Test("a run is held by the joule that reaches its budget, not before; lifted, it goes on")
    func held() throws {
        let run = try fixture.enqueueMany(3)
        let other = try fixture.enqueueOne(name: "other")
        let lease = try #require(try queue.claim(session, kinds: ["work"], run: run).first)
        try queue.setBudget(.run(run), limit(joules: 10), isSoft: false)
        try meter(9, lease)
        #expect(try check([lease]) == [:])
        try meter(1, lease)
        #expect(try check([lease]) == [lease.token: "0.000002778 of 0.000002778 kWh"])
        #expect(try queue.reachedBudgets(of: run).map(\.isSoft) == [false])
        let budget = try #require(try queue.budgets().first)
        #expect(budget.usedMicrojoules == 10_000_000 && budget.held == 1)
        #expect(budget.usedMicrograms > 0)
        // Nothing of it is claimed, now or later, also what it gives back.
        #expect(try queue.release(lease, reason: "held") == .done)
        #expect(try queue.claim(session, kinds: ["work"], limit: 9).map(\.runID) == [other])
        #expect(try !queue.hasJobsInSight(run: run, kinds: ["work"]))
        #expect(try fixture.states(run).values.allSatisfy { $0 == "scheduled,scheduled,scheduled" })
        try fixture.expectSound()
        #expect(try queue.liftBudget(.run(run)))
        #expect(try !queue.liftBudget(.run(run)))
        #expect(try queue.claim(session, kinds: ["work"], run: run, limit: 9).count == 3)
        #expect(try queue.budgets().isEmpty && queue.reachedBudgets(of: run).isEmpty)
        try fixture.expectSound()
    }

    @Test("a larger budget lets a held run go on; a soft one only warns")
    func replaced() throws {
        let run = try fixture.enqueueMany(2)
        let lease = try fixture.claimOne(session)
        try meter(10, lease)
        // What was used before counts, and the comparison is made at once.
        try queue.setBudget(.run(run), limit(joules: 5), isSoft: false)
        #expect(try check([lease]).keys.sorted() == [lease.token])
        try queue.setBudget(.run(run), limit(joules: 11), isSoft: false)
        #expect(try check([lease]) == [:])
        #expect(try queue.claim(session, kinds: ["work"]).count == 1)
        try queue.setBudget(.run(run), limit(joules: 5), isSoft: true)
        #expect(try check([lease]) == [:])
        let reached = try queue.reachedBudgets(of: run)
        #expect(reached.map(\.isSoft) == [true] && reached[0].reason.contains("kWh"))
        try fixture.expectSound()
    }

    @Test(
        "money counts in the budget's currency alone: time in another one or without a price is said, not added"
    )
    func money() throws {
        let run = try fixture.enqueueMany(2)
        let lease = try fixture.claimOne(session)
        func limit(_ euros: Int64, _ currency: String = "EUR") throws {
            try queue.setBudget(
                .run(run), .init(money: .init(millionths: euros * 1_000_000, currency: currency)),
                isSoft: false)
        }
        try meter(1, lease)
        try limit(3)
        var budget = try #require(try queue.budgets().first)
        #expect(budget.limits.money?.millionths == 3_000_000)
        #expect(budget.limits.money?.currency == "EUR")
        #expect(budget.usedMoneyMillionths == nil)
        #expect(budget.uncounted?.nanoseconds == 1_000_000_000)
        #expect(budget.uncounted?.currencies == [])
        // A second of a processor costs a euro.
        try queue.connection.script(
            """
            insert into ofa.host_setting (host_id, valid_from, actor, currency, rental_per_cpu_hour)
            select id, '2020-01-01', 'test', 'EUR', 3600 from ofa.host
            """)
        #expect(try check([lease]) == [:])
        try meter(1, lease)
        #expect(try check([lease]) == [:])
        budget = try #require(try queue.budgets().first)
        #expect(budget.usedMoneyMillionths == 2_000_000 && budget.uncounted == nil)
        #expect(try queue.uncountedBudgets(of: run).isEmpty)
        try meter(1, lease)
        #expect(try check([lease]) == [lease.token: "3 of 3 EUR"])
        // Three euros are no dollar.
        try limit(1, "USD")
        #expect(try check([lease]) == [:])
        budget = try #require(try queue.budgets().first)
        #expect(budget.usedMoneyMillionths == nil && budget.reason == nil)
        let uncounted = try #require(try queue.uncountedBudgets(of: run).first)
        #expect(uncounted.currency == "USD" && uncounted.pipeline == nil)
        #expect(uncounted.uncounted.nanoseconds == 3_000_000_000)
        #expect(uncounted.uncounted.currencies == ["EUR"])
        try fixture.expectSound()
    }

    @Test("a budget of a name holds all its runs, also those that are enqueued later")
    func pipeline() throws {
        let first = try fixture.enqueueOne(name: "nightly")
        let lease = try fixture.claimOne(session)
        try meter(10, lease)
        try queue.setBudget(.pipeline("nightly"), limit(joules: 10), isSoft: false)
        #expect(try check([lease]).values.first?.hasSuffix("of all runs named nightly") == true)
        #expect(try queue.complete(lease, result: "{}") == .done)
        #expect(try queue.run(first).state == .completed)
        let second = try fixture.enqueueOne(name: "nightly")
        _ = try check()
        #expect(try queue.claim(session, kinds: ["work"]).isEmpty)
        #expect(try queue.reachedBudgets(of: second).count == 1)
        #expect(try queue.liftBudget(.pipeline("nightly")))
        #expect(try queue.claim(session, kinds: ["work"]).map(\.runID) == [second])
        try fixture.expectSound()
    }

    @Test(
        "the jobs of a stage that begins while its run is held wait too, and the run can be cancelled"
    )
    func laterStages() throws {
        let run = try fixture.enqueueChain(["a", "b", "c"])
        let lease = try fixture.claimOne(session)
        try meter(10, lease)
        try queue.setBudget(.run(run), limit(joules: 1), isSoft: false)
        #expect(try queue.complete(lease, result: "{}") == .done)
        #expect(try fixture.states(run) == ["a": "completed", "b": "scheduled", "c": "blocked"])
        #expect(try queue.claim(session, kinds: ["work"]).isEmpty)
        try queue.cancel(run: run)
        #expect(try queue.run(run).state == .cancelled)
        _ = try check()
        try fixture.expectSound()
        #expect(try queue.budgets().map(\.held) == [0])
    }

    @Test("a job that an end puts back while its run is held or let go is found by the next check")
    func stragglers() throws {
        let run = try fixture.enqueueMany(2)
        let lease = try fixture.claimOne(session)
        try meter(10, lease)
        func set(_ change: String) throws {
            try queue.connection.script("update ofa.live set \(change) where state <> 'running'")
        }
        try queue.setBudget(.run(run), limit(joules: 1), isSoft: false)
        try set("state = 'available', due_at = null")
        _ = try check()
        #expect(try queue.claim(session, kinds: ["work"]).isEmpty)
        #expect(try queue.liftBudget(.run(run)))
        try set("state = 'scheduled', due_at = ofa.never()")
        #expect(try queue.claim(session, kinds: ["work"]).isEmpty)
        _ = try check()
        #expect(try queue.claim(session, kinds: ["work"]).count == 1)
    }

    @Test(
        "a worker stops a job whose run is held at its checkpoint, and takes it up when the budget is lifted"
    )
    func worker() throws {
        let run = try fixture.enqueueOne(), started = DispatchSemaphore(value: 0)
        let worker = try testWorker(fixture.database.url, untilIdle: false) { context in
            if let saved = try context.checkpoints().first {
                return JobOutput(result: "\(saved.seq)")
            }
            started.signal()
            while !context.isDraining {
                try context.stopIfCancelled()
                Thread.sleep(forTimeInterval: 0.005)
            }
            try context.saveCheckpoint(seq: 7, payload: "{}")
            try context.stopIfAsked()
            return JobOutput(result: "0")
        }
        let thread = JoinableThread(name: "worker", stackBytes: 1 << 20) { try worker.run() }
        started.wait()
        let job = try queue.jobs(run: run)[0]
        let token = try #require(try queue.attempts(of: job.id).first).token
        try queue.setBudget(.run(run), limit(joules: 10), isSoft: false)
        try meter(10, job.id, token)
        try fixture.wait { try queue.jobs(run: run)[0].state == .scheduled }
        #expect(try queue.attempts(of: job.id).map(\.outcome) == [.released])
        #expect(try queue.liftBudget(.run(run)))
        try fixture.wait { try queue.run(run).state == .completed }
        #expect(try queue.results(run: run, stage: "only") == ["7"])
        worker.requestDrain()
        try thread.join()
        try fixture.expectSound()
    }

    @Test("a budget needs a limit and a run that may still use something")
    func refused() throws {
        let run = try fixture.enqueueOne()
        #expect(throws: JobsError.self) {
            try queue.setBudget(.run(run), .init(), isSoft: false)
        }
        #expect(throws: JobsError.self) {
            try queue.setBudget(.run(run), .init(microjoules: 0), isSoft: false)
        }
        #expect(throws: JobsError.self) {
            try queue.setBudget(
                .run(run), .init(money: .init(millionths: 0, currency: "EUR")), isSoft: false)
        }
        let unknown = #expect(throws: JobsError.self) {
            try queue.setBudget(.run(99), limit(joules: 1), isSoft: false)
        }
        #expect(unknown?.code == .notFound)
        #expect(try queue.complete(try fixture.claimOne(session), result: "{}") == .done)
        let ended = #expect(throws: JobsError.self) {
            try queue.setBudget(.run(run), limit(joules: 1), isSoft: false)
        }
        #expect(ended?.code == .wrongState && ended?.message.contains("is completed") == true)
        #expect(try queue.budgets().isEmpty)
    }
}

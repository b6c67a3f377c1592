// Deferred runs in the queue: nothing of them starts before its time, nothing is lost, and only what has not started is planned
// anew.

import Foundation
import Metering
import Postgres
import Schema
import TestSupport
import Testing

@testable import Accounting
@testable import Jobs

@Suite struct DeferralLedgerTests {
    private let database: TemporaryDatabase
    private let connection: Connection
    private let queue: JobQueue
    private let session: Session
    private let ledger: DeferralLedger
    /// The begin of the current hour.
    private let hour = Date(
        timeIntervalSince1970: (Date().timeIntervalSince1970 / 3600).rounded(.down) * 3600)

    init() throws {
        database = try TemporaryDatabase()
        connection = try database.connect()
        queue = JobQueue(connection)
        session = try queue.openSession(name: "test", ttlSeconds: 100_000)
        ledger = DeferralLedger(connection)
    }

    /// Enqueues a run of two stages whose start may wait for 9 hours; it takes an hour.
    private func enqueue(_ name: String = "late", fails: Bool = false) throws -> RunID {
        struct Stop: Error {}
        return try queue.enqueue(
            RunSpec(
                name: name, definition: "", definitionHash: name,
                stages: [stage("full"), stage("search", kind: "search", needs: ["full"])])
        ) { connection in
            _ = try DeferralLedger(connection).begin(
                name: name, definitionHash: name,
                Deferral(deadline: hour + 10 * 3600, seconds: 3600), zone: "DEU", workers: 1)
            if fails { throw Stop() }
        }.run
    }

    /// Imports a forecast from the current hour on whose hour `cheap` is the cheapest.
    @discardableResult
    private func forecast(cheap: Int, issued: Date? = nil) throws -> ForecastImport {
        try importForecast(
            forecastText((0..<12).map { $0 == cheap ? 50 : 400 }, from: hour), issued: issued,
            connection)
    }

    /// Moves the clock of the connection to a time.
    private func move(to date: Date) throws {
        let milliseconds = Int((date.timeIntervalSince(Date()) * 1000).rounded())
        try connection.script("SET ofa.clock_offset = '\(milliseconds) ms'")
    }

    private func claim() throws -> [Lease] {
        _ = try queue.ask(.jobPromote)
        return try queue.claim(session, kinds: ["train", "search"], limit: 9)
    }

    private func states(_ run: RunID) throws -> [JobState] {
        try queue.jobs(run: run).map(\.state)
    }

    @Test("a deferred run is started by any worker at its time, and not before")
    func starts() throws {
        try forecast(cheap: 5)
        let run = try enqueue()
        let deferred = try #require(try ledger.deferred(run))
        #expect(deferred.waits && deferred.startsAt == hour + 5 * 3600)
        #expect(deferred.plan?.rule == .cheapest && deferred.zone == "DEU")
        #expect(try states(run) == [.scheduled, .blocked])
        #expect(try claim().isEmpty)
        #expect(try queue.hasJobsInSight(run: run, kinds: ["train"]))
        #expect(try queue.audit() == [])
        try move(to: hour + 5 * 3600 - 5)
        #expect(try claim().isEmpty)
        try move(to: hour + 5 * 3600 + 5)
        let lease = try #require(try claim().first)
        #expect(lease.runID == run)
        #expect(try ledger.deferred(run)?.waits == false)
        // What comes after it does not wait again.
        #expect(try queue.complete(lease, result: "{}") == .done)
        #expect(try claim().count == 1)
        #expect(try queue.audit() == [])
    }

    @Test(
        "a newer forecast plans the runs anew that wait; an older one and a started run change nothing"
    )
    func plannedAnew() throws {
        try forecast(cheap: 5, issued: Date() - 7200)
        let run = try enqueue()
        let moved = try forecast(cheap: 3)
        #expect(moved.planned.map(\.run) == [run] && moved.kept.isEmpty)
        #expect(moved.planned.first?.before == hour + 5 * 3600)
        #expect(moved.planned.first?.starts_at == hour + 3 * 3600)
        #expect(try queue.jobs(run: run).first?.dueAt == hour + 3 * 3600)
        let older = try forecast(cheap: 7, issued: Date() - 9000)
        #expect(older.planned.first?.starts_at == hour + 3 * 3600)
        // Only from the state that was read: a plan that another program made meanwhile is kept.
        let stale = try connection.queryOne(
            .startPlan(
                run: run, plans: 1, startsUs: (hour + 8 * 3600).microseconds, forecast: nil,
                plan: "{}"))
        #expect(try stale.bool("planned") == false)
        try move(to: hour + 3 * 3600 + 1)
        let late = try forecast(cheap: 8)
        #expect(late.planned.isEmpty && late.kept.isEmpty)
        #expect(try ledger.planStart(run) == nil)
        let lease = try #require(try claim().first)
        // Neither while it runs, nor by a clock that was set back.
        try move(to: Date())
        #expect(try ledger.planStart(run) == nil)
        try move(to: hour + 3 * 3600 + 9)
        #expect(try queue.release(lease, reason: "test") == .done)
        try move(to: Date())
        #expect(try ledger.planStart(run) == nil)
        #expect(try ledger.deferred(run)?.startsAt == hour + 3 * 3600)
    }

    @Test("a deferral is whole or not at all, and only in the transaction that creates the run")
    func whole() throws {
        try forecast(cheap: 5)
        #expect(throws: (any Error).self) { try enqueue("broken", fails: true) }
        #expect(try queue.runs().isEmpty)
        let plain = try queue.enqueue(
            RunSpec(name: "p", definition: "", definitionHash: "p", stages: [stage("full")]))
        let error = #expect(throws: AccountingError.self) {
            try ledger.begin(
                name: "p", definitionHash: "p", Deferral(deadline: hour + 36_000, seconds: 60),
                zone: "DEU", workers: 1)
        }
        #expect(error?.code == .changed)
        #expect(try ledger.deferred(plain) == nil)
        #expect(try claim().map(\.runID) == [plain])
        let saving = try CostLedger(connection).saving(
            run: plain, factors: FactorSet.load(connection))
        #expect(saving == nil)
    }

    @Test("a job that another program has locked is not waited for: the run keeps its start")
    func locked() throws {
        try forecast(cheap: 5, issued: Date() - 60)
        let run = try enqueue()
        let other = try database.connect()
        try other.transaction { other in
            _ = try other.query(
                Statement(name: "Hold", sql: "select job_id from ofa.live for update"))
            let answer = try forecast(cheap: 3)
            #expect(answer.planned.isEmpty && answer.kept == [run])
        }
        #expect(try queue.jobs(run: run).first?.dueAt == hour + 5 * 3600)
        #expect(try ledger.planStart(run)?.starts_at == hour + 3 * 3600)
    }

    @Test("a cancelled run never starts; tried again before its time, it waits for it")
    func cancelled() throws {
        try forecast(cheap: 5)
        let run = try enqueue()
        try queue.cancel(run: run)
        #expect(try queue.run(run).state == .cancelled)
        #expect(try ledger.deferred(run)?.waits == false)
        #expect(try forecast(cheap: 4).planned.isEmpty)
        #expect(try queue.retry(run: run) > 0)
        #expect(try ledger.deferred(run)?.waits == true && states(run) == [.scheduled, .blocked])
        #expect(try claim().isEmpty)
        try move(to: hour + 5 * 3600 + 1)
        #expect(try claim().count == 1)
        #expect(try queue.audit() == [])
    }

    @Test(
        "a deferred run whose budget is reached is held beyond its start; let go before, it waits on"
    )
    func budgets() throws {
        try forecast(cheap: 5, issued: Date() - 60)
        let run = try enqueue()
        // A budget that is reached, as check_budgets finds one.
        try connection.script(
            """
            insert into ofa.budget (run_id, since, max_uj, is_soft, reached_at, reason)
            values (\(run), '-infinity', 1, false, ofa.now(), 'test');
            select ofa.hold_runs()
            """)
        // Its start is planned all the same, and its jobs stay held.
        #expect(try forecast(cheap: 3).planned.map(\.starts_at) == [hour + 3 * 3600])
        #expect((try queue.jobs(run: run).first?.dueAt ?? hour) > hour + 1e6)
        #expect(try queue.liftBudget(.run(run)))
        #expect(try queue.jobs(run: run).first?.dueAt == hour + 3 * 3600)
        #expect(try claim().isEmpty)
        try move(to: hour + 3 * 3600 + 1)
        #expect(try claim().count == 1)
    }

    @Test("without a forecast a deferrable run starts at once")
    func atOnce() throws {
        let run = try enqueue()
        let deferred = try #require(try ledger.deferred(run))
        #expect(deferred.plan?.rule == .noForecast)
        #expect(deferred.startsAt <= Date() + 2)
        try move(to: Date() + 3)
        #expect(try claim().map(\.runID) == [run])
        #expect(try ledger.deferred(run)?.waits == false)
    }
}

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
    private func enqueue(_ name: String = "late", workers: Int? = 1, fails: Bool = false) throws
        -> RunID
    {
        struct Stop: Error {}
        return try queue.enqueue(
            RunSpec(
                name: name, definition: "", definitionHash: name,
                stages: [stage("full"), stage("search", kind: "search", needs: ["full"])])
        ) { connection in
            _ = try DeferralLedger(connection).begin(
                name: name, definitionHash: name,
                Deferral(deadline: hour + 10 * 3600, seconds: 3600), zone: "DEU", workers: workers)
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

    @Test("a run that has begun is not deferred again when the clock was set back")
    func begun() throws {
        try forecast(cheap: 5, issued: Date() - 60)
        let run = try enqueue()
        try move(to: hour + 5 * 3600 + 1)
        let lease = try #require(try claim().first)
        try move(to: Date())
        #expect(try ledger.deferred(run)?.waits == false)
        #expect(try queue.complete(lease, result: "{}") == .done)
        #expect(try states(run) == [.completed, .available])
        #expect(try ledger.deferred(run)?.waits == false)
        let again = try forecast(cheap: 8)
        #expect(again.planned.isEmpty && again.kept.isEmpty)
        // A job of it that is scheduled for another reason is not moved.
        try connection.script(
            """
            update ofa.live set state = 'scheduled', due_at = ofa.now() + interval '1 hour'
            where run_id = \(run)
            """)
        let planned = try connection.queryOne(
            .startPlan(
                run: run, plans: 1, startsUs: (hour + 8 * 3600).microseconds, forecast: nil,
                plan: "{}"))
        #expect(try planned.bool("planned") == false)
        // Held by a budget and let go, it goes on at once.
        try connection.script(
            """
            insert into ofa.budget (run_id, since, max_uj, is_soft, reached_at, reason)
            values (\(run), '-infinity', 1, false, ofa.now(), 'test');
            select ofa.hold_runs()
            """)
        #expect(try queue.liftBudget(.run(run)))
        #expect(try claim().count == 1)
    }

    @Test("a deadline that has passed is refused for a new run, by the clock of the database")
    func passed() throws {
        try move(to: hour + 11 * 3600)
        let error = #expect(throws: AccountingError.self) { try enqueue() }
        #expect(error?.code == .deadlinePassed && error?.remedy?.contains("later") == true)
        #expect(try queue.runs().isEmpty)
    }

    @Test("a run says which others are planned for the same time, if there are too few slots")
    func others() throws {
        func reason(_ run: RunID) throws -> String {
            try ledger.deferred(run)?.plan?.reason ?? ""
        }
        // The session of this suite has one slot.
        try forecast(cheap: 5, issued: Date() - 60)
        let first = try enqueue("first", workers: nil), second = try enqueue("second", workers: nil)
        #expect(try !reason(first).contains("planned for"))
        #expect(
            try reason(second).contains(
                "; run \(first) is planned for a part of that time too, and living workers have 1 slot,"
            ))
        // What a program executes by itself needs no slot of the workers.
        let third = try enqueue("third")
        #expect(try !reason(third).contains("planned for"))
        let wide = try queue.openSession(name: "wide", ttlSeconds: 100_000, slots: 2)
        let room = try forecast(cheap: 3)
        #expect(room.planned.count == 3)
        #expect(!room.planned.contains { $0.reason.contains("planned for") })
        try queue.close(wide)
        // The first one is planned before the others are, and names them all the same.
        let moved = try forecast(cheap: 7)
        #expect(moved.planned.allSatisfy { $0.starts_at == hour + 7 * 3600 })
        #expect(moved.planned.map(\.run) == [first, second, third])
        #expect(moved.planned.first?.before == hour + 3 * 3600)
        #expect(try reason(first).contains("; runs \(second), \(third) are planned for"))
        #expect(try reason(third).contains("; runs \(first), \(second) are planned for"))
    }

    @Test("a check of budgets locks runs in their order, as an import of a forecast does")
    func lockOrder() throws {
        let first = try enqueue("first"), second = try enqueue("second")
        // The first is to be let go, the second to be held.
        try connection.script(
            """
            insert into ofa.budget (run_id, since, max_uj, is_soft, reached_at, reason, lifted_at)
            values (\(first), '-infinity', 1, false, ofa.now(), 'test', ofa.now()),
              (\(second), '-infinity', 1, false, ofa.now(), 'test', null);
            insert into ofa.run_hold (run_id, budget_id)
            select run_id, id from ofa.budget where run_id = \(first)
            """)
        func lock(_ run: RunID, _ connection: Connection) throws {
            _ = try connection.query(
                Statement(
                    name: "Lock\(run)",
                    sql: "select id from ofa.run where id = \(run) for no key update nowait"))
        }
        let waits = Statement(
            name: "CheckWaits",
            sql: """
                select exists (select from pg_stat_activity where datname = current_database()
                  and application_name = 'check' and wait_event_type = 'Lock') as waits
                """)
        let url = database.url
        let check = try database.connect().transaction { other in
            try lock(first, other)
            let check = JoinableThread(name: "check", stackBytes: 1 << 20) {
                try Connection(url: url, applicationName: "check").script("select ofa.hold_runs()")
            }
            let deadline = ContinuousClock.now + .seconds(60)
            while try !connection.queryOne(waits).bool("waits") {
                try #require(ContinuousClock.now < deadline, "the check does not wait")
                Thread.sleep(forTimeInterval: 0.001)
            }
            // It waits for the first without the second.
            try lock(second, other)
            return check
        }
        try check.join()
        let held = try connection.query(
            Statement(name: "Held", sql: "select run_id from ofa.run_hold"))
        #expect(try held.map { try $0.int64("run_id") } == [second])
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

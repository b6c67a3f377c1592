// Tests of budgets that cannot be compared, and of what a job that is held or released keeps.
import Foundation
import Postgres
import Schema
import Synchronization
import TestSupport
import Testing

@testable import Jobs

@Suite("Budgets in trouble")
struct BudgetTroubleTests {
    @Test("a trouble is told once, until another one comes or it is over")
    func toldOnce() {
        var told = ToldOnce()
        var answers = [told.isOver()]
        for trouble in ["a", "a", "b", "a"] { answers.append(told.isNew(trouble)) }
        answers += [told.isOver(), told.isOver(), told.isNew("a")]
        #expect(answers == [false, true, false, true, true, true, false, true])
    }

    @Test("budgets that cannot be compared are told once, and that they are compared again")
    func comparison() throws {
        let fixture = try QueueFixture(), lines = Lines()
        try fixture.queue.connection.script(
            """
            create sequence public.comparison;
            alter function ofa_api_1.check_budgets(bigint[], bigint[]) rename to kept;
            create function ofa_api_1.check_budgets(p_jobs bigint[], p_tokens bigint[])
            returns table (token bigint, reason text) language plpgsql as $$
            begin perform nextval('public.comparison'); raise exception 'out of order'; end $$
            """)
        let worker = try Worker(
            databaseURL: fixture.database.url,
            registry: ["work": ClosureHandler { _ in JobOutput() }],
            options: WorkerOptions(
                threads: 1, ttlSeconds: 30, name: "w", untilIdle: false, report: lines.add))
        let thread = JoinableThread(name: "worker", stackBytes: 1 << 20) { try worker.run() }
        let comparisons = Statement(
            name: "Comparisons", sql: "select last_value as n from public.comparison")
        try fixture.wait { try fixture.queue.connection.queryOne(comparisons).int("n") >= 3 }
        #expect(lines.count("budgets are not compared") == 1)
        #expect(lines.count("out of order") == 1)
        try fixture.queue.connection.script(
            """
            drop function ofa_api_1.check_budgets(bigint[], bigint[]);
            alter function ofa_api_1.kept(bigint[], bigint[]) rename to check_budgets
            """)
        try fixture.wait { lines.count("budgets are compared again") == 1 }
        #expect(lines.count("budgets are not compared") == 1)
        worker.requestDrain()
        try thread.join()
    }

    /// What a worker reported.
    private final class Lines: Sendable {
        private let all = Mutex<[String]>([])
        @Sendable func add(_ line: String) { all.withLock { $0.append(line) } }
        func count(_ part: String) -> Int {
            all.withLock { lines in lines.count(where: { $0.contains(part) }) }
        }
    }

    @Test(
        "a job that waits with a checkpoint has the progress of its last attempt, one without has none"
    )
    func progress() throws {
        let fixture = try QueueFixture(), queue = fixture.queue
        let run = try fixture.enqueueOne()
        let session = try queue.openSession(name: "w")
        func progress() throws -> Double {
            try #require(try queue.runStatus(run).stages.first).progress
        }
        let first = try fixture.claimOne(session)
        try queue.progress(first, fraction: 0.3, message: "")
        #expect(try progress() == 0.3)
        #expect(try queue.release(first, reason: "drained") == .done)
        #expect(try progress() == 0)
        let second = try fixture.claimOne(session)
        try queue.progress(second, fraction: 0.4, message: "four")
        #expect(try queue.saveCheckpoint(second, name: "state", seq: 4, payload: "{}") == .done)
        #expect(try queue.runStatus(run).stages.first?.message == "four")
        #expect(try queue.release(second, reason: "drained") == .done)
        #expect(try progress() == 0.4)
        #expect(try queue.runStatus(run).stages.first?.message == nil)
        try fixture.expectSound()
    }
}

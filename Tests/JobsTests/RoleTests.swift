// Tests of the API as programs use it: a role that works writes through it and in no other way, one that reads writes
// nothing, and a program of the version before goes on.
import Foundation
import Postgres
import Schema
import Synchronization
import TestSupport
import Testing

@testable import Jobs

@Suite("Roles")
struct RoleTests {
    /// A queue on a database, as a role that may do this alone.
    private func queue(of fixture: QueueFixture, _ access: RoleAccess) throws -> JobQueue {
        let owner = fixture.queue.connection
        let name = "\(access)_" + UUID().uuidString.prefix(8).lowercased()
        try owner.script("create role \(name) login")
        try access.grant(to: name, owner)
        let url = fixture.database.url.replacing(#/user=[^&]*/#, with: "user=\(name)")
        return JobQueue(try Connection(url: url, applicationName: "test"))
    }

    /// The SQLSTATE with which a statement is refused; nil where it is not.
    private func refusal(_ queue: JobQueue, _ sql: String) throws -> String? {
        do { try queue.connection.script(sql) } catch let error as PostgresError {
            return error.sqlState
        }
        return nil
    }

    @Test(
        "a role that works enqueues, claims, saves, ends, fans out, retries, pauses, and reads all")
    func works() throws {
        let fixture = try QueueFixture(), queue = try queue(of: fixture, .work)
        let run = try queue.enqueue(
            RunSpec(
                name: "one", definition: "", definitionHash: "one",
                stages: [StageSpec(name: "only", job: JobSpec(kind: "work", key: "gpu"))]))
        try queue.setPermits(key: "gpu", slots: 2)
        let session = try queue.openSession(name: "w", duties: ["rescue"])
        #expect(try queue.beat(session, duties: ["rescue"])?.duties == ["rescue"])
        let lease = try #require(try queue.claim(session, kinds: ["work"]).first)
        try queue.progress(lease, fraction: 0.5, message: "half")
        try queue.log(lease, lines: ["working"])
        #expect(
            try queue.saveCheckpoint(lease, name: "state", seq: 1, payload: "{}") == .done)
        let fanOut = FanOut(children: [JobSpec(kind: "work")])
        #expect(try queue.complete(lease, result: "{}", fanOut: fanOut) == .done)
        let child = try #require(try queue.claim(session, kinds: ["work"]).first)
        #expect(try queue.fail(child, error: "x", retry: false) == .done)
        #expect(try queue.retry(run: run) == 1)
        try queue.pause(queue: "default")
        #expect(try queue.claim(session, kinds: ["work"]).isEmpty)
        try queue.resume(queue: "default")
        try queue.cancel(run: run)
        _ = try queue.rescue()
        try queue.openDays()
        try queue.foldDays()
        try queue.close(session)
        #expect(try queue.run(run).state == .cancelled)
        #expect(try queue.runStatus(run).stages.count == 1)
        #expect(try queue.jobs(run: run).count == 2)
        #expect(try queue.actions().contains { $0.verb == "pause" && $0.role.hasPrefix("work_") })
        #expect(try queue.audit() == [])
    }

    @Test(
        "a role may execute the functions of a version that is migrated to later, and no more than before"
    )
    func laterVersion() throws {
        let fixture = try QueueFixture(), owner = fixture.queue.connection
        let (reads, works) = (try queue(of: fixture, .read), try queue(of: fixture, .work))
        let sum =
            "select * from ofa.cost_totals('stage', null, null, null, 1, 'lifecycle', 'average')"
        // As if the function were new.
        try owner.script(
            "drop function ofa.cost_totals; delete from ofa.routine where name in ('cost_totals', 'grant_reading')"
        )
        #expect(try refusal(reads, sum) == "42883")
        try Migrator(owner).migrate()
        #expect(try refusal(reads, sum) == nil && refusal(works, sum) == nil)
        #expect(try refusal(reads, "select ofa_api_1.pause_queue('default')") == "42501")
        try works.pause(queue: "default")
        #expect(try refusal(works, "select ofa.fire('{}')") == "42501")
    }

    @Test("a migration gives a role that was granted single tables nothing")
    func limited() throws {
        let fixture = try QueueFixture(), owner = fixture.queue.connection
        let suffix = UUID().uuidString.prefix(8).lowercased()
        try owner.script(
            """
            create role few_\(suffix) login;
            grant usage on schema ofa to few_\(suffix);
            grant select on ofa.run to few_\(suffix);
            delete from ofa.routine where name in ('grant_access', 'grant_reading')
            """)
        try Migrator(owner).migrate()
        let url = fixture.database.url.replacing(#/user=[^&]*/#, with: "user=few_\(suffix)")
        let few = JobQueue(try Connection(url: url, applicationName: "test"))
        #expect(try refusal(few, "select * from ofa.run") == nil)
        #expect(try refusal(few, "select * from ofa.host_setting") == "42501")
        #expect(try refusal(few, "select * from ofa.host_spans()") == "42501")
    }

    @Test("what a role may do ends there: no row of a table, no function of the owner's")
    func bounds() throws {
        let fixture = try QueueFixture(), works = try queue(of: fixture, .work)
        for sql in [
            "delete from ofa.job", "update ofa.run set state = 'failed'",
            "insert into ofa.paused_queue (name) values ('default')",
            "select * from ofa.live for update", "select ofa.fire('{}')",
            "select ofa.end_attempts(null,'{}','{}','{}','{}','{}','{}','{}','{}',true,null,'{}','{}','{}','{}','{}','{}','{}')",
            "select ofa.grant_access('public', true)", "drop table ofa.paused_queue",
            "create function ofa_api_1.mine() returns int language sql as 'select 1'",
        ] { #expect(try refusal(works, sql) == "42501", "\(sql)") }
        let reads = try queue(of: fixture, .read)
        #expect(try reads.runs().isEmpty)
        #expect(try reads.audit() == [])
        #expect(try refusal(reads, "select ofa_api_1.pause_queue('default')") == "42501")
        #expect(throws: PostgresError.self) { try reads.pause(queue: "default") }
        // Taken back, it only looks.
        let role = try works.connection.queryOne(
            Statement(name: "Role", sql: "select current_user::text as role")
        ).text("role")
        try RoleAccess.read.grant(to: role, fixture.queue.connection)
        #expect(throws: PostgresError.self) { try works.pause(queue: "default") }
        #expect(try works.runs().isEmpty)
    }

    @Test("a worker's role reads tables and calls functions that come after it was granted")
    func later() throws {
        let fixture = try QueueFixture(), works = try queue(of: fixture, .work)
        try fixture.queue.connection.script(
            """
            create table ofa.later (n int);
            create function ofa_api_1.later() returns int language plpgsql security definer as
              $$ begin insert into ofa.later values (1); return 1; end $$;
            """)
        try works.connection.script("select ofa_api_1.later(); select * from ofa.later")
        #expect(try refusal(works, "insert into ofa.later values (2)") == "42501")
    }

    @Test(
        "what is old stays where a worker's role may not drop it, months of jobs too, and that is said"
    )
    func retention() throws {
        let fixture = try QueueFixture(), works = try queue(of: fixture, .work)
        try fixture.queue.connection.script(
            "select ofa.open_day(current_date - 20), ofa.open_month(202601)")
        try works.retain(.history, days: 5)
        try works.retain(.jobs, days: 5)
        let old = try works.history().map(\.name)
        let work = Duty.Work(queue: works, observer: nil, isStopping: { false }, report: { _ in })
        let error = #expect(throws: JobsError.self) { try Duty.retention.body(work) }
        #expect(error?.code == .notOwner)
        #expect(error?.remedy?.contains("ofa queue retention --apply") == true)
        try Duty.history.body(work)
        let now = try works.history().map(\.name)
        #expect(Set(now).isSuperset(of: old) && now.count > old.count)
        let closed = Statement(name: "Closed", sql: "select count(*) as n from ofa.closed_month")
        #expect(try works.connection.queryOne(closed).int("n") == 0)
        #expect(try fixture.queue.applyRetention().dropped.contains("job_202601"))
        #expect(try works.history().count < now.count)
    }

    @Test("a worker that does not own the schema leaves dropping to one that does")
    func retentionIsLeft() throws {
        let fixture = try QueueFixture(), works = try queue(of: fixture, .work)
        try fixture.queue.connection.script("select ofa.open_day(current_date - 20)")
        try works.retain(.history, days: 5)
        let left = DispatchSemaphore(value: 0)
        func run(_ url: String, _ report: @escaping @Sendable (String) -> Void) throws -> Worker {
            let worker = try Worker(
                databaseURL: url, registry: ["none": ClosureHandler { _ in JobOutput() }],
                options: WorkerOptions(ttlSeconds: 30, untilIdle: false, report: report))
            Thread.detachNewThread {
                do { try worker.run() } catch { Issue.record(error) }
            }
            return worker
        }
        let role = try works.connection.queryOne(
            Statement(name: "Role", sql: "select session_user::text as name")
        ).text("name")
        let url = fixture.database.url
        let first = try run(url.replacing(#/user=[^&]*/#, with: "user=\(role)")) { line in
            if line.contains("duty retention is left to others") { left.signal() }
        }
        #expect(left.wait(timeout: .now() + 60) == .success)
        let second = try run(url) { _ in }
        defer { [first, second].forEach { $0.requestDrain() } }
        let old = Statement(
            name: "Old",
            sql: """
                select count(*) = 0 as gone from pg_class where relname = 'attempt_' || to_char(current_date - 20, 'YYYYMMDD')
                """)
        try fixture.wait { try fixture.queue.connection.queryOne(old).bool("gone") }
    }

    @Test("a program goes on beside a later version that moved what it reads and writes")
    func olderProgram() throws {
        let fixture = try QueueFixture(), queue = fixture.queue
        _ = try fixture.enqueueOne()
        let session = try queue.openSession(name: "older")
        try queue.pause(queue: "default")
        // Its migration moves a table and leaves a view for reads; its functions write to the new one.
        let later = Migration(
            version: 99, name: "moved", serves: 1,
            sql: """
                alter table ofa.paused_queue rename to closed_queue;
                create view ofa.paused_queue as select name, paused_at from ofa.closed_queue;
                """)
        func writing(_ name: String, _ body: String) -> Routine {
            Routine(
                name: "api_1/\(name)", checksum: "later \(name)",
                sql: """
                    create or replace function ofa_api_1.\(name)(p_name text) returns void
                    language plpgsql security definer set search_path = pg_catalog, pg_temp as
                    $$ begin \(body); end $$;
                    """)
        }
        let functions = [
            writing("resume_queue", "delete from ofa.closed_queue where name = p_name"),
            writing(
                "pause_queue",
                "insert into ofa.closed_queue (name) values (p_name) on conflict do nothing"),
        ]
        let known = RoutineSet.current
        let others = known.all.filter { routine in !functions.contains { $0.name == routine.name } }
        try Migrator(
            try fixture.database.connect(), migrations: Migration.all + [later],
            routines: RoutineSet(edition: known.edition + 1, all: others + functions)
        ).migrate()
        #expect(try Migrator(queue.connection).isCurrent())
        #expect(try queue.queues().map(\.isPaused) == [true])
        #expect(try queue.claim(session, kinds: ["work"]).isEmpty)
        try queue.resume(queue: "default")
        let lease = try #require(try queue.claim(session, kinds: ["work"]).first)
        #expect(try queue.complete(lease, result: "{}") == .done)
        try queue.pause(queue: "default")
        #expect(try queue.queues().map(\.isPaused) == [true])
        #expect(try queue.audit() == [])
    }
}

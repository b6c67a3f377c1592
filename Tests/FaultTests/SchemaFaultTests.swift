// Fault 15, the schema: a worker that runs while a newer program migrates, a program that is older than its
// database, a migration that is killed in its middle, two migrators at once.
import Foundation
import Jobs
import Postgres
import Schema
import Synchronization
import TestSupport
import Testing

@Suite("Fault 15: schema", .serialized)
struct SchemaFaultTests {
    /// What a newer program might add to the tables that a running worker uses, and older programs go on with.
    private static let serving = Migration(
        version: further.version, name: further.name, serves: further.version - 1, sql: further.sql)
    /// The same, where the newer program says nothing of older ones.
    private static let further = Migration(
        version: Migration.all.count + 1, name: "further",
        sql: """
            alter table ofa.job add column extra int;
            create index job_extra on ofa.job (extra) where extra is not null;
            alter table ofa.session add column extra text not null default '';
            create table ofa.extra (x int);
            """)

    @Test("a worker goes on while a newer program migrates under it, and loses nothing")
    func olderWorker() throws {
        let database = try TemporaryDatabase(), queue = JobQueue(try database.connect())
        let jobs = ScaledForm.pick(600, 20_000)
        _ = try queue.enqueue(
            .flat("older", Array(repeating: JobSpec(kind: "work"), count: jobs)))
        let begun = DispatchSemaphore(value: 0), count = Mutex(0)
        let crew = try WorkerCrew(
            database.url, count: 2,
            [
                "work": { context in
                    let number = count.withLock { count in
                        count += 1
                        return count
                    }
                    if number == jobs / 4 { begun.signal() }
                    return JobOutput(result: "1")
                }
            ])
        begun.wait()
        let migrator = Migrator(
            try database.connect(), migrations: Migration.all + [Self.further])
        #expect(try migrator.migrate() == [Self.further])
        try crew.join()
        #expect(try queue.runs()[0].state == .completed)
        try QueueProof.expect(queue, after: 1, "newer migration", "15 older worker")
    }

    @Test(
        "a program that meets a newer database says so and does nothing",
        arguments: [
            ["worker", "--until-idle"], ["jobs"], ["db", "migrate"],
        ])
    func newerDatabase(_ command: [String]) throws {
        let database = try TemporaryDatabase()
        try Migrator(try database.connect(), migrations: Migration.all + [Self.further]).migrate()
        let run = try CommandRun(command, environment: ["OFA_DATABASE_URL": database.url])
        #expect(run.status == 1)
        #expect(run.errors.contains("it was made by a newer ofa"), "\(run.errors)")
        #expect(try JobQueue(try database.connect()).runs().isEmpty)
    }

    @Test("an older worker starts on a newer database that serves it, and does its jobs")
    func olderWorkerStarts() throws {
        let database = try TemporaryDatabase(), queue = JobQueue(try database.connect())
        try Migrator(try database.connect(), migrations: Migration.all + [Self.serving]).migrate()
        _ = try queue.enqueue(.flat("older", Array(repeating: JobSpec(kind: "work"), count: 50)))
        let worker = try WorkerCrew(
            database.url, count: 1, ["work": { _ in JobOutput(result: "1") }])
        try worker.join()
        #expect(try queue.runs()[0].state == .completed)
        let run = try CommandRun(
            ["jobs", "--json"], environment: ["OFA_DATABASE_URL": database.url])
        #expect(run.status == 0, "\(run.errors)")
        let idle = try CommandRun(
            ["worker", "--until-idle"], environment: ["OFA_DATABASE_URL": database.url])
        #expect(idle.status == 0, "\(idle.errors)")
        let migrated = try CommandRun(
            ["db", "migrate"], environment: ["OFA_DATABASE_URL": database.url])
        #expect(
            migrated.output.contains("at version \(Self.serving.version), that of a later ofa"),
            "\(migrated.output)\(migrated.errors)")
        try QueueProof.expect(queue, after: 1, "newer database", "15 older worker starts")
    }

    /// Stops whoever creates table ofa.attempt, in the middle of the migrations.
    private func holdMigrations(_ control: Connection) throws {
        try control.script(
            """
            create function public.hold() returns event_trigger language plpgsql as $$
            begin
              if exists (select from pg_event_trigger_ddl_commands() where object_identity = 'ofa.attempt') then
                perform pg_advisory_xact_lock(\(RaceMatrix.hold));
              end if;
            end $$;
            create event trigger hold on ddl_command_end when tag in ('CREATE TABLE')
              execute function public.hold();
            """)
        try control.script("select pg_advisory_lock(\(RaceMatrix.hold))")
    }

    /// The process numbers of the servers that are held.
    private func held(_ control: Connection, _ count: Int) throws -> [Int] {
        let waiting = Statement(
            name: "HeldMigrators",
            sql: """
                select pid from pg_stat_activity where datname = current_database()
                  and wait_event_type = 'Lock' and pid <> pg_backend_pid()
                """)
        let deadline = ContinuousClock.now + .seconds(60)
        while true {
            let found = try control.query(waiting).map { try $0.int("pid") }
            if found.count == count { return found }
            try #require(ContinuousClock.now < deadline, "\(found.count) wait, not \(count)")
            Thread.sleep(forTimeInterval: 0.01)
        }
    }

    @Test(
        "a migration whose process or server is killed in its middle leaves nothing; the next is whole"
    )
    func killedMidway() throws {
        let database = try TemporaryDatabase(migrated: false), control = try database.connect()
        let environment = ["OFA_DATABASE_URL": database.url]
        try holdMigrations(control)
        // Killed together with its machine.
        let first = try RunningCommand(["db", "migrate"], environment: environment)
        _ = try held(control, 1)
        first.killNow()
        try control.script("select pg_advisory_unlock(\(RaceMatrix.hold))")
        // Its server notices when it wants to answer.
        _ = try held(control, 0)
        try control.script("select pg_advisory_lock(\(RaceMatrix.hold))")
        #expect(try Migrator(try database.connect()).applied().isEmpty)
        // Its server is killed.
        let second = try RunningCommand(["db", "migrate"], environment: environment)
        let server = try held(control, 1)[0]
        let terminate = Statement(name: "Kill", sql: "select pg_terminate_backend($1::int)")
        _ = try control.query(terminate, [.int(server)])
        #expect(second.wait() != 0)
        try control.script("select pg_advisory_unlock(\(RaceMatrix.hold))")
        #expect(try Migrator(try database.connect()).applied().isEmpty)

        let last = try CommandRun(["db", "migrate"], environment: environment)
        #expect(last.status == 0, "\(last.errors)")
        #expect(try Migrator(try database.connect()).isCurrent())
        try QueueProof.expect(
            JobQueue(try database.connect()), after: 2, "migrations killed", "15 killed migration")
    }

    @Test("of two migrators at once, in processes of their own, one applies everything")
    func twoMigrators() throws {
        let database = try TemporaryDatabase(migrated: false), control = try database.connect()
        try holdMigrations(control)
        let commands = try (0..<2).map { _ in
            try RunningCommand(["db", "migrate"], environment: ["OFA_DATABASE_URL": database.url])
        }
        // One is in the middle, the other waits for it.
        _ = try held(control, 2)
        try control.script("select pg_advisory_unlock(\(RaceMatrix.hold))")
        for command in commands { #expect(command.wait() == 0, "\(command.errors)") }
        let applied = try Migrator(try database.connect()).applied().map(\.version)
        #expect(applied == Array(1...Migration.all.count))
        try QueueProof.expect(JobQueue(control), after: 2, "migrators", "15 two migrators")
    }
}

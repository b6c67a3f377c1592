// Fault 15, the server: errors that it may answer at any moment, a disk that is full, and a day that has no
// partition of the history yet.
import Foundation
import Postgres
import Schema
import TestSupport
import Testing

@testable import Jobs

@Suite("Fault 15: server", .serialized)
struct ServerFaultTests {
    private static let work: @Sendable (JobContext) throws -> JobOutput = { context in
        switch context.lease.kind {
        case "plan":
            let child = JobSpec(kind: "work")
            return JobOutput(
                fanOut: FanOut(children: Array(repeating: child, count: 20), then: child))
        default: return JobOutput(result: "1")
        }
    }
    private static let registry = ["plan": work, "work": work]

    /// Lets statements of these kinds fail at the turns that `condition` names; the count of turns goes on when the
    /// transaction does not.
    private static func fail(
        _ control: Connection, when condition: String, errcode: String, at events: [String]
    ) throws {
        let triggers = events.map {
            "create trigger fail before \($0) for each statement execute function public.fail();"
        }
        try control.script(
            """
            create sequence public.turn;
            create function public.fail() returns trigger language plpgsql as $$
            declare
              v_turn bigint := nextval('public.turn');
            begin
              if \(condition) then raise exception 'injected' using errcode = \(errcode); end if;
              return null;
            end $$;
            \(triggers.joined(separator: "\n"))
            """)
    }

    @Test("serialization failures, deadlocks and cancelled statements at any moment cost only time")
    func injectedErrors() throws {
        let database = try TemporaryDatabase(), control = try database.connect()
        // Every so many writes of a hot table one fails.
        try Self.fail(
            control, when: "v_turn % 23 = 0",
            errcode: "(array['40001', '40P01', '57014'])[1 + v_turn / 23 % 3]",
            at: [
                "insert or update or delete on ofa.live", "insert on ofa.outcome",
                "insert on ofa.attempt", "update on ofa.job_group", "update on ofa.session",
            ])
        let queue = JobQueue(control)
        let plans = ScaledForm.pick(20, 1000)
        _ = try queue.enqueue(
            RunSpec(
                name: "injected", definition: "", definitionHash: "1",
                stages: [
                    StageSpec(
                        name: "a", jobs: Array(repeating: JobSpec(kind: "plan"), count: plans)),
                    StageSpec(name: "b", jobs: [JobSpec(kind: "plan")], needs: ["a"]),
                    StageSpec(name: "c", jobs: [JobSpec(kind: "work")], needs: ["b"]),
                ]))
        let crew = try WorkerCrew(database.url, count: 4, Self.registry)
        try crew.join()
        let turns = try control.queryOne(
            Statement(name: "Turns", sql: "select last_value as n from public.turn")
        ).int("n")
        #expect(turns / 23 > 10)
        #expect(try queue.runs()[0].state == .completed)
        #expect(try queue.jobs(state: .completed, limit: 100_000).count == (plans + 1) * 22 + 1)
        try QueueProof.expect(
            queue, after: turns / 23, "errors in \(turns) writes", "15 injected errors")
    }

    @Test("a worker whose end of a job is cancelled time and again keeps at it and loses nothing")
    func cancelledEnds() throws {
        let database = try TemporaryDatabase(), control = try database.connect()
        try Self.fail(
            control, when: "v_turn <= 8", errcode: "'57014'", at: ["insert on ofa.outcome"])
        let queue = JobQueue(control)
        _ = try queue.enqueue(.flat("cancelled", [JobSpec(kind: "work")]))
        try WorkerCrew(database.url, count: 1, Self.registry).join()
        #expect(try queue.runs()[0].state == .completed)
        #expect(try queue.jobs(state: .completed, limit: 10).map(\.attempts) == [1])
        try QueueProof.expect(queue, after: 8, "cancelled statements", "15 cancelled ends")
    }

    @Test("a disk that is full stops the queue and loses nothing; work goes on when there is room")
    func diskFull() throws {
        guard let disk = try SmallDisk.mount(megabytes: 8) else {
            print("disk full: skipped, a small file system cannot be mounted here")
            return
        }
        let server = try DedicatedServer(), control = try server.connect()
        try disk.give(to: try PrivateServer(home: server.home).status().user)
        try Migrator(control).migrate()
        try control.script("create tablespace small location '\(disk.path)/space'")
        let parts = try JobQueue(control).history().map(\.name)
        let today = try #require(parts.first { $0.hasPrefix("attempt_2") })
        for table in parts
        where table == today || table.hasPrefix("job_2") || table.hasPrefix("outcome_2") {
            try control.script("alter table ofa.\(table) set tablespace small")
        }
        let queue = JobQueue(control, policy: ReconnectPolicy(limitSeconds: 0.2))
        let jobs = Array(repeating: JobSpec(kind: "work"), count: 3000)
        _ = try queue.enqueue(.flat("before", jobs))
        try disk.fill()
        let error = #expect(throws: PostgresError.self) { try queue.enqueue(.flat("full", jobs)) }
        #expect(error?.sqlState == "53100" && error?.remedy?.contains("free some space") == true)
        let crew = try WorkerCrew(server.url, count: 2, Self.registry)
        // They work until the pages there are hold no more; what they meet then they wait out.
        let waiting = Statement(
            name: "Outcomes",
            sql: """
                select (select count(*) from ofa.outcome) as n,
                  (select count(*) from ofa.live where state = 'running') as running
                """)
        var (before, after, running) = (-1, 0, 0)
        while before != after || running == 0 {
            Thread.sleep(forTimeInterval: 0.3)
            let row = try control.queryOne(waiting)
            (before, after, running) = (after, try row.int("n"), try row.int("running"))
        }
        #expect(after < jobs.count)
        #expect(try queue.audit() == [])
        try disk.free()
        try crew.join()
        let runs = try queue.runs()
        #expect(runs.map(\.state) == [.completed], "the run that found no room left nothing")
        #expect(try queue.jobs(state: .completed, limit: 10_000).allSatisfy { $0.attempts == 1 })
        try QueueProof.expect(queue, after: 1, "full disk", "15 disk full")
    }

    @Test("a day without a partition is made by the first who writes, while others do")
    func missingPartition() throws {
        let database = try TemporaryDatabase()
        let name = try database.connect().queryOne(
            Statement(name: "Name", sql: "select current_database()::text as name")
        ).text("name")
        try database.connect().script("alter database \(name) set ofa.clock_offset = '20 days'")
        let queue = JobQueue(try database.connect())
        let before = Set(try queue.history().map(\.name))
        let jobs = ScaledForm.pick(3000, 50_000)
        _ = try queue.enqueue(
            .flat("tomorrow", Array(repeating: JobSpec(kind: "work"), count: jobs)))
        let crew = try WorkerCrew(database.url, count: 3, Self.registry)
        try crew.join()
        #expect(crew.reports == [])
        #expect(try queue.jobs(state: .completed, limit: 100_000).count == jobs)
        let made = Set(try queue.history().map(\.name)).subtracting(before)
        #expect(made.contains { $0.hasPrefix("attempt_2") }, "\(made)")
        try QueueProof.expect(queue, after: 1, "day without a partition", "15 missing partition")
    }
}

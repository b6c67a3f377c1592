// Tests of the hot statements at a million rows: how many blocks of 8 kB they touch. That does not depend on the
// machine's speed, and a plan that reads a table, or an index from its start, shows at once.
import Foundation
import Postgres
import Schema
import TestSupport
import Testing

@testable import Jobs

@Suite("Queue at a million rows", .serialized)
struct ScaleTests {
    private static let session = "00000000-0000-0000-0000-00000000000a"
    private let database: TemporaryDatabase
    private let connection: Connection
    private let rows: Int

    /// A million jobs: 90 % ended, the rest available in two lanes, one of a kind that nobody claims here.
    init() throws {
        database = try TemporaryDatabase()
        connection = try Connection(
            url: database.url, applicationName: "scale", statementTimeoutSeconds: 600)
        let given = ProcessInfo.processInfo.environment["OFA_SCALE_ROWS"].flatMap { Int($0) }
        rows = max(20_000, given ?? 1_000_000)
        try connection.script(
            """
            insert into ofa.run (name, definition, definition_hash) values ('big', '', 'big');
            insert into ofa.job_group (month, run_id, stage, released_at, expected, pending, ok)
              values (ofa.month(now()), 1, 'all', now(), \(rows), \(rows / 10), \(rows - rows / 10));
            insert into ofa.lane (kind, queue, priority) values ('other', 'default', 0), ('work', 'default', 0);
            insert into ofa.session (name, host_id, process, ttl, uuid)
              values ('s', ofa.know_host('h', 'h'), 1, '1 day', '\(Self.session)');
            insert into ofa.account (run_id, pipeline, stage, kind) values (1, 'big', 'all', 'work'), (1, 'big', 'all', 'other');
            set synchronous_commit = off;
            insert into ofa.job (month, run_id, group_id, ordinal, path, kind, args, lane_id, account_id, stage,
              max_attempts, max_crashes, backoff)
              select ofa.month(now()), 1, 1, i, array[0, i], case when i % 2 = 0 then 'work' else 'other' end, '{}', 1 + (i + 1) % 2,
                1 + i % 2, 'all', 3, 5,
                '{"baseSeconds":1,"factor":4,"jitter":0.2,"maxSeconds":300}' from generate_series(1, \(rows)) as i;
            insert into ofa.outcome (job_id, month, group_id, state, result)
              select id, month, 1, 'completed', '1' from ofa.job where id <= \(rows - rows / 10);
            insert into ofa.attempt (token, job_id, attempt, session_id, started_at, ended_at, outcome)
              select nextval('ofa.lease_token'), id, 1, 1, now(), now(), 'completed'
              from ofa.job where id <= \(rows - rows / 10);
            insert into ofa.live (job_id, month, run_id, group_id, account_id, lane_id, max_attempts, max_crashes, state)
              select id, month, 1, 1, account_id, lane_id, 3, 5, 'available' from ofa.job where id > \(rows - rows / 10) order by id;
            """)
    }

    private func claim(kinds: [String], limit: Int, run: RunID? = nil) -> Request {
        .jobClaim(
            session: Self.session, kinds: kinds, run: run, limit: limit, threads: nil,
            memoryMb: nil, alone: true, lanes: [], floors: [])
    }

    private func expectBlocks(_ request: Request, atMost limit: Int, _ when: String) throws {
        // The first call plans and reads catalogs; what counts is every one after it.
        _ = try connection.query(request)
        let found = try connection.blocks(request)
        #expect(
            found <= limit, "\(request.statement.name), \(when): \(found) blocks, \(limit) at most")
    }

    /// The fewest blocks of three calls: an autovacuum or analyze in between makes the server read its catalogs and plan
    /// again, which a plan that reads too much would do every time.
    private func fewest(_ blocks: () throws -> Int) throws -> Int {
        try (0..<3).map { _ in try blocks() }.min() ?? .max
    }

    /// Blocks of a statement about a handful of rows, catalogs included; a scan would be thousands.
    private static let few = 100

    /// Blocks of one descent of an index of a million rows, with the row it leads to.
    private static let probe = 5

    @Test("no hot statement reads more than its rows, whatever the statistics say")
    func hotStatements() throws {
        for when in [
            "never analyzed", "analyzed", "analyzed while empty of running jobs",
            "vacuumed while empty",
        ] {
            if when == "analyzed" { try connection.script("analyze") }
            if when == "vacuumed while empty" {
                // What a vacuum leaves that finds a queue drained: pages that held nothing.
                try connection.script(
                    """
                    update pg_class set reltuples = 0, relpages = greatest(relpages, 1)
                    where oid = 'ofa.live'::regclass or oid in (select inhrelid from pg_inherits where inhparent in
                      ('ofa.job'::regclass, 'ofa.outcome'::regclass, 'ofa.job_group'::regclass))
                    """)
            }
            try adds(when)
            try claims(when)
            try ends(when)
            try keepers(when)
            if when == "never analyzed" {
                try connection.script("vacuum analyze ofa.live")
            }
        }
        #expect(try JobQueue(connection).audit() == [])
    }

    private func claims(_ when: String) throws {
        // Each job: its place in the lane, itself, its job, group and lane; two new index entries.
        let each = 12 * Self.probe, fixed = 150
        for run in [nil, 1] as [RunID?] {
            for limit in [1, 50] {
                for kinds in [["work"], ["other", "work"]] {
                    try expectBlocks(
                        claim(kinds: kinds, limit: limit, run: run), atMost: fixed + each * limit,
                        "\(when), \(limit) jobs of \(kinds.count) lanes, run \(run ?? 0)")
                }
            }
        }
        try expectBlocks(
            claim(kinds: ["none"], limit: 50), atMost: 20, "\(when), no such kind")
        try connection.script("insert into ofa.paused_queue (name) values ('default')")
        try expectBlocks(
            claim(kinds: ["work", "other"], limit: 50), atMost: 40, "\(when), paused")
        try connection.script("delete from ofa.paused_queue")
    }

    private func adds(_ when: String) throws {
        let count = Statement(name: "Count", sql: "select max(ordinal) as most from ofa.job")
        func add() throws -> Request {
            let first = try connection.queryOne(count).int("most") + 1
            let specs = (first..<first + 50).map {
                """
                {"ordinal":\($0),"kind":"added","args":"{}","queue":"default","priority":0,"maxAttempts":3,\
                "maxCrashes":5,"backoff":{},"threads":0,"memoryMB":0}
                """
            }.joined(separator: ",")
            return .groupAddJobs(
                run: 1, group: 1, specs: "[\(specs)]", path: [0], waitsFor: nil, isInner: false,
                released: true)
        }
        _ = try connection.query(add())
        let found = try fewest { try connection.blocks(add()) }
        // Each job: itself and its live row with two and three index entries, after looks for an outcome and a row.
        let limit = 200 + 50 * 10 * Self.probe
        #expect(found <= limit, "GroupAddJobs, \(when): \(found) blocks, \(limit) at most")
    }

    private func ends(_ when: String) throws {
        let queue = JobQueue(connection)
        let session = Session(id: 1, uuid: Self.session, ttlSeconds: 86_400)
        for count in [1, 50] {
            func end() throws -> Request {
                let leases = try queue.claim(session, kinds: ["work"], limit: count)
                return JobQueue.request(
                    ending: leases.map { Ending($0, .completed(result: "1")) },
                    session: session.uuid)
            }
            _ = try connection.query(end())
            let found = try fewest { try connection.blocks(end()) }
            // Each job: its row, attempt and outcome, each with one index: 12 blocks when this was written.
            let limit = 100 + 3 * Self.probe * count
            #expect(found <= limit, "AttemptsEnd, \(when): \(found) blocks for \(count) jobs")
        }
    }

    private func keepers(_ when: String) throws {
        let queue = JobQueue(connection)
        let session = Session(id: 1, uuid: Self.session, ttlSeconds: 86_400)
        let lease = try #require(try queue.claim(session, kinds: ["work"]).first)
        let (job, token) = (lease.jobID, lease.token)
        try expectBlocks(
            .sessionBeat(
                session: session.uuid, workingSlots: 1, jobs: [lease.jobID],
                tokens: [lease.token], duties: ["rescue"], dutySeconds: 5),
            atMost: Self.few, when)
        try expectBlocks(
            .leaseLock(job: job, token: token, session: session.uuid), atMost: Self.few, when)
        for statement: Statement in [
            .jobPromote, .sessionExpire, .jobsLost, .sessionSweep, .recurringDue,
        ] {
            try expectBlocks(Request(statement), atMost: Self.few, when)
        }
        for request: Request in [
            .jobLockLost(job: job),
            .progressSave(job: job, token: token, fraction: 0.5, message: "half"),
            .checkpointSave(
                job: lease.jobID, token: lease.token, name: "state", seq: 1, payload: "{}",
                digest: nil),
            .checkpointList(job: lease.jobID, name: "state"), .checkpointDrop(job: lease.jobID),
            .jobsInSight(run: nil, kinds: ["work"], threads: nil, memoryMb: nil, offers: []),
        ] {
            try expectBlocks(request, atMost: Self.few, when)
        }
        // It is planned at each call, for the days of the job alone: it reads their catalogs too.
        try expectBlocks(.jobAttempts(job: job), atMost: 2 * Self.few, when)
    }
}

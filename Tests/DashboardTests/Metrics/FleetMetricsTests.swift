// The metrics of the fleet, read from a database with jobs, workers, budgets and a history.

import Foundation
import Jobs
import Postgres
import Schema
import Synchronization
import TestSupport
import Testing

@testable import Dashboard

@Suite struct FleetMetricsTests {
    private let database: TemporaryDatabase
    private let queue: JobQueue

    init() throws {
        database = try TemporaryDatabase()
        queue = JobQueue(try database.connect())
    }

    private func enqueue(_ jobs: Int, kind: String = "work", name: String = "one") throws -> RunID {
        try queue.enqueue(
            RunSpec(
                name: name, definition: "", definitionHash: name,
                stages: [
                    StageSpec(
                        name: "only", jobs: Array(repeating: JobSpec(kind: kind), count: jobs)),
                    StageSpec(name: "after", job: JobSpec(kind: "later"), needs: ["only"]),
                ])
        )
    }

    /// The samples by their name with labels.
    private func samples(_ text: String) -> [String: Double] {
        Dictionary(
            text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { line in
                let place = line.lastIndex(of: " ") ?? line.startIndex
                return (String(line[..<place]), Double(line[line.index(after: place)...]) ?? .nan)
            }, uniquingKeysWith: { first, _ in first })
    }

    private func read(_ connection: Connection? = nil) throws -> [String: Double] {
        samples(try FleetMetrics().text(connection ?? queue.connection))
    }

    @Test("jobs, workers, claims, ends, progress and images are told as they are")
    func figures() throws {
        let run = try enqueue(4)
        let session = try queue.openSession(name: "w", slots: 3)
        let leases = try queue.claim(session, kinds: ["work"], limit: 3)
        try #require(leases.count == 3)
        #expect(try queue.complete(leases[0], result: "{}") == .done)
        #expect(try queue.fail(leases[1], error: "x", retry: false) == .done)
        try queue.progress(leases[2], fraction: 0.5, message: "half")
        let told = try read()
        let jobs = { (state: String) in
            told["ofa_jobs{kind=\"work\",queue=\"default\",state=\"\(state)\"}"]
        }
        #expect(jobs("available") == 1 && jobs("running") == 1)
        #expect(told["ofa_jobs_blocked"] == 1)
        #expect(told["ofa_claims_total"] == 3)
        let ends = { (outcome: String) in
            told["ofa_attempts_total{kind=\"work\",outcome=\"\(outcome)\"}"]
        }
        #expect(ends("completed") == 1 && ends("failed") == 1 && ends("lost") == 0)
        #expect(told["ofa_runs{state=\"running\"}"] == 1 && told["ofa_runs{state=\"held\"}"] == 0)
        let host = HostIdentity.current.name
        #expect(told["ofa_workers{host=\"\(host)\",state=\"alive\"}"] == 1)
        #expect(told["ofa_worker_slots{host=\"\(host)\"}"] == 3)
        let stage = "run=\"\(run)\",pipeline=\"one\",stage=\"only\""
        #expect(told["ofa_stage_progress_ratio{\(stage)}"] == 2.5 / 4)
        #expect(told["ofa_backup_age_seconds"] == nil && told["ofa_database_bytes"] ?? 0 > 1e6)
    }

    @Test("the first available job is as old as its last attempt, and a scheduled one as overdue")
    func ages() throws {
        _ = try enqueue(1)
        let age = { (told: [String: Double], state: String) in
            told["ofa_job_oldest_age_seconds{kind=\"work\",queue=\"default\",state=\"\(state)\"}"]
                ?? -1
        }
        let session = try queue.openSession(name: "w", ttlSeconds: 1000)
        try queue.connection.script("set ofa.clock_offset = '600 s'")
        #expect(age(try read(), "available") >= 600)
        let lease = try #require(try queue.claim(session, kinds: ["work"]).first)
        try queue.connection.script("set ofa.clock_offset = '700 s'")
        #expect((100..<200).contains(age(try read(), "running")))
        #expect(try queue.release(lease, reason: "x") == .done)
        try queue.connection.script("set ofa.clock_offset = '710 s'")
        #expect((10..<100).contains(age(try read(), "available")))
    }

    @Test("backups, audits, budgets and pauses are told")
    func rare() throws {
        let run = try enqueue(1)
        try queue.record(.backup)
        try queue.record(.audit)
        try queue.pause(queue: "default")
        try queue.connection.script(
            """
            insert into ofa.budget (run_id, since, max_uj, is_soft, used_uj) values (\(run), now(), 1000, false, 250)
            """)
        let told = try read()
        #expect(told["ofa_backup_age_seconds"] ?? -1 >= 0)
        #expect(told["ofa_audit_age_seconds"] ?? -1 >= 0)
        #expect(told["ofa_queue_paused{queue=\"default\"}"] == 1)
        #expect(
            told["ofa_budget_used_ratio{budget=\"1\",of=\"run \(run)\",limit=\"energy\"}"] == 0.25)
    }

    @Test("a role that may only read reads all metrics")
    func reader() throws {
        _ = try enqueue(2)
        try queue.record(.backup)
        let session = try queue.openSession(name: "w")
        let lease = try #require(try queue.claim(session, kinds: ["work"]).first)
        #expect(try queue.complete(lease, result: "{}") == .done)
        let name = "reads_" + UUID().uuidString.prefix(8).lowercased()
        try queue.connection.script("create role \(name) login")
        try RoleAccess.read.grant(to: name, queue.connection)
        let url = database.url.replacing(#/user=[^&]*/#, with: "user=\(name)")
        let reader = try Connection(url: url, applicationName: "test")
        let names = { (told: [String: Double]) in Set(told.keys) }
        #expect(names(try read(reader)) == names(try read()))
    }

    @Test("counters do not fall when the days of the history are dropped")
    func retention() throws {
        _ = try enqueue(3)
        let session = try queue.openSession(name: "w")
        for lease in try queue.claim(session, kinds: ["work"], limit: 3) {
            #expect(try queue.complete(lease, result: "{}") == .done)
        }
        let counters = { (told: [String: Double]) in told.filter { $0.key.contains("_total") } }
        let before = counters(try read())
        #expect(before["ofa_attempts_total{kind=\"work\",outcome=\"completed\"}"] == 3)
        try queue.connection.script(
            """
            do $$ declare part regclass; begin
              for part in select inhrelid::regclass from pg_inherits where inhparent = 'ofa.attempt'::regclass loop
                execute 'drop table ' || part; end loop; end $$
            """)
        #expect(counters(try read()) == before)
    }

    @Test("within a second the database is read once, however many ask")
    func cached() throws {
        let time = Mutex(0.0)
        let metrics = FleetMetrics { time.withLock(\.self) }
        let first = try metrics.text(queue.connection)
        _ = try enqueue(1)
        #expect(try metrics.text(queue.connection) == first)
        time.withLock { $0 = 1.1 }
        let later = try metrics.text(queue.connection)
        #expect(later != first && later.contains("ofa_jobs{"))
    }

    @Test("promtool accepts the text", .enabled(if: Promtool.isThere))
    func accepted() throws {
        _ = try enqueue(2, name: "a \"name\" with \\ and\u{00A0}Ω")
        let session = try queue.openSession(name: "w")
        _ = try queue.claim(session, kinds: ["work"])
        let (status, said) = try Promtool.run(
            ["check", "metrics"], input: try FleetMetrics().text(queue.connection))
        #expect(status == 0 && said.isEmpty, "\(said)")
    }

    @Test(
        "at 20,000 jobs and a training of 20,000 records few blocks are read, whatever the statistics say"
    )
    func scale() throws {
        let connection = queue.connection
        _ = try enqueue(2)
        let session = try queue.openSession(name: "w")
        _ = try queue.claim(session, kinds: ["work"], limit: 1)
        try connection.script(
            """
            insert into ofa.live (job_id, month, run_id, group_id, account_id, lane_id, max_attempts, max_crashes, state)
              select 1000 + i, month, run_id, group_id, account_id, lane_id, 3, 5, 'available'
              from ofa.live, generate_series(1, 20000) as i where live.state = 'running';
            insert into ofa.training_metrics (job_id, month, token, first_step, last_step, skipped, networks, images,
                seconds, learning_rate)
              select job_id, month, token, i, i, 0, 1, 100, 0.5, 0.1 from ofa.live, generate_series(1, 20000) as i
              where state = 'running';
            """)
        for statistics in ["", "analyze ofa.live; analyze ofa.training_metrics"] {
            if !statistics.isEmpty { try connection.script(statistics) }
            let pages = try #require(
                try connection.query(
                    Statement(
                        name: "Pages",
                        sql: "select pg_relation_size('ofa.live') / 8192 as pages")
                ).first?.int("pages"))
            let found = try connection.transaction { connection in
                _ = try connection.query(Request(.metricsPlan))
                _ = try connection.query(Request(.metricsQueue))
                return try connection.blocks(Request(.metricsQueue))
            }
            #expect(found < 3 * pages + 1000, "\(found) blocks, ofa.live has \(pages)")
        }
    }
}

extension Connection {
    /// How many blocks of 8 kB a statement without parameters touches.
    fileprivate func blocks(_ request: Request) throws -> Int {
        let explain = Statement(
            name: "Explain\(request.statement.name)",
            sql: "explain (analyze, buffers, format json) \(request.statement.sql)")
        let text = try queryOne(explain).text("QUERY PLAN")
        let plans = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]]
        let plan = try #require(plans?.first?["Plan"] as? [String: Any])
        return try ["Shared Hit Blocks", "Shared Read Blocks"].reduce(0) {
            $0 + (try #require(plan[$1] as? Int))
        }
    }
}

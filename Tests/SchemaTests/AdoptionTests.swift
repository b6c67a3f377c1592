// Tests of Adoption: what a database from before the schema was settled holds goes on.
import Foundation
import Postgres
import TestSupport
import Testing

@testable import Schema

@Suite("Adoption")
struct AdoptionTests {
    /// A text of sql/ as it was before.
    private static func before(_ file: String) throws -> String {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Before")
        return try String(contentsOf: folder.appending(path: file), encoding: .utf8)
    }

    /// A database as the program before left it, with its record of migrations: the baseline's, or those it was folded
    /// from. In it a run that completed and one that did not, an artifact made from another, a metered attempt, one that
    /// failed unmetered, and one of a device.
    func earlier(_ names: [String] = ["baseline"], baseline: Int = 1) throws -> (
        TemporaryDatabase, Connection
    ) {
        let database = try TemporaryDatabase(migrated: false), connection = try database.connect()
        let records = names.enumerated().map { place, name in
            "(\(place + 1), '\(name)', '\(name == "baseline" ? Adoption.baselines[baseline] : "x")')"
        }
        try connection.script(
            """
            create schema ofa;
            create table ofa.migration (version int primary key, name text not null, checksum text not null,
              applied_at timestamptz not null default now());
            insert into ofa.migration (version, name, checksum) values \(records.joined(separator: ", "));
            """)
        for file in ["0001_baseline.sql", "readable_json.sql", "charged_attempt.sql"] {
            try connection.script(try Self.before(file))
        }
        try connection.script(
            """
            insert into ofa.run (name, definition, definition_hash, state, ended_at) values
              ('done', 'd', 'h', 'completed', now()), ('open', 'd', 'h', 'running', null);
            insert into ofa.job_group (run_id, stage) values (2, 'full');
            insert into ofa.job_group (run_id, stage, expected, ok, good, released_at, fired_at)
              values (1, 'full', 2, 2, true, now(), now());
            insert into ofa.lane (kind, queue, priority) values ('train', 'default', 0);
            insert into ofa.session (name, host, process, ttl, state)
              values ('w', 'box', 1, interval '10 s', 'closed');
            insert into ofa.job (run_id, group_id, lane_id, stage, ordinal, path, kind, args, max_attempts, max_crashes, backoff)
              values (1, 2, 1, 'full', 0, '{0}', 'train', '{}', 3, 5, '{}'),
                (1, 2, 1, 'full', 1, '{1}', 'train', '{"device": {"name": "board"}}', 3, 5, '{}');
            insert into ofa.outcome (job_id, group_id, state, result)
              values (1, 2, 'completed', '{}'), (2, 2, 'completed', '{}');
            select setval('ofa.lease_token', 77);
            insert into ofa.attempt (token, job_id, attempt, session_id, started_at, ended_at, outcome, error) values
              (70, 1, 1, 1, '2026-03-04 05:00Z', '2026-03-04 05:01Z', 'failed', 'x'),
              (71, 1, 2, 1, '2026-03-05 05:00Z', '2026-03-05 05:01Z', 'completed', null),
              (72, 2, 1, 1, '2026-03-05 05:00Z', '2026-03-05 05:01Z', 'completed', null);
            insert into ofa.meter (token, job_id, attempt, outcome, started_at, host, zone, wall_ns, cpu_ns, energy_uj,
                energy_low_uj, energy_high_uj, method, tier) values
              (71, 1, 2, 'completed', '2026-03-05 05:00Z', 'box', 'world', 60000000000, 5, 300, 200, 400, 'model', 'M'),
              (72, 2, 1, 'completed', '2026-03-05 05:00Z', 'box', 'world', 60000000000, 5, 30, 20, 40, 'model', 'M');
            insert into ofa.blob (digest, raw_bytes, chunks, filter, codec)
              values (sha256('abc'), 3, 1, 'none', 'none');
            insert into ofa.blob_chunk (digest, ordinal, raw_bytes, sha256, data)
              values (sha256('abc'), 0, 3, sha256('abc'), 'abc');
            insert into ofa.artifact (kind, name, role, digest) values ('dataset', 'a', 'dataset', sha256('abc'));
            insert into ofa.artifact (kind, name, role, digest, run_id, job_id, token, stage)
              values ('supernet', 'b', 'supernet', sha256('abc'), 1, 1, 71, 'full');
            insert into ofa.artifact_input (token, artifact_id, role) values (71, 1, 'dataset');
            insert into ofa.device (name, target, latency_table) values ('board', '{"kind": "phone"}', 1);
            insert into ofa.permit_key (name, slots) values ('gpu', 2);
            insert into ofa.permit (key_id, slot) values (1, 1), (1, 2);
            insert into ofa.recurring (name, spec, every, next_at) values ('nightly', '{}', interval '1 day', now());
            """)
        return (database, connection)
    }

    func text(_ connection: Connection, _ sql: String) throws -> String {
        try connection.queryOne(
            Statement(name: "Text \(sql.hashValue)", sql: "select (\(sql))::text as text")
        ).text(
            "text")
    }

    @Test("the text of the baseline before is the one that is known")
    func checksum() throws {
        let (database, connection) = try earlier()
        defer { withExtendedLifetime(database) {} }
        let text = try Self.before("0001_baseline.sql").trimmingSuffix { $0.isNewline }
        let sum = try connection.queryOne(.migrationChecksum(text: String(text))).text(
            "checksum")
        #expect(sum == Adoption.baselines[1])
    }

    /// A database of the program whose ledger stood alone and whose jobs did not lie in months yet; in it the same run and
    /// artifacts, what they cost, and a blob in a folder.
    func standingAlone(baseline: Int = 5) throws -> (TemporaryDatabase, Connection) {
        let database = try TemporaryDatabase(migrated: false), connection = try database.connect()
        try connection.script(
            """
            create schema ofa;
            create table ofa.migration (version int primary key, name text not null, checksum text not null,
              applied_at timestamptz not null default now());
            insert into ofa.migration (version, name, checksum) values (1, 'baseline', '\(Adoption.baselines[baseline])');
            """)
        try connection.script(try Self.before("0001_days.sql"))
        try connection.script(
            """
            create table ofa.meter_202603 partition of ofa.meter for values from ('2026-03-01Z') to ('2026-04-01Z');
            insert into ofa.host (identity, name) values ('id', 'box');
            insert into ofa.run (name, definition, definition_hash, state, created_at, ended_at) values
              ('done', 'd', 'h', 'completed', '2026-03-05Z', now()), ('open', 'd', 'h', 'running', now(), null);
            insert into ofa.account (run_id, pipeline, stage, kind, device) values (1, 'done', 'full', 'train', 'board');
            insert into ofa.job_group (run_id, stage) values (2, 'full');
            insert into ofa.job_group (run_id, stage, expected, ok, good, released_at, fired_at)
              values (1, 'full', 1, 1, true, now(), now());
            insert into ofa.lane (kind, queue, priority, requires) values ('train', 'default', 0, '{gpu}');
            insert into ofa.job (run_id, group_id, lane_id, account_id, stage, ordinal, path, kind, args, max_attempts,
                max_crashes, backoff)
              values (1, 2, 1, 1, 'full', 0, '{0}', 'train', '{}', 3, 5, '{}');
            insert into ofa.outcome (job_id, group_id, state, result) values (1, 2, 'completed', '{}');
            select setval('ofa.lease_token', 77);
            insert into ofa.meter (token, account_id, host_id, job_id, attempt, outcome, started_at, ended_at, zone, wall_ns,
                cpu_ns, energy_uj, energy_low_uj, energy_high_uj, method, tier)
              values (71, 1, 1, 1, 1, 'completed', '2026-03-05 05:00Z', '2026-03-05 05:01Z', 'world', 60000000000, 5, 30, 20,
                40, 'model', 'M');
            insert into ofa.spent (account_id, host_id, day, zone, method, tier, attempts, not_completed, failed, lost, gaps,
                wall_ns, cpu_ns, energy_uj, energy_low_uj, energy_high_uj, first_started_at, first_token)
              values (1, 1, '2026-03-05', 'world', 'model', 'M', 1, 0, 0, 0, 0, 60000000000, 5, 30, 20, 40,
                '2026-03-05 05:00Z', 71);
            insert into ofa.store (name, path, from_bytes) values ('folder', '/elsewhere', 1000);
            insert into ofa.blob (digest, raw_bytes, chunks, filter, codec, store)
              values (sha256('abc'), 3, 1, 'none', 'none', 'database'), (sha256('b'), 1, 1, 'none', 'none', 'folder');
            insert into ofa.blob_chunk (digest, class, ordinal, raw_bytes, stored_bytes, sha256, data) values
              (sha256('abc'), 'lasting', 0, 3, 3, sha256('abc'), 'abc'), (sha256('b'), 'lasting', 0, 1, 1, sha256('b'), null);
            insert into ofa.artifact (kind, name, role, digest) values ('dataset', 'a', 'dataset', sha256('b'));
            insert into ofa.artifact (kind, name, role, digest, run_id, job_id, token, stage)
              values ('supernet', 'b', 'supernet', sha256('abc'), 1, 1, 71, 'full');
            insert into ofa.artifact_input (token, artifact_id, role) values (71, 1, 'dataset');
            insert into ofa.pin (digest, reason) values (sha256('abc'), 'mine');
            insert into ofa.retention (what, keep) values ('history', interval '90 days');
            insert into ofa.action (actor, verb, subject) values ('me', 'enqueue', 'run 1');
            insert into ofa.permit_key (name, slots) values ('gpu', 2);
            """)
        return (database, connection)
    }

    @Test("one whose ledger stands alone is adopted with its costs, blobs and jobs as they were")
    func adoptedAlone() throws {
        let (database, connection) = try standingAlone()
        let text = try Self.before("0001_days.sql").trimmingSuffix { $0.isNewline }
        #expect(
            try connection.queryOne(.migrationChecksum(text: String(text))).text("checksum")
                == Adoption.baselines[5])
        let environment = ["OFA_DATABASE_URL": database.url]
        let run = try CommandRun(["db", "adopt", "--json"], environment: environment)
        #expect(run.status == 0, "\(run.errors)")
        #expect(run.output.contains(#""cancelled":[2]"#), "\(run.output)")
        for (sql, expected) in [
            (
                "select string_agg(id || state, ' ' order by id) from ofa.run",
                "1completed 2cancelled"
            ),
            ("select month || ' ' || id from ofa.job", "202603 1"),
            (
                "select month || ' ' || job_id || ' ' || state from ofa.outcome",
                "202603 1 completed"
            ),
            ("select string_agg(id || ' ' || run_id, ', ') from ofa.job_group", "2 1"),
            ("select requires from ofa.lane", "{gpu}"),
            ("select string_agg(store, ' ' order by store) from ofa.blob", "database folder"),
            ("select path from ofa.store", "/elsewhere"), ("select reason from ofa.pin", "mine"),
            (
                "select energy_uj from ofa.spent join ofa.account on account.id = account_id where device = 'board'",
                "30"
            ),
            ("select token || ' ' || energy_uj from ofa.meter", "71 30"),
            ("select keep from ofa.retention", "90 days"),
            (
                "select string_agg(verb || ' ' || subject, ', ' order by id) from ofa.action",
                "enqueue run 1, adopt database"
            ),
            ("select count(*) from ofa.permit", "2"), ("select nextval('ofa.lease_token')", "78"),
            ("select nextval('ofa.job_id')", "2"), ("select nextval('ofa.job_group_id')", "3"),
            ("select to_regnamespace('ofa_before') is null", "true"),
        ] { #expect(try self.text(connection, sql) == expected, "\(sql)") }
        for command in [
            ["queue", "audit"], ["cost", "1"], ["lineage", "up", "2"], ["status", "1"],
        ] {
            let told = try CommandRun(command, environment: environment)
            #expect(told.status == 0, "\(command): \(told.errors)")
        }
    }

    @Test("a program says what a database from before is, and changes nothing")
    func refused() throws {
        let (database, connection) = try earlier()
        for command in [["jobs"], ["db", "migrate"], ["worker", "--until-idle"]] {
            let run = try CommandRun(command, environment: ["OFA_DATABASE_URL": database.url])
            #expect(run.status == 1, "\(command)")
            #expect(run.errors.contains("from before its schema was settled"), "\(run.errors)")
            #expect(run.errors.contains("ofa db adopt"), "\(run.errors)")
        }
        #expect(try text(connection, "select count(*) from ofa.migration") == "1")
    }

    @Test(
        "it is adopted with runs, artifacts, lineage, devices and costs under their numbers, once",
        arguments: [["baseline"], Adoption.folded])
    func adopted(_ names: [String]) throws {
        let (database, connection) = try earlier(names)
        let environment = ["OFA_DATABASE_URL": database.url]
        let run = try CommandRun(["db", "adopt", "--json"], environment: environment)
        #expect(run.status == 0, "\(run.errors)")
        #expect(run.output.contains(#""cancelled":[2]"#), "\(run.output)")
        #expect(try Migrator(connection).isCurrent())
        for (sql, expected) in [
            (
                "select string_agg(id || state, ' ' order by id) from ofa.run",
                "1completed 2cancelled"
            ),
            ("select string_agg(id || name, ' ' order by id) from ofa.artifact", "1a 2b"),
            ("select token || ' ' || artifact_id from ofa.artifact_input", "71 1"),
            ("select latency_table from ofa.device", "1"),
            // What made an artifact is told by its job's arguments.
            (
                """
                select string_agg(concat_ws(' ', job_state.id, job_state.state, account.device), ', ' order by job_state.id)
                from ofa.job_state join ofa.job using (id) join ofa.account on account.id = job.account_id
                """, "1 completed, 2 completed board"
            ),
            ("select convert_from(data, 'UTF8') from ofa.blob_chunk", "abc"),
            ("select count(*) from ofa.permit", "2"), ("select name from ofa.recurring", "nightly"),
            (
                "select string_agg(token || ' ' || energy_uj, ' ' order by token) from ofa.meter",
                "71 300 72 30"
            ),
            (
                """
                select string_agg(concat_ws(' ', device, day, attempts, not_completed, gaps, energy_uj), ', '
                  order by day, device nulls first) from ofa.spent join ofa.account on account.id = account_id
                """, "2026-03-04 1 1 1 0, 2026-03-05 1 0 0 300, board 2026-03-05 1 0 0 30"
            ), ("select nextval('ofa.lease_token')", "78"),
            ("select nextval(pg_get_serial_sequence('ofa.artifact', 'id'))", "3"),
            ("select to_regnamespace('ofa_before') is null", "true"),
        ] { #expect(try text(connection, sql) == expected, "\(sql)") }
        for command in [
            ["queue", "audit"], ["cost"], ["cost", "--by", "attempt"], ["lineage", "up", "2"],
            ["status", "2"],
        ] {
            let told = try CommandRun(command, environment: environment)
            #expect(told.status == 0, "\(command): \(told.errors)")
        }
        let again = try CommandRun(["db", "adopt"], environment: environment)
        #expect(again.status == 1)
        #expect(again.errors.contains("of this schema already"), "\(again.errors)")
    }

    @Test(
        "one with fewer migrations, one where workers run and an empty one are refused, unchanged")
    func notAdoptable() throws {
        let (few, seven) = try earlier(Array(Adoption.folded.prefix(7)))
        defer { withExtendedLifetime(few) {} }
        var error = #expect(throws: SchemaError.self) { try Adoption(seven).run() }
        #expect(error?.code == .notAdoptable)
        #expect(error?.reason.contains("7 of the 10 migrations") == true)
        #expect(try text(seven, "select count(*) from ofa.migration") == "7")
        let (busy, connection) = try earlier()
        defer { withExtendedLifetime(busy) {} }
        try connection.script("update ofa.session set state = 'alive'")
        error = #expect(throws: SchemaError.self) { try Adoption(connection).run() }
        #expect(error?.reason.contains("use the database (1)") == true, "\(error?.reason ?? "")")
        #expect(try text(connection, "select count(*) from ofa.run where state = 'running'") == "1")
        let empty = try TemporaryDatabase(migrated: false)
        error = #expect(throws: SchemaError.self) { try Adoption(try empty.connect()).run() }
        #expect(error?.reason.contains("nothing of ofa yet") == true)
    }

    @Test("killed in its middle it leaves the database as it was; while somebody reads, it waits")
    func killed() throws {
        let (database, connection) = try earlier()
        let environment = ["OFA_DATABASE_URL": database.url]
        let reader = try database.connect()
        try reader.script("begin; select count(*) from ofa.job_group")
        let killed = try RunningCommand(["db", "adopt"], environment: environment)
        let waits = Statement(
            name: "Waits",
            sql: """
                select count(*) > 0 as waits from pg_stat_activity where datname = current_database()
                  and wait_event_type = 'Lock' and query like 'drop schema ofa_before%'
                """)
        let deadline = ContinuousClock.now + .seconds(60)
        while try !connection.queryOne(waits).bool("waits") {
            try #require(ContinuousClock.now < deadline && killed.isRunning, "\(killed.errors)")
        }
        killed.killNow()
        try reader.script("commit")
        #expect(
            try text(connection, "select string_agg(state, ' ' order by id) from ofa.run")
                == "completed running")
        #expect(try text(connection, "select count(*) from ofa.migration") == "1")
        let whole = try CommandRun(["db", "adopt"], environment: environment)
        #expect(whole.status == 0, "\(whole.errors)")
        #expect(try Migrator(connection).isCurrent())
    }
}

extension StringProtocol {
    /// The text without what it ends with.
    fileprivate func trimmingSuffix(_ isSuffix: (Character) -> Bool) -> SubSequence {
        var end = endIndex
        while end > startIndex, isSuffix(self[index(before: end)]) { end = index(before: end) }
        return self[startIndex..<end]
    }
}

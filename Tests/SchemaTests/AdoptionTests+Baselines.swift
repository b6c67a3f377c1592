// What each baseline before had and had not, made out of the two that are kept: every one of them is adopted, with what runs
// that never ended leave.
import Postgres
import TestSupport
import Testing

@testable import Schema

extension AdoptionTests {
    /// A baseline before: its place among those that are known, whether its ledger stood alone, whether blobs had a class,
    /// and how its tables were unlike those of the baseline that is kept of its kind.
    struct Baseline: Sendable, CustomTestStringConvertible {
        let place: Int
        let isAlone, hasClasses: Bool
        let unlike: String

        var testDescription: String { "baseline \(place)" }

        private static let requires =
            "alter table ofa.lane add requires text[] not null default '{gpu}';"

        private static let months = """
            alter table ofa.run add month int not null default 202603;
            alter table ofa.job_group add month int not null default 202603;
            alter table ofa.group_edge add month int not null default 202603;
            alter table ofa.job add month int not null default 202603;
            alter table ofa.outcome add month int not null default 202603;
            create table ofa.closed_month (month int primary key, closed_at timestamptz not null default ofa.now());
            create table ofa.recipe (job_id bigint primary key, kind text not null, args json not null);
            insert into ofa.closed_month (month) values (202501);
            insert into ofa.recipe (job_id, kind, args) values (900, 'train', '{}');
            """

        static let all = [
            Baseline(place: 0, isAlone: false, hasClasses: false, unlike: ""),
            Baseline(place: 1, isAlone: false, hasClasses: false, unlike: ""),
            Baseline(place: 2, isAlone: false, hasClasses: false, unlike: requires),
            Baseline(
                place: 3, isAlone: false, hasClasses: true,
                unlike: requires + """
                    create table ofa.store (name text primary key, id uuid not null default gen_random_uuid(),
                      path text not null, from_bytes bigint not null, kinds text[] not null default '{}',
                      changed_at timestamptz not null default ofa.now());
                    alter table ofa.blob add class text not null default 'lasting',
                      add store text not null default 'database', add stored_bytes bigint not null default 3,
                      add put_at timestamptz not null default ofa.now(), add collected_at timestamptz;
                    alter table ofa.blob_chunk add class text not null default 'lasting',
                      add stored_bytes int not null default 3;
                    create table ofa.pin (digest bytea primary key, reason text not null,
                      pinned_at timestamptz not null default ofa.now());
                    alter table ofa.checkpoint add digest bytea;
                    """),
            Baseline(
                place: 4, isAlone: true, hasClasses: true,
                unlike: "drop table ofa.spent_day; drop index ofa.spent_of_day;"),
            Baseline(place: 5, isAlone: true, hasClasses: true, unlike: ""),
            Baseline(place: 6, isAlone: true, hasClasses: true, unlike: months),
            Baseline(
                place: 7, isAlone: true, hasClasses: true,
                unlike: months + """
                    alter table ofa.factor add valid_from timestamptz not null default '-infinity',
                      add valid_until timestamptz not null default 'infinity';
                    """),
        ]

        /// An artifact of the unfinished run; a run that failed, whose job saved a checkpoint; bytes that nothing names; and
        /// factors that were added by hand.
        var remains: String {
            func job(_ run: Int, group: Int, account: Int, args: String) -> String {
                """
                insert into ofa.job (run_id, group_id, lane_id, stage, ordinal, path, kind, args, max_attempts, max_crashes,
                    backoff\(isAlone ? ", account_id" : ""))
                  values (\(run), \(group), 1, 'full', 0, '{0}', 'train', '\(args)', 3, 5, '{}'
                    \(isAlone ? ", \(account)" : ""));
                """
            }
            let bytes =
                hasClasses
                ? """
                insert into ofa.blob (digest, class, stored_bytes, raw_bytes, chunks, filter, codec)
                  values (sha256('saved'), 'checkpoint', 5, 5, 1, 'none', 'none');
                insert into ofa.blob_chunk (digest, class, ordinal, raw_bytes, stored_bytes, sha256, data)
                  values (sha256('saved'), 'checkpoint', 0, 5, 5, sha256('saved'), 'saved');
                insert into ofa.checkpoint (job_id, name, seq, token, payload, digest)
                  values ((select max(id) from ofa.job), 'w', 1, 76, '{}', sha256('saved'));
                """
                : """
                insert into ofa.blob (digest, raw_bytes, chunks, filter, codec)
                  values (sha256('saved'), 5, 1, 'none', 'none'), (sha256('gone'), 0, 0, 'none', 'none');
                insert into ofa.blob_chunk (digest, ordinal, raw_bytes, sha256, data)
                  values (sha256('saved'), 0, 5, sha256('saved'), 'saved');
                insert into ofa.checkpoint (job_id, name, seq, token, payload)
                  values ((select max(id) from ofa.job), 'w', 1, 76,
                    json_build_object('blob', encode(sha256('saved'), 'hex')));
                """
            return """
                insert into ofa.run (name, definition, definition_hash, state, created_at, ended_at)
                  values ('bad', 'd', 'h', 'failed', '2026-03-05Z', now());
                \(isAlone
                    ? "insert into ofa.account (run_id, pipeline, stage, kind) values (3, 'bad', 'full', 'train');" : "")
                insert into ofa.job_group (run_id, stage, expected, bad, good, released_at, fired_at)
                  values (3, 'full', 1, 1, false, now(), now());
                \(job(2, group: 1, account: 1, args: #"{"width": 1}"#))
                insert into ofa.artifact (kind, name, role, digest, run_id, job_id, token, stage)
                  select 'supernet', 'c', 'supernet', sha256('abc'), 2, max(id), 75, 'full' from ofa.job;
                \(job(3, group: 3, account: 2, args: "{}"))
                insert into ofa.outcome (job_id, group_id, state, reason)
                  select max(id), 3, 'discarded', 'x' from ofa.job;
                \(bytes)
                insert into ofa.factor_set (version, note) values (2, 'mine');
                insert into ofa.factor (version, kind, zone, value, unit, type, signal, source, licence, vintage) values
                  (2, 'pue', 'default', 1.1, '1', 'none', 'none', 'me', 'mine', '2026'),
                  (2, 'intensity', 'world', 475, 'g/kWh', 'lifecycle', 'average', 'me', 'mine', '2026'),
                  (1, 'intensity', 'ISL', 28, 'g/kWh', 'lifecycle', 'average', 'me', 'mine', '2026');
                """
        }
    }

    @Test(
        "every baseline before is adopted: what made artifacts can be made again, saved work goes on, own factors stay",
        arguments: Baseline.all)
    func baselines(_ baseline: Baseline) throws {
        let (database, connection) =
            try baseline.isAlone
            ? standingAlone(baseline: baseline.place) : earlier(baseline: baseline.place)
        try connection.script(baseline.unlike)
        try connection.script(baseline.remains)
        let environment = ["OFA_DATABASE_URL": database.url]
        let refused = try CommandRun(["jobs"], environment: environment)
        #expect(refused.errors.contains("ofa db adopt"), "\(refused.errors)")
        let run = try CommandRun(
            ["db", "adopt"], environment: environment.merging(["OFA_ACTOR": "anna"]) { $1 })
        #expect(run.status == 0, "\(run.errors)")
        for (sql, expected) in [
            ("select string_agg(name, ' ' order by id) from ofa.artifact", "a b c"),
            // What the unfinished run's job was told, under its number.
            (
                """
                select args ->> 'width' from ofa.recipe join ofa.artifact using (job_id) where name = 'c'
                """, "1"
            ),
            (
                """
                select string_agg(concat_ws(' ', run_id, checkpoint.name, seq, state, blob.class, convert_from(data, 'UTF8')), ',')
                from ofa.checkpoint join ofa.job_state on id = job_id join ofa.blob using (digest)
                join ofa.blob_chunk using (digest)
                """, "3 w 1 discarded checkpoint saved"
            ), ("select count(*) from ofa.blob where digest = sha256('gone')", "0"),
            (
                "select value || ' ' || valid_from from ofa.factor where version = 2 and kind = 'pue'",
                "1.1 -infinity"
            ),
            ("select value from ofa.factor where zone = 'ISL'", "28"),
            ("select count(*) from ofa.factor where version = 1 and zone = 'world'", "1"),
            (
                "select string_agg(actor || ' ' || verb, ',') from ofa.action where verb = 'adopt'",
                "anna adopt"
            ),
        ] { #expect(try text(connection, sql) == expected, "\(sql)") }
        for command in [["queue", "audit"], ["cost", "1"], ["job", "retry", "--run", "3"]] {
            let told = try CommandRun(command, environment: environment)
            #expect(told.status == 0, "\(command): \(told.output) \(told.errors)")
        }
    }
}

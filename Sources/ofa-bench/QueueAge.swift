// QueueAge: fills a database with a history of runs, then times everyday commands that read this history, and `ofa cost` by
// every grouping. Filling takes minutes.
import Foundation
import Postgres

/// Fills a database and times commands that read it.
struct QueueAge {
    /// The number of attempts in the database; there are a tenth as many runs and artifacts.
    let attempts: Int
    /// The URL of the database.
    let url: String

    /// The results.
    struct Result: Encodable {
        let attempts, runs: Int
        /// The rows of the ledger of energy, by the hour.
        let energyRows: Int
        let fillSeconds: Double
        let megabytes: Int
        let answers: [CommandTime]
    }

    /// Fills the database and times the commands.
    func run() throws -> Result {
        let runs = max(10, attempts / 10)
        let connection = try Connection(
            url: url, applicationName: "ofa-bench",
            limits: SessionLimits(statementTimeoutSeconds: 0, idleInTransactionTimeoutSeconds: 0))
        defer { connection.close() }
        let clock = ContinuousClock()
        let begun = clock.now
        for step in Self.fill {
            try connection.script(step.replacingOccurrences(of: ":runs", with: "\(runs)"))
        }
        let fillSeconds = (clock.now - begun) / .seconds(1)
        let size = try connection.queryOne(
            Statement(
                name: "DatabaseSize",
                sql: """
                    select pg_database_size(current_database()) as bytes,
                      (select count(*) from ofa.energy_hour) as energy_rows
                    """))
        return Result(
            attempts: runs * 10, runs: runs, energyRows: try size.int("energy_rows"),
            fillSeconds: fillSeconds, megabytes: try size.int("bytes") >> 20,
            answers: try Self.questions(runs).map {
                try CommandTime($0 + ["--json"], url: url)
            })
    }

    /// Returns the arguments of the commands, for a database with `runs` runs.
    private static func questions(_ runs: Int) -> [[String]] {
        let groupings = [
            "stage", "device", "attempt", "host", "kind", "day", "zone", "pipeline", "run",
        ]
        func day(_ daysAgo: Double) -> String {
            (Date() - daysAgo * 86_400).formatted(
                .iso8601.year().month().day().dateSeparator(.dash))
        }
        let period = ["--since", day(40), "--until", day(10)]
        var questions = groupings.map { ["cost", "--by", $0] }
        questions += groupings.map { ["cost", "--by", $0] + period }
        questions += [
            ["cost", "\(runs)"], ["cost", "amortise"], ["status"], ["status", "\(runs / 2)"],
            ["status", "--all"], ["jobs"], ["jobs", "--state", "discarded"],
            ["lineage", "up", "\(runs)"], ["queue"], ["artifacts", "show", "\(runs)"],
        ]
        return questions
    }

    /// The statements that fill the database: runs of the last sixty days, each with five stages of two jobs. One run
    /// in fifty has a discarded job. Every attempt is metered. Each run has one artifact, and nearly every artifact is
    /// made from the artifact of the previous run.
    private static let fill = [
        """
        set synchronous_commit = off;
        insert into ofa.lane (kind, queue, priority)
        select unnest(array['train', 'sample-accuracy', 'fit-predictor', 'search', 'materialise']), 'default', 0;
        insert into ofa.session (name, host_id, process, ttl, state, swept)
        select 'w', ofa.know_host('machine ' || i, 'host-' || i), 1, '10 s', 'closed', true from generate_series(1, 4) i;
        """,
        "select ofa.open_day(day::date) from generate_series(now() - interval '59 days', now(), '1 day') day",
        """
        insert into ofa.run (name, definition, definition_hash, state, created_at, ended_at)
        select 'run-' || (i % 1000), repeat('x: 1' || chr(10), 200), md5(i::text),
          case when i % 50 = 0 then 'failed' else 'completed' end, at, at + interval '10 min'
        from (select i, now() - interval '59 days' * (1 - i::float8 / :runs) - interval '10 min' as at
          from generate_series(1, :runs) i) as made
        """,
        "select ofa.open_month(month) from (select distinct month from ofa.run) as runs",
        """
        insert into ofa.job_group (month, run_id, stage, expected, ok, bad, good, released_at, fired_at)
        select run.month, run.id, stage, 2, 2 - bad, bad, bad = 0, run.created_at, run.ended_at
        from ofa.run
        cross join unnest(array['full', 'sample', 'fit', 'search-a', 'network-a']) with ordinality as listed (stage, place)
        cross join lateral (select case when run.state = 'failed' and place = 5 then 1 else 0 end as bad) as ended
        order by run.id, place
        """,
        "insert into ofa.group_edge (month, parent, child, told) select month, id, id + 1, true from ofa.job_group where id % 5 <> 0",
        """
        insert into ofa.account (run_id, pipeline, stage, kind, device)
        select job_group.run_id, run.name, stage, lane.kind, case when lane.id >= 4 then 'device-' || run_id % 50 end
        from ofa.job_group join ofa.run on run.id = run_id join ofa.lane on lane.id = (job_group.id - 1) % 5 + 1
        order by job_group.id
        """,
        """
        insert into ofa.job (month, run_id, group_id, lane_id, account_id, stage, ordinal, path, kind, args, max_attempts,
          max_crashes, backoff, created_at)
        select own.month, own.run_id, own.id, lane.id, own.id, own.stage, place, array[lane.id - 1, place], lane.kind,
          '{"stage": "x", "parameters": {"a": 1}}', 3, 5, '{"baseSeconds":1,"factor":4,"jitter":0.2,"maxSeconds":300}',
          own.released_at
        from ofa.job_group as own join ofa.lane on lane.id = (own.id - 1) % 5 + 1 cross join generate_series(0, 1) as place
        order by own.id, place
        """,
        """
        insert into ofa.outcome (job_id, month, group_id, state, result, reason, ended_at)
        select job.id, job.month, own.id, case when is_bad then 'discarded' else 'completed' end,
          case when not is_bad then '{"a": 1}'::json end, case when is_bad then 'no luck' end, own.fired_at
        from ofa.job join ofa.job_group as own on own.id = group_id
        cross join lateral (select own.bad = 1 and job.ordinal = 1 as is_bad) as ended order by job.id
        """,
        """
        insert into ofa.attempt (token, job_id, attempt, session_id, started_at, ended_at, outcome, error)
        select nextval('ofa.lease_token'), job_id, 1, run_id % 4 + 1, ended_at - interval '5 min', ended_at,
          case state when 'completed' then state else 'failed' end, reason
        from ofa.outcome join ofa.job on job.id = job_id order by job_id
        """,
        """
        insert into ofa.energy_piece (host_id, started_at, part, job_id, token, account_id, zone, method, tier, used_ns, cpu_ns,
          energy_uj, energy_low_uj, energy_high_uj, reserved_ns, share_ns)
        select session_id, greatest(started_at, hour), 'attempt', job_id, token, account_id, 'world',
          'model: processor and memory', 'M', ns, ns / 30 * 29, ns / 11728, ns / 29320, ns / 7818, 2 * ns, ns / 64
        from ofa.attempt join ofa.job on job.id = job_id
        cross join generate_series(date_trunc('hour', started_at), ended_at, interval '1 hour') as hour
        cross join lateral (select (1000000000 * extract(epoch
          from least(ended_at, hour + interval '1 hour') - greatest(started_at, hour)))::bigint as ns) as used
        where ns > 0 order by token
        """,
        """
        insert into ofa.energy_hour (account_id, host_id, hour, zone, method, tier, used_ns, gap_ns, cpu_ns, energy_uj,
          energy_low_uj, energy_high_uj, reserved_ns, share_ns)
        select account_id, host_id, date_trunc('hour', started_at at time zone 'UTC') at time zone 'UTC', zone, method, tier,
          sum(used_ns), 0, sum(cpu_ns), sum(energy_uj), sum(energy_low_uj), sum(energy_high_uj), sum(reserved_ns),
          sum(share_ns)
        from ofa.energy_piece group by 1, 2, 3, 4, 5, 6 order by 3, 1
        """,
        """
        insert into ofa.spent select account_id, session_id, (ended_at at time zone 'UTC')::date, 'world', '', '', count(*),
          count(*) filter (where outcome <> 'completed'), count(*) filter (where outcome = 'failed'), 0, 0,
          sum(300000000000), 0, 0, 0, 0, min(started_at), min(token)
        from ofa.attempt join ofa.job on job.id = job_id group by 1, 2, 3 order by 1
        """,
        """
        insert into ofa.blob (digest, raw_bytes, stored_bytes, chunks, filter, codec)
        select sha256(run.id::text::bytea), 3, 3, 0, 'none', 'none' from ofa.run order by run.id;
        insert into ofa.artifact (kind, name, role, digest, run_id, job_id, token, stage, created_at)
        select case when run.id % 10 = 0 then 'predictor' when run.id % 10 = 5 then 'supernet' else 'subnet' end,
          'a-' || run.id, 'x', sha256(run.id::text::bytea), run.id, run.id * 10, run.id * 10, 'full', run.ended_at
        from ofa.run order by run.id;
        insert into ofa.artifact_input (token, artifact_id, role)
        select token, id - 1, 'x' from ofa.artifact where id % 100 <> 1;
        """, "select ofa.fold_days()", "vacuum analyze",
    ]
}

extension QueueAge.Result {
    /// Prints a table, or one JSON document.
    func print(json: Bool) throws {
        let headline = Headline(ms: answers.map { $0.medianSeconds * 1000 })
        if json { return try Output.json(headline, self) }
        try Output.line(
            "\(attempts) attempts of \(runs) runs, \(energyRows) rows of energy by the hour, \(megabytes) MB, filled in "
                + "\(decimal(fillSeconds, 0)) s"
        )
        var table = Table(text: ["COMMAND"], numbers: ["SECONDS", "MEDIAN"])
        for answer in answers {
            table.rows.append([
                answer.command, decimal(answer.seconds, 2), decimal(answer.medianSeconds, 2),
            ])
        }
        try table.print()
    }
}

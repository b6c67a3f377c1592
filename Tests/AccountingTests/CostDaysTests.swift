// Days that are over are summed for questions about all runs: no figure changes by it, and nothing that comes late is lost.

import Foundation
import Metering
import Postgres
import TestSupport
import Testing

@testable import Accounting
@testable import Jobs

@Suite struct CostDaysTests {
    /// Groupings that read summed days alone.
    private let groupings = CostGrouping.allCases.filter { $0 != .attempt }

    /// Attempts of three stages for two devices, five, three and two days ago and now, with all factors and prices stated.
    private func worked() throws -> MeteredQueue {
        let metered = try MeteredQueue(
            stages: [
                stage("full"), stage("kernel", needs: ["full"]),
                stage("search-a", kind: "search", device: "phone", needs: ["kernel"]),
                stage("search-b", kind: "search", device: "mcu", needs: ["kernel"]),
            ], zone: "DEU")
        for seconds in [12.345_678_91, 3.333_333, 0.700_000_1, 10.01] {
            let lease = try metered.start()
            metered.host.work(seconds: seconds, cpuSeconds: seconds * 1.37)
            try metered.complete(lease)
        }
        for days in 0...5 {
            try metered.connection.script(
                "select ofa.open_day((now() at time zone 'UTC')::date - \(days))")
        }
        try metered.connection.script(
            """
            update ofa.spent set day = day - (array[5, 3, 2, 0])[account_id] where account_id < 4;
            update ofa.energy_hour set hour = hour - interval '1 day' * (array[5, 3, 2, 0])[account_id] where account_id in (1, 2, 3);
            update ofa.energy_hour set reserved_ns = null, share_ns = null where account_id = 2;
            insert into ofa.factor_set (version, note) values (2, 'all');
            insert into ofa.factor (version, kind, zone, valid_from, valid_until, value, low, high, unit, type, signal, source,
                licence, vintage)
              values (2, 'pue', 'default', '-infinity', 'infinity', 1.3, 1.1, 1.58, '1', 'none', 'none', 'test', '', ''),
                (2, 'wue', 'default', '-infinity', 'infinity', 1.77, 1, 2, 'L/kWh', 'none', 'none', 'test', '', ''),
                (2, 'price', 'DEU', '-infinity', 'infinity', 0.311, null, null, 'EUR/kWh', 'none', 'none', 'test', '', ''),
                (2, 'intensity', 'DEU', '-infinity', 'infinity', 381.37, 300, 420, 'g/kWh', 'lifecycle', 'average', 'test', '', '');
            insert into ofa.factor (version, kind, zone, valid_from, valid_until, value, unit, type, signal, source, licence, vintage)
              select 2, 'intensity', 'DEU', hour, hour + interval '1 hour', 100 + extract(hour from hour) / 7, 'g/kWh',
                'lifecycle', 'average', 'test', '', ''
              from (select distinct hour from ofa.energy_hour where account_id in (1, 2)) as one;
            insert into ofa.host_setting (host_id, valid_from, actor, currency, rental_per_cpu_hour, embodied_g, lifetime_hours)
              select id, now() - interval '4 days', 'test', 'EUR', 0.0533, 1.2e6, 35040 from ofa.host;
            """)
        return metered
    }

    private func number(_ metered: MeteredQueue, _ sql: String) throws -> Int64 {
        try metered.connection.queryOne(
            Statement(name: "Number \(sql.hashValue)", sql: "select (\(sql))::bigint as n")
        )
        .int64("n")
    }

    @Test("no figure of all runs changes when days are summed, by any grouping and in any period")
    func folded() throws {
        let metered = try worked(), ledger = CostLedger(metered.connection)
        let factors = try FactorSet.load(metered.connection, version: 2)
        let periods: [(since: Date?, until: Date?)] = [
            (nil, nil), (Date() - 3 * 86_400, nil), (nil, Date() - 3 * 86_400),
            (Date() - 4 * 86_400, Date() - 2 * 86_400),
        ]
        func reports() throws -> [CostReport] {
            try periods.flatMap { period in
                try groupings.map {
                    try ledger.report(
                        by: $0, since: period.since, until: period.until, factors: factors)
                }
            }
        }
        let before = try reports(), machine = try ledger.machine()
        #expect(before[0].total.attempts == 4)
        #expect(machine.attempts.energy == before[0].total.energy)
        for _ in 0..<2 {
            try metered.queue.foldDays()
            for (one, other) in zip(try reports(), before) {
                #expect(one == other, "\(one.grouping)")
            }
            #expect(try ledger.machine() == machine)
        }
        for grain in ["stage", "device", "run"] {
            let days = "select count(distinct day) from ofa.cost_day where grain = '\(grain)'"
            #expect(try number(metered, days) == 3)
        }
        // All groupings have the same sums, and one run that of its rows, each rounded.
        for place in periods.indices {
            let all = before[place * groupings.count..<(place + 1) * groupings.count].map(\.total)
            for total in all {
                #expect(total.emissionUg == all[0].emissionUg)
                #expect(total.figures.water?.millionths == all[0].figures.water?.millionths)
                #expect(
                    total.figures.money.mapValues(\.millionths)
                        == all[0].figures.money.mapValues(\.millionths))
                #expect(total.figures.embodied?.millionths == all[0].figures.embodied?.millionths)
                #expect(total.figures.moneyMissingNs == all[0].figures.moneyMissingNs)
            }
        }
        let run = try ledger.report(run: metered.run, factors: factors).total
        #expect(abs(run.emissionUg - before[0].total.emissionUg) <= 8)
        #expect(run.energy == before[0].total.energy)
    }

    /// Books the pieces of attempts of the last day once more, `days` earlier.
    private func book(_ days: Int) -> String {
        """
        select ofa.book_energy(array_agg(row(host_id, started_at - interval '\(days) days', part, job_id, token, account_id, zone,
          method, tier, used_ns, cpu_ns, energy_uj, energy_low_uj, energy_high_uj, reserved_ns, share_ns)::ofa.energy_piece))
        from ofa.energy_piece where part = 'attempt' and started_at > ofa.now() - interval '1 day'
        """
    }

    @Test(
        "energy that is booked to a summed day counts once, before and after the day is summed anew"
    )
    func late() throws {
        let metered = try worked(), ledger = CostLedger(metered.connection)
        let factors = try FactorSet.load(metered.connection, version: 2)
        let known = try ledger.report(factors: factors).total.energy
        let pieces = try number(
            metered, "select sum(energy_uj) from ofa.energy_piece where token > 0")
        try metered.queue.foldDays()
        try metered.connection.script(book(3))
        let before = try groupings.map { try ledger.report(by: $0, factors: factors) }
        for report in before {
            #expect(report.total.energy.microjoules == known.microjoules + pieces)
        }
        // The days from that one on are read from the ledger until they are summed again.
        #expect(try number(metered, "select count(distinct day) from ofa.cost_day") == 1)
        try metered.queue.foldDays()
        #expect(try number(metered, "select count(distinct day) from ofa.cost_day") == 3)
        for report in before {
            #expect(try ledger.report(by: report.grouping, factors: factors) == report)
        }
        // Of today nothing is removed.
        try metered.connection.script(book(0))
        #expect(try number(metered, "select count(distinct day) from ofa.cost_day") == 3)
    }

    @Test("a clock that was days ahead had today summed: what is booked to today later counts")
    func clockAhead() throws {
        let metered = try worked(), ledger = CostLedger(metered.connection)
        let factors = try FactorSet.load(metered.connection, version: 2)
        try metered.connection.script("set ofa.clock_offset = '3 days'")
        try metered.queue.foldDays()
        try metered.connection.script("reset ofa.clock_offset")
        let known = try ledger.report(factors: factors).total
        try metered.connection.script(book(0))
        let pieces = try number(
            metered,
            "select sum(energy_uj) from ofa.energy_piece where part = 'attempt' and started_at > ofa.now() - interval '1 day'"
        )
        let now = try ledger.report(factors: factors).total
        #expect(now.energy.microjoules == known.energy.microjoules + pieces / 2)
        try metered.queue.foldDays()
        #expect(try ledger.report(factors: factors).total == now)
    }

    @Test("what is booked to a day that is over waits for days that are being summed, and reverse")
    func fence() throws {
        let metered = try worked(), other = try metered.database.connect()
        try other.script("begin; select ofa.fold_days()")
        try metered.connection.script("set lock_timeout = '20ms'")
        let error = #expect(throws: PostgresError.self) { try metered.connection.script(book(1)) }
        #expect(error?.sqlState == "55P03")
        try metered.connection.script(book(0))
        try other.script("commit")
        try other.script("begin; \(book(4))")
        #expect(throws: PostgresError.self) { try metered.queue.foldDays() }
        try metered.connection.script(book(1))
        try other.script("commit")
        try metered.queue.foldDays()
        #expect(try number(metered, "select count(distinct day) from ofa.cost_day") == 4)
    }

    @Test("by run, those before the newest thousand are one row, unless all are asked for")
    func manyRuns() throws {
        let metered = try worked(), ledger = CostLedger(metered.connection)
        try metered.connection.script(
            """
            with made as (
              insert into ofa.account (run_id, pipeline, stage, kind)
              select \(metered.run) + i, 'many', 'full', 'train' from generate_series(1, 1001) as i returning id
            )
            insert into ofa.energy_hour select made.id, host_id, hour, zone, method, tier, used_ns, gap_ns, cpu_ns,
              energy_uj, energy_low_uj, energy_high_uj, reserved_ns, share_ns
            from made, (select * from ofa.energy_hour where account_id = 1) as one
            """)
        let factors = try FactorSet.load(metered.connection, version: 2)
        let newest = try ledger.report(by: .run, factors: factors)
        let all = try ledger.report(by: .run, factors: factors, listsAllRuns: true)
        #expect(newest.rows.count == 1001 && all.rows.count == 1002)
        let earlier = try #require(newest.rows.first { $0.label == "(earlier runs)" })
        #expect(earlier.attempts == 4)
        let first = ["\(metered.run)", "\(metered.run + 1)"]
        let named = CostRow.sum(all.rows.filter { first.contains($0.label) }, label: "")
        #expect(named.energy == earlier.energy)
        #expect(newest.total.emissionUg == all.total.emissionUg)
        try metered.queue.foldDays()
        let again = try ledger.report(by: .run, factors: factors)
        #expect(again.total.emissionUg == newest.total.emissionUg)
        #expect(Set(again.rows.map(\.label)) == Set(newest.rows.map(\.label)))
    }

    @Test("the audit finds a summed day that differs from the ledger, and one that was left out")
    func audit() throws {
        let metered = try worked()
        try metered.queue.foldDays()
        func found() throws -> [String] {
            try metered.queue.audit().filter { $0.hasSuffix(": its sums differ from the ledger") }
        }
        #expect(try found() == [])
        try metered.connection.script(
            """
            update ofa.cost_day set energy_uj = energy_uj + 1
            where grain = 'device' and is_energy and day = (select min(day) from ofa.cost_day);
            delete from ofa.cost_day where grain = 'run' and day = (select min(day) from ofa.cost_day)
            """)
        let problems = try found()
        #expect(problems.count == 2, "\(problems)")
        #expect(problems.contains { $0.contains(" by device: ") })
        #expect(problems.contains { $0.contains(" by run: ") })
    }
}

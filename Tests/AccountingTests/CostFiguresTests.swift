// Carbon by the hour, water, money and embodied carbon: hand-computed, restated under other factors, and unknown where a
// factor is.

import Foundation
import Metering
import Postgres
import TestSupport
import Testing

@testable import Accounting
@testable import Jobs

@Suite struct CostFiguresTests {
    private static let head = "kind,zone,value,unit,source,from,until,low,high,type,signal\n"
    /// The begin of an hour, in seconds since 1970.
    private static let midnight = 1_767_225_600.0

    /// A queue with one attempt of stage `full`, whose energy is replaced by `rows`: hours from midnight, and kWh.
    private func queue(_ rows: [(hour: Int, kWh: Double)], zone: String = "DEU") throws
        -> MeteredQueue
    {
        let metered = try MeteredQueue(
            stages: [
                stage("full"), stage("search-a", kind: "search", device: "phone", needs: ["full"]),
            ], zone: zone)
        let lease = try metered.start()
        metered.host.work(seconds: 10, cpuSeconds: 10)
        try metered.complete(lease)
        let values = rows.map {
            "(\(Int($0.kWh * 3.6e12)), to_timestamp(\(Self.midnight + 3600 * Double($0.hour))))"
        }
        try metered.connection.script(
            """
            with old as (delete from ofa.energy_hour where account_id > 0 returning *)
            insert into ofa.energy_hour (account_id, host_id, hour, zone, method, tier, used_ns, gap_ns, cpu_ns, energy_uj,
              energy_low_uj, energy_high_uj, reserved_ns, share_ns)
            select account_id, host_id, given.hour, zone, method, tier, used_ns, 0, cpu_ns, uj, uj, uj, reserved_ns, share_ns
            from old cross join (values \(values.joined(separator: ", "))) as given (uj, hour)
            """)
        return metered
    }

    private func hour(_ hour: Int, _ value: Double) -> String {
        let begin = Date(timeIntervalSince1970: Self.midnight + 3600 * Double(hour))
        return "intensity,DEU,\(value),g/kWh,s,\(begin.formatted(.iso8601)),"
            + "\((begin + 3600).formatted(.iso8601)),,,lifecycle,average\n"
    }

    private func report(
        _ metered: MeteredQueue, _ text: String, base: Int? = nil,
        by grouping: CostGrouping = .stage
    ) throws -> CostReport {
        let set = try importFactors(Self.head + text, base: base, metered.connection)
        return try CostLedger(metered.connection).report(
            run: metered.run, by: grouping,
            factors: try FactorSet.load(metered.connection, version: set.version))
    }

    @Test("0.2 kWh in an hour of 100 g/kWh and 0.3 kWh in one of 400 g/kWh are 140 g")
    func byTheHour() throws {
        let metered = try queue([(0, 0.2), (1, 0.3)])
        func ledger() throws -> String {
            try metered.connection.queryOne(
                Statement(
                    name: "Ledger",
                    sql: """
                        select md5(string_agg(line, '' order by line)) as sum from (
                          select energy_hour::text from ofa.energy_hour union all select spent::text from ofa.spent
                          union all select energy_piece::text from ofa.energy_piece) as all_of (line)
                        """)
            ).text("sum")
        }
        let before = try ledger()
        let plain = "pue,default,1,1,s,,,,,,\n"
        let restated = try report(metered, plain + hour(0, 100) + hour(1, 400))
        #expect(restated.total.emissionUg == 140_000_000)
        #expect(restated.total.gramsLow == 140 && restated.total.gramsHigh == 140)
        #expect(restated.total.figures.carbonMissingUj == 0)
        #expect(try CostExplanation(restated).inputs.contains { $0.source.contains("by the hour") })
        // Another set restates the figure, and changes no row that was metered.
        let other = try report(metered, plain + hour(0, 400) + hour(1, 100))
        #expect(other.total.emissionUg == 110_000_000)
        #expect(try ledger() == before)
        let lines = try CostLedger(metered.connection).lines(
            run: metered.run, factors: restated.factors)
        #expect(lines.map(\.intensity) == [100, 400])
        #expect(lines.map(\.emission_ug) == [20_000_000, 120_000_000])
    }

    @Test("10 kWh of IT with PUE 1.5, WUE 1.8 and 400 g/kWh: 15 kWh, 18 L, 6,000 g")
    func water() throws {
        let metered = try queue([(0, 10)])
        let total = try report(
            metered,
            "pue,default,1.5,1,s,,,,,,\nwue,default,1.8,L/kWh,s,,,,,,\n"
                + "intensity,DEU,400,g/kWh,s,,,,,lifecycle,average\n"
        ).total
        #expect(total.figures.buildingUj == 15 * 3.6e12)
        #expect(total.figures.water?.value == 18 && total.figures.waterMissingUj == 0)
        #expect(total.grams == 6000)
    }

    @Test(
        "0.100 kWh with PUE 1.3 [1.1, 1.58] and 369.473 g/kWh [300, 420] are 48.03 g [22.85, 76.68]"
    )
    func range() throws {
        let metered = try queue([(0, 0.1)])
        try metered.connection.script(
            "update ofa.energy_hour set energy_low_uj = energy_uj / 2, energy_high_uj = energy_uj + energy_uj / 2"
        )
        let report = try report(
            metered,
            "pue,default,1.3,1,s,,,1.1,1.58,,\n"
                + "intensity,DEU,369.473,g/kWh,s,,,300,420,lifecycle,average\n")
        #expect(abs(report.total.grams - 48.03) < 0.005)
        #expect(abs(report.total.gramsLow - 22.85) < 0.005)
        #expect(abs(report.total.gramsHigh - 76.68) < 0.005)
        let box = try CostExplanation(report).gramsBox
        #expect(abs(box.low - 16.50) < 0.005 && abs(box.high - 99.54) < 0.005)
    }

    @Test(
        "an hour that the series lacks has the zone's value of a longer period, which is said; else its carbon is unknown"
    )
    func gaps() throws {
        let metered = try queue([(0, 1), (1, 2)])
        let pue = "pue,default,1,1,s,,,,,,\n"
        let stoodIn = try report(
            metered, pue + hour(0, 100) + "intensity,DEU,500,g/kWh,s,,,,,lifecycle,average\n")
        #expect(stoodIn.total.grams == 1100)
        #expect(stoodIn.total.figures.standInUj == 7_200_000_000_000)
        let partly = try report(metered, pue + hour(0, 100)).total
        #expect(partly.grams == 100 && partly.knownGrams == 100)
        #expect(partly.figures.carbonMissingUj == 7_200_000_000_000)
        let missing = try report(metered, pue + hour(7, 100))
        #expect(missing.total.knownGrams == nil && missing.total.energy.microjoules > 0)
        let json = try JSONEncoder().encode(missing.document)
        let object = try #require(try JSONSerialization.jsonObject(with: json) as? [String: Any])
        let total = try #require(object["total"] as? [String: Any])
        #expect(total["gco2e"] is NSNull || total["gco2e"] == nil)
        #expect(total["energy_j_without_carbon"] as? Double == 10_800_000)
        // Energy of which only the day is known has the value of the period.
        try metered.connection.script(
            """
            insert into ofa.spent select account_id, host_id, '2026-01-01', zone, 'whole', 'M', 1, 0, 0, 0, 0, 1000, 1000,
              3600000000000, 3600000000000, 3600000000000, now(), 1 from ofa.energy_hour where account_id > 0 limit 1
            """)
        let days = try CostLedger(metered.connection).report(
            run: metered.run, factors: stoodIn.factors)
        #expect(days.total.grams == 1600)
        #expect(days.total.figures.standInUj == 10_800_000_000_000)
    }

    /// States figures of all machines from `from` on.
    private func state(
        _ metered: MeteredQueue, _ columns: String, _ values: String, from: String = "2020-01-01"
    )
        throws
    {
        try metered.connection.script(
            """
            insert into ofa.host_setting (host_id, valid_from, actor, \(columns))
            select id, '\(from)', 'test', \(values) from ofa.host
            """)
    }

    @Test(
        "1,000 kg for 1 h of 35,040 h are 28.54 g, and 1,200 kg for 10 h with 2 of 64 threads 10.702 g"
    )
    func embodied() throws {
        #expect(
            abs(Emissions.embodied(total: 1e6, hours: 1, lifetimeHours: 35_040) - 28.54) < 0.005)
        #expect(
            abs(
                Emissions.embodied(total: 1.2e6, hours: 10, lifetimeHours: 35_040, share: 2.0 / 64)
                    - 10.702) < 0.0005)
        let metered = try queue([(0, 1)])
        try metered.connection.script(
            "update ofa.energy_hour set used_ns = 3600000000000, share_ns = 3600000000000")
        try state(
            metered, "embodied_g, embodied_low_g, embodied_high_g, lifetime_hours",
            "1e6, 5e5, 2e6, 35040")
        let factors = "pue,default,1,1,s,,,,,,\nintensity,DEU,100,g/kWh,s,,,,,lifecycle,average\n"
        let first = try #require(try report(metered, factors).total.figures.embodied)
        #expect(abs(first.value - 28.54) < 0.005)
        #expect(abs(first.low - 14.27) < 0.005 && abs(first.high - 57.08) < 0.005)
        try metered.connection.script(
            "update ofa.energy_hour set used_ns = 36000000000000, share_ns = 36000000000000::bigint * 2 / 64"
        )
        try state(metered, "embodied_g, lifetime_hours", "1.2e6, 35040", from: "2021-01-01")
        let report = try report(metered, factors)
        let second = try #require(report.total.figures.embodied)
        #expect(abs(second.value - 10.702) < 0.0005)
        // One device target: its search has not begun, but it is what the run is for.
        #expect(report.targets == 1)
        let sci = try #require(report.sciGramsPerTarget)
        #expect(abs(sci - (100 + 10.702)) < 0.0005)
        // What a machine reserved was not recorded before: unknown, not 0.
        try metered.connection.script("update ofa.energy_hour set share_ns = null")
        let unknown = try self.report(metered, factors)
        #expect(unknown.total.figures.embodied == nil && unknown.sciGramsPerTarget == nil)
        #expect(unknown.total.figures.embodiedMissingNs == 36_000_000_000_000)
    }

    @Test("a PUE that is stated of the machine is that of every figure, and is explained as such")
    func statedPUE() throws {
        let metered = try queue([(0, 1)])
        let factors =
            "pue,default,1.5,1,s,,,,,,\nintensity,DEU,100,g/kWh,s,,,,,lifecycle,average\n"
        let before = try report(metered, factors)
        #expect(!before.pue.isStated && before.pue.interval.value == 1.5)
        try state(metered, "pue", "1.2")
        let after = try report(metered, factors), explained = try CostExplanation(after)
        #expect(after.pue.isStated && after.total.emissionUg == 120_000_000)
        #expect(abs(explained.facilityKWh.value - 1.2) < 1e-9)
        #expect(abs(explained.grams.value - 120) < 1e-6)
        let pue = try #require(explained.inputs.first { $0.name == "PUE" })
        #expect(abs(pue.value.value - 1.2) < 1e-9 && pue.source.hasPrefix("stated of the machines"))
    }

    @Test(
        "money is that of the machine, rented or owned, else of its zone, else unknown; currencies are not added"
    )
    func money() throws {
        let metered = try queue([(0, 10)])
        try metered.connection.script(
            """
            update ofa.energy_hour set used_ns = 3600000000000, reserved_ns = 7200000000000, share_ns = 1800000000000
            """)
        let factors = "pue,default,1.5,1,s,,,,,,\nintensity,DEU,100,g/kWh,s,,,,,lifecycle,average\n"
        let none = try report(metered, factors).total.figures
        #expect(none.money.isEmpty && none.moneyMissingNs == 3_600_000_000_000)
        let price = factors + "price,DEU,0.4,EUR/kWh,s,,,,,,\n"
        let zone = try report(metered, price).total.figures
        #expect(zone.onlyMoney?.currency == "EUR" && zone.onlyMoney?.amount.value == 6)
        try state(metered, "currency, kwh_price, depreciation_per_hour", "'USD', 0.2, 3")
        // 15 kWh at 0.2, and half of the machine for an hour.
        let owned = try report(metered, price).total.figures
        #expect(owned.onlyMoney?.currency == "USD" && owned.onlyMoney?.amount.value == 4.5)
        try state(metered, "currency, rental_per_cpu_hour", "'USD', 0.05", from: "2021-01-01")
        let rented = try report(metered, price).total.figures
        #expect(rented.onlyMoney?.amount.value == 0.1 && rented.moneyMissingNs == 0)
        // Each row of a machine holds from its time on, the first one for the time before it.
        try state(
            metered, "currency, rental_per_cpu_hour", "'CHF', 1", from: "2026-01-01T01:00:00Z")
        #expect(try report(metered, price).total.figures == rented)
        try metered.connection.script(
            """
            insert into ofa.energy_hour select account_id, host_id, hour + interval '1 hour', zone, method, tier, used_ns,
              gap_ns, cpu_ns, energy_uj, energy_low_uj, energy_high_uj, reserved_ns, share_ns from ofa.energy_hour
            where account_id > 0
            """)
        let mixed = try report(metered, price)
        #expect(mixed.total.figures.money.mapValues(\.value) == ["USD": 0.1, "CHF": 2])
        #expect(mixed.total.figures.onlyMoney == nil && mixed.rows.count == 1)
    }

    @Test("water, money and embodied carbon have the same sums by every grouping, as carbon has")
    func groupings() throws {
        let metered = try MeteredQueue(
            stages: [stage("full"), stage("kernel", needs: ["full"])], zone: "DEU")
        for seconds in [1234.567_891, 333.333_333] {
            let lease = try metered.start()
            metered.host.work(seconds: seconds, cpuSeconds: seconds * 1.37)
            try metered.complete(lease)
        }
        try state(
            metered, "wue, currency, rental_per_cpu_hour, embodied_g, lifetime_hours",
            "1.7, 'EUR', 0.3, 1.2e6, 35040")
        let factors = try FactorSet.load(metered.connection)
        let ledger = CostLedger(metered.connection)
        let totals = try CostGrouping.allCases.map {
            try ledger.report(run: metered.run, by: $0, factors: factors).total
        }
        // Two processors each, for 1,567.901224 s; the machine has two.
        let money = try #require(totals[0].figures.onlyMoney?.amount.value)
        #expect(abs(money - 0.3 * 2 * 1567.901_224 / 3600) < 3e-6)
        let made = try #require(totals[0].figures.embodied?.value)
        #expect(abs(made - 1.2e6 * 1567.901_224 / 3600 / 35_040) < 3e-6)
        for (grouping, total) in zip(CostGrouping.allCases, totals) {
            let figures = total.figures
            #expect(total.emissionUg == totals[0].emissionUg, "\(grouping)")
            #expect(figures.water?.millionths == totals[0].figures.water?.millionths, "\(grouping)")
            #expect(
                figures.money.mapValues(\.millionths)
                    == totals[0].figures.money.mapValues(\.millionths), "\(grouping)")
            #expect(
                figures.embodied?.millionths == totals[0].figures.embodied?.millionths,
                "\(grouping)")
        }
        #expect(try ledger.report(by: .zone, factors: factors).rows.map(\.label).contains("DEU"))
        #expect(try ledger.report(by: .pipeline, factors: factors).rows.map(\.label) == ["test"])
        #expect(
            try ledger.report(by: .run, factors: factors).rows.map(\.label) == ["\(metered.run)"])
    }

    @Test("by attempt, all runs before the newest hundred are one row, and no sum changes by it")
    func manyRuns() throws {
        let metered = try queue([(0, 1)])
        try metered.connection.script(
            """
            with made as (
              insert into ofa.account (run_id, pipeline, stage, kind)
              select \(metered.run) + i, 'many', 'full', 'train' from generate_series(1, 101) as i returning id
            ), hours as (
              insert into ofa.energy_hour select made.id, host_id, hour, zone, method, tier, used_ns, gap_ns, cpu_ns,
                energy_uj, energy_low_uj, energy_high_uj, reserved_ns, share_ns
              from made, (select * from ofa.energy_hour where account_id > 0) as one returning account_id
            )
            insert into ofa.spent select hours.account_id, spent.host_id, day, zone, method, tier, attempts, not_completed, failed,
              lost, gaps, wall_ns, cpu_ns, energy_uj, energy_low_uj, energy_high_uj, first_started_at, first_token
            from hours, (select * from ofa.spent limit 1) as spent
            """)
        let factors = try FactorSet.load(metered.connection)
        let ledger = CostLedger(metered.connection)
        let attempts = try ledger.report(by: .attempt, factors: factors)
        let earlier = try #require(attempts.rows.first { $0.label == "(earlier runs)" })
        // The run itself and the first of the others.
        #expect(earlier.energy.microjoules == 7_200_000_000_000 && earlier.attempts == 2)
        let total = try ledger.report(by: .run, factors: factors).total
        #expect(attempts.total.energy == total.energy && attempts.total.attempts == total.attempts)
        #expect(attempts.total.emissionUg == total.emissionUg)
    }

    @Test("the last day counts, later ones do not")
    func until() throws {
        let metered = try queue([(0, 1), (24, 2)])
        let factors = try FactorSet.load(metered.connection)
        let day = Date(timeIntervalSince1970: Self.midnight)
        let ledger = CostLedger(metered.connection)
        func joules(_ since: Date?, _ until: Date?) throws -> Int64 {
            try ledger.report(since: since, until: until, factors: factors).total.energy.microjoules
        }
        #expect(try joules(nil, day) == 3_600_000_000_000)
        #expect(try joules(day + 86_400, day + 86_400) == 7_200_000_000_000)
        #expect(try joules(day, day + 86_400) == 10_800_000_000_000)
    }

    @Test("the CSV has a line a row with unknown cells empty, and CodeCarbon's columns one a run")
    func csv() throws {
        let metered = try queue([(0, 10)])
        let report = try report(
            metered,
            "pue,default,1.5,1,s,,,,,,\nwue,default,1.8,L/kWh,s,,,,,,\n"
                + "intensity,DEU,400,g/kWh,s,,,,,lifecycle,average\n")
        let lines = report.csv.split(separator: "\n").map {
            $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
        #expect(lines.count == 2 && lines[0].count == lines[1].count)
        let row = Dictionary(uniqueKeysWithValues: zip(lines[0], lines[1]))
        #expect(row["stage"] == "full" && row["gco2e"] == "6000.0" && row["litres"] == "18.0")
        #expect(row["money"] == "" && row["currency"] == "" && row["embodied_gco2e"] == "")
        let ledger = CostLedger(metered.connection)
        let runs = try ledger.report(by: .run, factors: report.factors)
        let table = try ledger.codeCarbon(runs).split(separator: "\n").map {
            $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
        #expect(table.count == 2 && table[0].count == 34 && table[1].count == 34)
        let run = Dictionary(uniqueKeysWithValues: zip(table[0], table[1]))
        #expect(run["project_name"] == "test" && run["run_id"] == "\(metered.run)")
        #expect(run["emissions"] == "6.0" && run["energy_consumed"] == "15.0")
        #expect(run["water_consumed"] == "18.0" && run["pue"] == "1.5" && run["wue"] == "1.8")
        #expect(run["country_iso_code"] == "DEU" && run["gpu_energy"] == "")
        #expect(run["experiment_id"] == "" && run["timestamp"]?.isEmpty == false)
        #expect(CSVText.line(["a,b", nil, "c\"d"]) == "\"a,b\",,\"c\"\"d\"\n")
    }
}

// Tables of costs: every grouping adds up to the same total.

import Foundation
import Metering
import Postgres
import TestSupport
import Testing

@testable import Accounting
@testable import Jobs

@Suite struct CostLedgerTests {
    /// Four attempts of three stages for two devices, of odd lengths.
    private func worked(zone: String = "world") throws -> MeteredQueue {
        let metered = try MeteredQueue(
            stages: [
                stage("full"), stage("kernel", needs: ["full"]),
                stage("search-a", kind: "search", device: "phone", needs: ["kernel"]),
                stage("search-b", kind: "search", device: "mcu", needs: ["kernel"]),
            ], zone: zone)
        for seconds in [1.234_567_891, 0.333_333_333, 7.000_000_001, 0.1] {
            let lease = try metered.start()
            metered.host.work(seconds: seconds, cpuSeconds: seconds * 1.37)
            try metered.complete(lease)
        }
        return metered
    }

    @Test(
        "sums by stage, kind, device, host and attempt are the same, to the microjoule and microgram"
    )
    func groupings() throws {
        let metered = try worked()
        let totals = try CostGrouping.allCases.map { try metered.costs(by: $0).total }
        for total in totals {
            #expect(total.attempts == 4)
            #expect(total.energy == totals[0].energy)
            #expect(total.emissionUg == totals[0].emissionUg)
            #expect(total.wallNs == 8_667_901_000)
            #expect(total.cpuNs == totals[0].cpuNs)
        }
        let recorded = try metered.connection.queryOne(
            Statement(
                name: "TestSum",
                sql: "select sum(energy_uj)::bigint as sum from ofa.energy_piece where token > 0"))
        #expect(totals[0].energy.microjoules == (try recorded.int64("sum")))
        #expect(try metered.costs(by: .kind).rows.map(\.label) == ["train", "search"])
        #expect(try metered.costs(by: .device).rows.map(\.label) == ["(shared)", "phone", "mcu"])
        #expect(try metered.costs(by: .host).rows.map(\.label) == [HostIdentity.current.name])
        #expect(try metered.costs(by: .day).rows.count == 1)
        #expect(try metered.costs(by: .attempt).rows.count == 4)
    }

    @Test("carbon follows the zone of the host")
    func zones() throws {
        let norway = try worked(zone: "NOR").costs().total
        let world = try worked().costs().total
        #expect(norway.energy == world.energy)
        #expect(abs(norway.grams / world.grams - 30.08 / 475) < 1e-4)
    }

    @Test(
        "a factor holds in its period: a day's energy has that day's intensity, whatever the sums are by"
    )
    func periods() throws {
        let metered = try worked()
        try metered.connection.script(
            """
            update ofa.spent set day = day - 5 where account_id = 1;
            update ofa.energy_hour set hour = hour - interval '5 days' where account_id = 1;
            insert into ofa.factor_set (version, note) values (2, 'two periods');
            insert into ofa.factor (version, kind, zone, valid_from, valid_until, value, unit, type, signal, source, licence,
                vintage)
              values (2, 'pue', 'default', '-infinity', 'infinity', 1, '1', 'none', 'none', 'test', '', ''),
                (2, 'intensity', 'world', '-infinity', now() - interval '2 days', 100, 'g/kWh', 'lifecycle', 'average', 'test', '', ''),
                (2, 'intensity', 'world', now() - interval '2 days', 'infinity', 300, 'g/kWh', 'lifecycle', 'average', 'test', '', '');
            """)
        let energy = try metered.connection.queryOne(
            Statement(
                name: "Energies",
                sql: """
                    select sum(energy_uj) filter (where account_id = 1)::bigint as old,
                      sum(energy_uj) filter (where account_id > 1)::bigint as new from ofa.energy_hour
                    """))
        let expected =
            (100 * Double(try energy.int64("old")) + 300 * Double(try energy.int64("new"))) / 3.6e6
        let ledger = CostLedger(metered.connection)
        let factors = try FactorSet.load(metered.connection, version: 2)
        #expect(try factors.intensity("world").interval.value == 300)
        for grouping in CostGrouping.allCases {
            let total = try ledger.report(by: grouping, factors: factors).total
            #expect(total.attempts == 4)
            #expect(abs(Double(total.emissionUg) - expected) <= 4, "\(grouping)")
        }
    }

    @Test("a zone that the factors do not know is an error, not zero carbon")
    func unknownZone() throws {
        let metered = try worked(zone: "Atlantis")
        let error = #expect(throws: AccountingError.self) { try metered.costs() }
        #expect(error?.code == .unknownZone)
    }

    @Test("another run and a later day have no costs of this one")
    func filters() throws {
        let metered = try worked()
        let ledger = CostLedger(metered.connection)
        let factors = try FactorSet.load(metered.connection)
        #expect(try ledger.report(factors: factors).total.attempts == 4)
        #expect(try ledger.report(run: metered.run + 1, factors: factors).rows.isEmpty)
        #expect(try ledger.report(since: Date() + 86_400, factors: factors).total.attempts == 0)
        #expect(try ledger.report(since: Date(), factors: factors).total.attempts == 4)
    }

    @Test("the JSON has the fields of the report, and whole numbers that add up")
    func json() throws {
        let document = try JSONEncoder().encode(try worked().costs().document)
        let object = try #require(
            try JSONSerialization.jsonObject(with: document) as? [String: Any])
        let rows = try #require(object["rows"] as? [[String: Any]])
        let total = try #require(object["total"] as? [String: Any])
        for field in [
            "stage", "attempts", "seconds", "cpu_seconds", "energy_j", "energy_j_low",
            "energy_j_high", "gco2e", "tier",
        ] { #expect(rows[0][field] != nil, "\(field)") }
        for field in ["energy_uj", "emission_ug", "wall_ns", "cpu_ns", "attempts"] {
            let sum = rows.reduce(0) { $0 + (($1[field] as? Int) ?? -1) }
            #expect(sum == total[field] as? Int, "\(field)")
        }
        #expect(object["factors"] as? Int == 1)
    }

    @Test("an explanation names the factors, and its figures are those of the table")
    func explanation() throws {
        let costs = try worked(zone: "USA").costs()
        let explanation = try CostExplanation(costs)
        #expect(explanation.factors == 1)
        #expect(explanation.grams.value == costs.total.grams)
        #expect(explanation.gramsBox.low <= explanation.grams.low)
        #expect(explanation.gramsBox.high >= explanation.grams.high)
        #expect(abs(explanation.facilityKWh.value / explanation.itKWh.value - 1.3) < 1e-9)
        #expect(
            explanation.inputs.contains { $0.name == "intensity(USA)" && $0.value.value == 369.473 }
        )
    }

    @Test("the ledger outlives what it was made of: jobs, attempts and what was metered of each")
    func standsAlone() throws {
        let metered = try worked()
        let before = try CostGrouping.allCases.map { try metered.costs(by: $0) }
        try metered.connection.script(
            "truncate ofa.job, ofa.outcome, ofa.job_group, ofa.group_edge, ofa.checkpoint, ofa.progress, ofa.attempt"
        )
        for report in before { #expect(try metered.costs(by: report.grouping) == report) }
        for table in ["energy_piece", "energy_use", "energy_interval", "meter"] {
            try metered.connection.script("drop table ofa.\(table) cascade")
        }
        try metered.connection.script("create table ofa.meter (like ofa.attempt)")
        for report in before where report.grouping != .attempt {
            #expect(try metered.costs(by: report.grouping) == report)
        }
    }

    @Test("days that are over are folded, and no sum of all runs changes by it")
    func folded() throws {
        let metered = try worked()
        let ledger = CostLedger(metered.connection)
        let factors = try FactorSet.load(metered.connection)
        // Two attempts ended three days ago, and one the day before yesterday.
        try metered.connection.script(
            """
            update ofa.spent set day = day - case when account_id < 3 then 3 else 2 end where account_id < 4
            """)
        let groupings = CostGrouping.allCases.filter { $0 != .attempt }
        let before = try groupings.map { try ledger.report(by: $0, factors: factors) }
        #expect(before[0].total.attempts == 4)
        for _ in 0..<2 {
            try metered.queue.foldDays()
            for report in before {
                #expect(try ledger.report(by: report.grouping, factors: factors) == report)
            }
        }
        let days = try metered.connection.queryOne(
            Statement(name: "Folded", sql: "select count(distinct day) as n from ofa.cost_day"))
        #expect(try days.int("n") == 2)
        #expect(Set(before.map(\.total.emissionUg)).count == 1)
    }

    @Test("two machines of one name are told apart")
    func hosts() throws {
        let metered = try MeteredQueue(stages: [stage("one"), stage("two", needs: ["one"])])
        for number in 1...2 {
            let host = HostIdentity(
                environment: ["OFA_HOST": "board \(number)"], name: "board", read: { _ in nil })
            let session = try metered.queue.openSession(name: "w", host: host)
            let lease = try #require(
                try metered.queue.claim(session, kinds: ["train"]).first)
            #expect(try metered.queue.complete(lease, result: "{}") == .done)
        }
        try metered.connection.script("update ofa.host set name = 'board'")
        let labels = try metered.costs(by: .host).rows.map(\.label)
        #expect(labels.count == 2 && labels.allSatisfy { $0.hasPrefix("board #") }, "\(labels)")
    }

    @Test("what was metered refuses to be changed")
    func immutable() throws {
        let metered = try worked()
        for sql in [
            "update ofa.energy_piece set energy_uj = 0", "delete from ofa.energy_use",
            "update ofa.energy_interval set idle_uj = 0",
        ] {
            #expect(throws: PostgresError.self) {
                try metered.connection.execute(Statement(name: sql, sql: sql))
            }
        }
    }
}

// What waiting saved: computed by hand, from real intensities only, and unknown with a reason where an hour has no value.

import Foundation
import Metering
import Postgres
import TestSupport
import Testing

@testable import Accounting
@testable import Jobs

@Suite struct ShiftSavingTests {
    /// 2026-11-01T18:00:00Z.
    private let asked = Date(timeIntervalSince1970: 1_793_556_000)
    private let factors: FactorSet
    private let database: TemporaryDatabase
    private let connection: Connection

    init() throws {
        database = try TemporaryDatabase()
        connection = try database.connect()
        factors = try FactorSet.load(connection)
    }

    private func deferred(hours: Double, waits: Bool = false) -> DeferredRun {
        DeferredRun(
            run: 1, name: "test", zone: "DEU",
            deferral: Deferral(earliest: asked, deadline: asked + 86_400), askedAt: asked - 60,
            startsAt: asked + hours * 3600, plan: nil, plannedAt: asked, asOf: asked + 86_400,
            waits: waits, plans: 1)
    }

    private func piece(
        _ hour: Double, _ kWh: Double, shift: Double, _ now: Double?, _ before: Double?
    ) -> ShiftSaving.Piece {
        let energy = Int64(kWh * 3.6e12)
        return ShiftSaving.Piece(
            zone: "DEU", hour: asked + hour * 3600, before: asked + (hour - shift) * 3600,
            energy: Energy(microjoules: energy, low: energy / 2, high: energy * 2),
            pue: Interval(exactly: 1.5), intensity: now, intensityBefore: before)
    }

    private func sum(_ pieces: [ShiftSaving.Piece]) -> Int64 {
        pieces.reduce(0) { $0 + $1.energy.microjoules }
    }

    @Test("0.2 kWh at 100 instead of 400 g/kWh, and 0.1 kWh at 300 instead of 200, save 75 g")
    func byHand() throws {
        let pieces = [
            piece(2, 0.2, shift: 2, 100, 400), piece(3, 0.1, shift: 2, 300, 200),
        ]
        let saving = ShiftSaving(
            deferred(hours: 2), started: asked + 7200, pieces, ledger: sum(pieces), factors: factors
        )
        // 0.2 · 1.5 · 300 − 0.1 · 1.5 · 100; a meter that is off by a factor of 2 is off in both.
        #expect(abs((saving.gco2e ?? 0) - 75) < 1e-9)
        #expect(abs((saving.gco2e_low ?? 0) - (45 - 30)) < 1e-6)
        #expect(abs((saving.gco2e_high ?? 0) - (180 - 7.5)) < 1e-6)
        #expect(saving.unknown == nil && saving.tier == .model && saving.shift_seconds == 7200)
        let words = saving.words { "\(Int($0.rounded()))" }
        #expect(words.contains("that saved 75 g CO2e (15…17"), "\(words)")
        let dearer = ShiftSaving(
            deferred(hours: 2), started: asked + 7200, [pieces[1]], ledger: sum([pieces[1]]),
            factors: factors)
        #expect(abs((dearer.gco2e ?? 0) + 15) < 1e-9 && (dearer.gco2e_low ?? 0) < -29)
        let cost = dearer.words { "\(Int($0.rounded()))" }
        #expect(cost.contains("that cost 15 g CO2e (") && cost.contains("…30)"), "\(cost)")
    }

    @Test("an hour without a value, energy without an hour, and no energy are unknown, not 0")
    func unknown() {
        let missing = [piece(2, 0.2, shift: 2, 100, nil), piece(3, 0.1, shift: 2, 300, 200)]
        let one = ShiftSaving(
            deferred(hours: 2), started: asked + 7200, missing, ledger: sum(missing),
            factors: factors)
        #expect(one.gco2e == nil && one.gco2e_low == nil)
        #expect(
            one.unknown
                == "factor set 1 has no lifecycle average intensity of zone DEU for the hour 2026-11-01T18:00:00Z"
        )
        let pieces = [piece(2, 0.2, shift: 2, 100, 400)]
        let dropped = ShiftSaving(
            deferred(hours: 2), started: asked + 7200, pieces, ledger: sum(pieces) + 5_000_000,
            factors: factors)
        #expect(dropped.gco2e == nil && dropped.unknown?.contains("5.0 J") == true)
        let none = ShiftSaving(
            deferred(hours: 2), started: asked + 7200, [], ledger: 0, factors: factors)
        #expect(none.gco2e == nil && none.unknown?.contains("none of its energy") == true)
        let waiting = ShiftSaving(
            deferred(hours: 2, waits: true), started: nil, [], ledger: 0, factors: factors)
        #expect(waiting.unknown == "it has not started" && waiting.started_at == nil)
        let words = waiting.words { "\($0)" }
        #expect(words.contains("to start at") && !words.contains("started at"), "\(words)")
        let cancelled = ShiftSaving(
            deferred(hours: 2), started: nil, [], ledger: 0, factors: factors)
        #expect(cancelled.unknown == "no attempt of it has started")
    }

    @Test("energy is shifted by the time for which the run waited, also for a worker")
    func late() {
        let pieces = [piece(11, 0.2, shift: 11, 100, 400)]
        let saving = ShiftSaving(
            deferred(hours: 2), started: asked + 11 * 3600, pieces, ledger: sum(pieces),
            factors: factors)
        #expect(saving.shift_seconds == 11 * 3600 && abs((saving.gco2e ?? 0) - 90) < 1e-9)
        #expect(saving.words { "\($0)" }.contains("started at 2026-11-02T05:00:00Z"))
    }

    @Test("a run that started as early as it could saved exactly nothing, whatever is known")
    func atOnce() {
        let pieces = [piece(0, 0.2, shift: 0, nil, nil)]
        let saving = ShiftSaving(
            deferred(hours: 0.0001), started: asked + 20, pieces, ledger: sum(pieces),
            factors: factors)
        #expect(saving.gco2e == 0 && saving.shift_seconds == 0 && saving.unknown == nil)
    }

    @Test("the pieces of the ledger are shifted, and priced by the factor set, never by a forecast")
    func ledger() throws {
        let metered = try MeteredQueue(stages: [stage("full")], zone: "DEU")
        // The pieces of one attempt: 0.2 kWh from 20:10 on and 0.1 kWh from 20:50 on; it could have started at 18:30.
        try metered.connection.script(
            """
            select ofa.open_day('2026-11-01');
            insert into ofa.deferral (run_id, zone, asked_at, deadline, starts_at, plans)
            values (\(metered.run), 'DEU', '2026-11-01T18:30Z', '2026-11-02T18:30Z', '2026-11-01T20:10Z', 1);
            insert into ofa.energy_piece (host_id, started_at, part, job_id, token, account_id, zone, method, tier, used_ns,
              cpu_ns, energy_uj, energy_low_uj, energy_high_uj)
            select (select min(id) from ofa.host), started_at::timestamptz, 'attempt', 1, 1, id, 'DEU', 'test', 'M', 1, 1, uj,
              uj, uj
            from ofa.account cross join (values ('2026-11-01T20:10Z', 720000000000), ('2026-11-01T20:50Z', 360000000000))
              as given (started_at, uj)
            where run_id = \(metered.run);
            insert into ofa.energy_hour (account_id, host_id, hour, zone, method, tier, used_ns, gap_ns, cpu_ns, energy_uj,
              energy_low_uj, energy_high_uj)
            select id, (select min(id) from ofa.host), '2026-11-01T20:00Z', 'DEU', 'test', 'M', 2, 0, 2, 1080000000000,
              1080000000000, 1080000000000
            from ofa.account where run_id = \(metered.run)
            """)
        try importForecast(forecastText([900, 900, 900], from: asked), metered.connection)
        let costs = CostLedger(metered.connection)
        let unknown = try #require(
            try costs.saving(run: metered.run, factors: FactorSet.load(metered.connection)))
        #expect(unknown.gco2e == nil && unknown.unknown?.contains("2026-11-01T20:00:00Z") == true)
        let set = try importFactors(
            "kind,zone,value,unit,source,from,until,type,signal\npue,default,1.5,1,s,,,,\n"
                + forecastText([400, 250, 100], from: asked).split(separator: "\n").dropFirst()
                .joined(separator: "\n"), metered.connection)
        let saving = try #require(
            try costs.saving(run: metered.run, factors: FactorSet.load(metered.connection)))
        // An hour and 40 minutes earlier: 0.2 kWh at 18:30 with 400, and 0.1 kWh at 19:10 with 250 g/kWh.
        #expect(abs((saving.gco2e ?? 0) - (0.2 * 1.5 * 300 + 0.1 * 1.5 * 150)) < 1e-6)
        #expect(saving.factors == set.version && saving.intensity == "lifecycle-average")
        #expect(saving.could_start_at.formatted(.iso8601) == "2026-11-01T18:30:00Z")
        #expect(saving.started_at?.formatted(.iso8601) == "2026-11-01T20:10:00Z")
        // The first piece began some seconds before its attempt, which is the start as soon as it is known.
        try metered.connection.script(
            """
            insert into ofa.spent select id, (select min(id) from ofa.host), '2026-11-01', '', '', '', 1, 0, 0, 0, 0, 1, 0, 0,
              0, 0, '2026-11-01T20:10:06Z', 1 from ofa.account where run_id = \(metered.run)
            """)
        let started = try #require(
            try costs.saving(run: metered.run, factors: FactorSet.load(metered.connection)))
        #expect(started.started_at?.formatted(.iso8601) == "2026-11-01T20:10:06Z")
    }
}

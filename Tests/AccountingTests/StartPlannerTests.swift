// Plans of starts: the cheapest window up to the deadline, and every reason for the first start.

import Foundation
import Metering
import Postgres
import TestSupport
import Testing

@testable import Accounting
@testable import Jobs

@Suite struct StartPlannerTests {
    /// 2026-10-24T22:00:00Z, midnight in Berlin before the night in which summer time ends.
    private let begin = Date(timeIntervalSince1970: 1_792_879_200)
    private let database: TemporaryDatabase
    private let connection: Connection

    init() throws {
        database = try TemporaryDatabase()
        connection = try database.connect()
    }

    private func plan(
        _ deferral: Deferral, now: Date, name: String = "test", zone: String = "DEU",
        basis: IntensityBasis? = nil, connection: Connection? = nil
    ) throws -> StartPlan {
        let connection = connection ?? self.connection
        let spec = RunSpec(
            name: name, definition: "test", definitionHash: name, stages: [stage("full")])
        return try StartPlanner(connection, factors: FactorSet.load(connection)).plan(
            deferral, zone: zone, status: RunStatus(unstarted: spec, asOf: now), workers: 1,
            now: now, basis: basis)
    }

    @Test("the cheapest window up to the deadline is chosen; its means and its issue are told")
    func cheapest() throws {
        try importForecast(forecastText([400, 300, 100, 200, 50], from: begin), connection)
        let deferral = Deferral(deadline: begin + 4 * 3600, seconds: 5400)
        let plan = try plan(deferral, now: begin + 600)
        #expect(plan.rule == .cheapest && !plan.isAtOnce)
        // 100 g/kWh for an hour and 200 for half an hour; 50 g/kWh would end after the deadline.
        #expect(plan.starts_at == begin + 2 * 3600 && plan.first_start == begin + 600)
        #expect(plan.latest_start == begin + 4 * 3600 - 5400)
        #expect(abs((plan.mean_g_per_kwh ?? 0) - 400 / 3) < 1e-9)
        #expect(abs((plan.at_once_g_per_kwh ?? 0) - (400 * 3000 + 300 * 2400) / 5400) < 1e-9)
        #expect(plan.seconds == 5400 && plan.seconds_basis == "stated" && plan.gap_seconds == 0)
        #expect(plan.forecast_source == "a grid" && plan.intensity == "lifecycle-average")
        #expect(plan.gco2e == nil && plan.tier == nil, "no like run tells the energy")
        #expect(plan.reason.contains("133.3 g/kWh in the mean, against 355.6 g/kWh"))
        #expect(try StartPlan(stored: plan.stored()).starts_at == plan.starts_at)
        let windows = try StartWindow.list(plan, connection)
        #expect(windows.map { $0.start.timeIntervalSince(begin) } == [600, 3600, 7200, 9000])
        #expect(windows.map(\.chosen) == [false, false, true, false])
        #expect(windows.map(\.at_once) == [true, false, false, false])
        // A later earliest start leaves the dearer windows.
        let later = try self.plan(
            Deferral(earliest: begin + 2.25 * 3600, deadline: begin + 4 * 3600, seconds: 5400),
            now: begin)
        #expect(later.first_start == begin + 8100 && later.starts_at == begin + 8100)
        #expect(later.reason.hasPrefix("no later window has less than 150 g/kWh"))
    }

    @Test("the hour that comes twice is two hours: the second of them is found and met")
    func summerTimeEnds() throws {
        let text =
            "kind,zone,value,unit,source,from,until,type,signal\n"
            + [
                (500, "00:00+02:00", "01:00+02:00"), (400, "01:00+02:00", "02:00+02:00"),
                (300, "02:00+02:00", "02:00+01:00"), (100, "02:00+01:00", "03:00+01:00"),
                (200, "03:00+01:00", "04:00+01:00"),
            ].map {
                "intensity,DEU,\($0.0),g/kWh,s,2026-10-25T\($0.1),2026-10-25T\($0.2),lifecycle,average\n"
            }.joined()
        try importForecast(text, connection)
        // From midnight to 3 o'clock are four hours in that night.
        let plan = try plan(Deferral(deadline: begin + 4 * 3600, seconds: 3600), now: begin)
        #expect(plan.starts_at.formatted(.iso8601) == "2026-10-25T01:00:00Z")
        #expect(plan.mean_g_per_kwh == 100 && plan.rule == .cheapest)
    }

    @Test("windows that touch a gap are no candidates, which is said")
    func gaps() throws {
        try importForecast(forecastText([400, 10, nil, 10, 300, 200], from: begin), connection)
        let plan = try plan(Deferral(deadline: begin + 6 * 3600, seconds: 7200), now: begin)
        #expect(plan.starts_at == begin + 3 * 3600 && plan.mean_g_per_kwh == 155)
        #expect(plan.gap_seconds == 3 * 3600)
        #expect(plan.reason.contains("no candidates"))
        let windows = try StartWindow.list(plan, connection)
        #expect(windows.map(\.g_per_kwh) == [205, nil, nil, 155, 250])
        let none = try self.plan(
            Deferral(earliest: begin + 3600, deadline: begin + 5 * 3600, seconds: 3 * 3600),
            now: begin)
        #expect(none.rule == .gaps && none.starts_at == begin + 3600)
        #expect(none.reason.contains("every window") && none.mean_g_per_kwh == nil)
    }

    @Test("without a forecast, a duration or enough time the run starts as early as it may")
    func reasons() throws {
        let long = Deferral(deadline: begin + 100 * 3600, seconds: 3600)
        let none = try plan(long, now: begin + 0.25)
        #expect(none.rule == .noForecast && none.starts_at == begin + 1)
        #expect(none.reason == "there is no forecast for zone DEU")
        try importForecast(forecastText([400, 100], from: begin), connection)
        let unknown = try plan(Deferral(deadline: begin + 3600), now: begin)
        #expect(unknown.rule == .noDuration && unknown.starts_at == begin)
        #expect(unknown.reason.contains("no completed run of this name tells how long full takes"))
        #expect(unknown.latest_start == nil && unknown.seconds == nil)
        #expect(try StartWindow.list(unknown, connection).isEmpty)
        let soon = try plan(Deferral(deadline: begin + 3599, seconds: 3600), now: begin)
        #expect(soon.rule == .deadlineTooSoon && soon.starts_at == begin)
        #expect(soon.reason.contains("after the deadline 2026-10-24T22:59:59Z"))
        // What it is expected to have is told all the same.
        #expect(soon.mean_g_per_kwh == 400)
        // Exactly enough time is enough.
        let met = try plan(Deferral(deadline: begin + 3600, seconds: 3600), now: begin)
        #expect(met.rule == .cheapest && met.isAtOnce)
        let marginal = try plan(long, now: begin, basis: IntensityBasis("direct-marginal"))
        #expect(marginal.rule == .noForecast && marginal.reason.contains("only lifecycle average"))
    }

    @Test("duration and energy are those of like runs; carbon has their tier, interval and PUE")
    func likeRuns() throws {
        let metered = try MeteredQueue(stages: [stage("full")], zone: "DEU")
        let lease = try metered.start()
        metered.host.work(seconds: 10, cpuSeconds: 12)
        #expect(try metered.complete(lease) == .done)
        try importForecast(forecastText([400, 100], from: begin), metered.connection)
        let deferral = Deferral(deadline: begin + 7200)
        let plan = try plan(deferral, now: begin, connection: metered.connection)
        #expect(plan.rule == .cheapest && plan.starts_at == begin + 3600)
        #expect(plan.seconds_basis == "like runs" && plan.like_runs == 1)
        #expect(abs((plan.seconds ?? 0) - 10) < 1e-6)
        #expect((plan.seconds_low ?? 11) < 10 && (plan.seconds_high ?? 0) > 10)
        // 25.58 J · 1.3 · 100 g/kWh, against four times that.
        #expect(abs((plan.gco2e ?? 0) - 25.58 / 3.6e6 * 1.3 * 100) < 1e-6)
        #expect(abs((plan.at_once_gco2e ?? 0) / (plan.gco2e ?? 1) - 4) < 1e-9)
        #expect(abs((plan.saved_gco2e ?? 0) / (plan.gco2e ?? 1) - 3) < 1e-9)
        #expect((plan.gco2e_low ?? 1) < (plan.gco2e ?? 0) && plan.tier == .model)
        #expect(!plan.methods.isEmpty && plan.pue == 1.3)
    }
}

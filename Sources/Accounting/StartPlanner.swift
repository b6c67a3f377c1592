// Plans the start of a deferred run: its duration and energy from like runs, its zone's intensity from the forecast that holds.

import Foundation
import Intake
import Jobs
import Metering
import Postgres
import Schema

/// Plans starts by the like runs and forecasts of one database; changes nothing.
public struct StartPlanner {
    let connection: Connection
    private let factors: FactorSet

    /// `factors` has the PUE with which carbon is computed.
    public init(_ connection: Connection, factors: FactorSet) {
        (self.connection, self.factors) = (connection, factors)
    }

    /// Plans the start of the run with `status`, which has not started, at the time `now`. `workers` is the number of jobs that
    /// run at once. With `basis`, only a forecast of that type and signal is used.
    public func plan(
        _ deferral: Deferral, zone: String, status: RunStatus, workers: Int, now: Date,
        basis: IntensityBasis? = nil
    ) throws -> StartPlan {
        let first = Self.whole(max(now, deferral.earliest ?? now))
        var plan = StartPlan(deferral, first: first, zone: zone, factors: factors)
        let unknown = try measure(deferral, status, workers, &plan)
        let found = try IntensityForecast.find(zone, basis: basis, connection)
        guard let seconds = plan.seconds else {
            (plan.rule, plan.reason) = (.noDuration, unknown ?? "its duration is unknown")
            return plan
        }
        let duration = Self.duration(seconds)
        let begin = Int64(first.timeIntervalSince1970)
        let latest = Int64(deferral.deadline.timeIntervalSince1970.rounded(.down)) - duration
        plan.latest_start = Self.date(latest)
        var course = IntensityCourse([])
        if case .forecast(let forecast) = found {
            (plan.forecast, plan.intensity) = (forecast.id, forecast.basis.name)
            (plan.forecast_source, plan.forecast_issued_at) = (forecast.source, forecast.issuedAt)
            course = try forecast.course(
                connection, from: first, until: Self.date(max(latest, begin) + duration))
        }
        choose(&plan, course, found, (begin, duration, latest))
        let chosen = Int64(plan.starts_at.timeIntervalSince1970)
        plan.set(
            mean: course.mean(from: chosen, until: chosen + duration),
            atOnce: course.mean(from: begin, until: begin + duration))
        if plan.rule == .cheapest { plan.reason = Self.words(plan) }
        return plan
    }

    /// Sets start, rule and reason. `times` are the first start, the duration and the latest start in seconds.
    private func choose(
        _ plan: inout StartPlan, _ course: IntensityCourse, _ found: IntensityForecast.Found,
        _ times: (first: Int64, duration: Int64, latest: Int64)
    ) {
        guard times.latest >= times.first else {
            let end = Self.date(times.first + times.duration).formatted(.iso8601)
            (plan.rule, plan.reason) = (
                .deadlineTooSoon,
                "even so it is expected to end at \(end), after the deadline"
                    + " \(plan.deadline.formatted(.iso8601))"
            )
            return
        }
        if case .none(let why) = found {
            (plan.rule, plan.reason) = (.noForecast, why)
            return
        }
        let choice = StartChoice(
            course, duration: times.duration, first: times.first, latest: times.latest)
        plan.gap_seconds = Double(choice.gapSeconds)
        guard let best = choice.best else {
            (plan.rule, plan.reason) = (
                .gaps,
                "every window up to the deadline touches hours that the forecast lacks"
            )
            return
        }
        (plan.rule, plan.starts_at) = (.cheapest, Self.date(best.start))
    }

    /// Sets the duration, and the energy of like runs; returns why the duration is unknown, nil if it is known.
    private func measure(
        _ deferral: Deferral, _ status: RunStatus, _ workers: Int, _ plan: inout StartPlan
    ) throws -> String? {
        if let seconds = deferral.seconds {
            plan.set(duration: Interval(exactly: seconds), "stated")
        }
        let forecast: CostForecast
        do {
            forecast = try CostLedger(connection).forecast(
                status, workers: max(1, workers), factors: factors)
        } catch let error as AccountingError where error.code == .unknownZone {
            return "the costs of like runs cannot be read: \(error.reason)"
        }
        let isLike = { (stage: CostForecast.Stage) in
            stage.basis.contains(.likeRuns) || stage.basis.contains(.namesakes)
        }
        let unlike = forecast.stages.filter { !isLike($0) }.map(\.name)
        guard unlike.isEmpty, !forecast.stages.isEmpty else {
            let stages = unlike.prefix(3).joined(separator: ", ")
            return
                "no completed run of this name tells how long \(stages) take\(unlike.count == 1 ? "s" : ""), and no"
                + " duration is stated"
        }
        plan.like_runs = forecast.stages.map(\.observations).min() ?? 0
        plan.tier = MeteringTier.ofSum(forecast.stages.compactMap(\.tier))
        plan.methods = Set(forecast.stages.flatMap(\.methods)).sorted()
        if forecast.unknownEnergies.isEmpty { plan.set(joules: forecast.joules) }
        if deferral.seconds == nil, let end = forecast.secondsUntilEnd, end.value > 0 {
            let isSame = forecast.stages.allSatisfy { $0.basis.contains(.likeRuns) }
            plan.set(
                duration: end,
                (isSame ? CostForecast.Basis.likeRuns : .namesakes).rawValue)
        }
        return plan.seconds == nil ? "like runs took no time" : nil
    }

    /// Returns the reason of a plan for the cheapest window.
    private static func words(_ plan: StartPlan) -> String {
        func text(_ intensity: Interval?) -> String {
            intensity.map { "\(DecimalNumber.text(($0.value * 10).rounded() / 10)) g/kWh" }
                ?? "an unknown intensity"
        }
        var words =
            plan.isAtOnce
            ? "no later window has less than \(text(plan.mean)) in the mean"
            : "its window has \(text(plan.mean)) in the mean, against \(text(plan.atOnceMean)) when starting at"
                + " \(plan.first_start.formatted(.iso8601))"
        if plan.gap_seconds > 0 {
            words += "; windows that touch hours without a forecast are no candidates"
        }
        return words
    }

    /// Returns a time rounded up to a whole second.
    static func whole(_ date: Date) -> Date {
        Date(timeIntervalSince1970: date.timeIntervalSince1970.rounded(.up))
    }

    /// Returns a duration in whole seconds, at least 1.
    static func duration(_ seconds: Double) -> Int64 {
        Int64(min(max(seconds, 1), 1e9).rounded(.up))
    }

    static func date(_ seconds: Int64) -> Date { Date(timeIntervalSince1970: Double(seconds)) }
}

/// A window in which a run could start, as it is printed.
public struct StartWindow: Sendable, Encodable {
    /// When the window begins and ends.
    public let start, until: Date
    /// The mean intensity; nil if the window touches hours without a forecast.
    public let g_per_kwh: Double?
    /// The carbon of the run in this window with its range; nil if it is unknown.
    public let gco2e, gco2e_low, gco2e_high: Double?
    /// Whether it is the chosen window, and whether it begins at the first start.
    public let chosen, at_once: Bool

    /// The largest number of windows in a list.
    public static let most = 2000

    /// Returns the windows of a plan that begin at the first start, at each full hour up to the latest, and at the chosen start;
    /// none if the duration is unknown.
    public static func list(_ plan: StartPlan, _ connection: Connection) throws -> [StartWindow] {
        guard let seconds = plan.seconds, let latest = plan.latest_start else { return [] }
        let duration = StartPlanner.duration(seconds)
        let first = Int64(plan.first_start.timeIntervalSince1970)
        let last = max(first, Int64(latest.timeIntervalSince1970))
        let chosen = Int64(plan.starts_at.timeIntervalSince1970)
        var course = IntensityCourse([])
        if let id = plan.forecast, let forecast = try IntensityForecast.get(id, connection) {
            course = try forecast.course(
                connection, from: plan.first_start, until: StartPlanner.date(last + duration))
        }
        let hours = stride(from: (first / 3600 + 1) * 3600, through: last, by: 3600)
        let starts = Set([first, chosen, last] + hours.prefix(most))
        return starts.sorted().map { start in
            let mean = course.mean(from: start, until: start + duration)
            let grams = plan.grams(mean)
            return StartWindow(
                start: StartPlanner.date(start), until: StartPlanner.date(start + duration),
                g_per_kwh: mean?.value, gco2e: grams?.value, gco2e_low: grams?.low,
                gco2e_high: grams?.high, chosen: start == chosen, at_once: start == first)
        }
    }
}

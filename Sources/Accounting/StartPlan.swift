// When a deferred run starts, and why: what was chosen, from what, and what it is expected to save.

import Foundation
import Metering

/// What a run asks for whose start may wait for hours of low carbon intensity.
public struct Deferral: Sendable, Equatable {
    /// The earliest start; nil for at once.
    public var earliest: Date?
    /// When the run shall have ended.
    public var deadline: Date
    /// How long the run takes, in seconds; nil for as long as like runs.
    public var seconds: Double?

    /// A run that may start from `earliest` on and shall have ended by `deadline`.
    public init(earliest: Date? = nil, deadline: Date, seconds: Double? = nil) {
        (self.earliest, self.deadline, self.seconds) = (earliest, deadline, seconds)
    }

    /// Refuses, for a new run, a deadline before `now`, the time of the database's clock. Errors: `deadlinePassed`.
    public func check(now: Date) throws {
        guard deadline > now else {
            throw AccountingError(
                .deadlinePassed,
                "the deadline \(deadline.formatted(.iso8601)) has passed: it is \(now.formatted(.iso8601)) by the clock of the"
                    + " database",
                remedy: "state a later one: deadline in the file, or --deadline")
        }
    }

    /// Whether two runs ask for the same, to the microsecond that is stored.
    public func isSame(as other: Deferral) -> Bool {
        earliest?.microseconds == other.earliest?.microseconds
            && deadline.microseconds == other.deadline.microseconds && seconds == other.seconds
    }
}

/// When a deferred run starts and why, as it is stored and printed. Times are whole seconds.
public struct StartPlan: Sendable, Equatable, Codable {
    /// Why the start is when it is.
    public enum Rule: String, Sendable, Codable, CaseIterable {
        /// The window with the least mean intensity, of several the earliest.
        case cheapest
        /// The first start: there is no forecast.
        case noForecast = "no_forecast"
        /// The first start: nothing says how long the run takes.
        case noDuration = "no_duration"
        /// The first start: even so the deadline is not met.
        case deadlineTooSoon = "deadline_too_soon"
        /// The first start: every window touches hours that the forecast lacks.
        case gaps
    }

    /// Why the start is when it is, and that in words.
    public var rule: Rule
    /// The rule in words.
    public var reason: String
    /// The start, and the first and the last one that were possible; the last is nil if the duration is unknown.
    public var starts_at, first_start: Date
    /// The last start at which the deadline is met; nil if the duration is unknown.
    public var latest_start: Date?
    /// The deadline, and the earliest start as asked for.
    public var deadline: Date
    /// The earliest start that was asked for; nil for at once.
    public var earliest: Date?
    /// How long the run takes; nil if unknown.
    public var seconds, seconds_low, seconds_high: Double?
    /// What the duration rests on: `stated`, `like runs` or `runs of the same name`; nil if it is unknown.
    public var seconds_basis: String?
    /// The number of like runs of which the stage with the fewest has a cost.
    public var like_runs: Int
    /// The IT energy of the run; nil if unknown.
    public var energy_j, energy_j_low, energy_j_high: Double?
    /// The worst tier of the measured energy that this rests on; nil without such energy.
    public var tier: MeteringTier?
    /// The counters and models that measured it.
    public var methods: [String]
    /// The factor set, and its PUE with which carbon is computed.
    public var factors: Int
    /// The energy of the building over that of its computers.
    public var pue, pue_low, pue_high: Double
    /// The electricity zone.
    public var zone: String
    /// The forecast, its type and signal such as `lifecycle-average`, its publisher and issue; nil without a forecast.
    public var forecast: Int64?
    /// The type and signal of the forecast.
    public var intensity: String?
    /// The publisher of the forecast.
    public var forecast_source: String?
    /// When the forecast was issued.
    public var forecast_issued_at: Date?
    /// The mean intensity of the chosen window; nil if the forecast does not cover it.
    public var mean_g_per_kwh, mean_g_per_kwh_low, mean_g_per_kwh_high: Double?
    /// The mean intensity of the window that begins at the first start; nil if the forecast does not cover it.
    public var at_once_g_per_kwh, at_once_g_per_kwh_low, at_once_g_per_kwh_high: Double?
    /// The carbon expected in the chosen window; nil if unknown.
    public var gco2e, gco2e_low, gco2e_high: Double?
    /// The carbon expected when starting at the first start; nil if unknown.
    public var at_once_gco2e, at_once_gco2e_low, at_once_gco2e_high: Double?
    /// What is expected to be saved against starting at the first start; nil if unknown.
    public var saved_gco2e, saved_gco2e_low, saved_gco2e_high: Double?
    /// How many seconds of possible starts begin windows that touch hours without a forecast, which are no candidates.
    public var gap_seconds: Double

    /// The JSON text under which the plan is stored.
    func stored() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// Reads a plan from its JSON text.
    init(stored text: String) throws {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        self = try decoder.decode(StartPlan.self, from: Data(text.utf8))
    }
}

extension StartPlan {
    /// A plan for the first start, of which nothing else is known yet.
    init(
        _ deferral: Deferral, first: Date, zone: String, factors: FactorSet
    ) {
        (rule, reason, like_runs, methods, gap_seconds) = (.noForecast, "", 0, [], 0)
        (starts_at, first_start) = (first, first)
        (deadline, earliest) = (deferral.deadline, deferral.earliest)
        (self.zone, self.factors) = (zone, factors.version)
        let range = factors.pue.interval
        (pue, pue_low, pue_high) = (range.value, range.low, range.high)
    }

    /// Whether the run starts as early as it may.
    public var isAtOnce: Bool { starts_at == first_start }

    /// The duration with its range; nil if it is unknown.
    public var duration: Interval? { Self.interval(seconds, seconds_low, seconds_high) }
    /// The energy with its range; nil if it is unknown.
    public var joules: Interval? { Self.interval(energy_j, energy_j_low, energy_j_high) }
    /// The mean intensity of the chosen window with its range; nil if it is unknown.
    public var mean: Interval? {
        Self.interval(mean_g_per_kwh, mean_g_per_kwh_low, mean_g_per_kwh_high)
    }
    /// The mean intensity at the first start with its range; nil if it is unknown.
    public var atOnceMean: Interval? {
        Self.interval(at_once_g_per_kwh, at_once_g_per_kwh_low, at_once_g_per_kwh_high)
    }
    /// The carbon in the chosen window with its range; nil if it is unknown.
    public var grams: Interval? { Self.interval(gco2e, gco2e_low, gco2e_high) }
    /// The carbon when starting at the first start with its range; nil if it is unknown.
    public var atOnceGrams: Interval? {
        Self.interval(at_once_gco2e, at_once_gco2e_low, at_once_gco2e_high)
    }
    /// What is expected to be saved, with its range; nil if it is unknown.
    public var saved: Interval? {
        Self.interval(saved_gco2e, saved_gco2e_low, saved_gco2e_high)
    }

    private static func interval(_ value: Double?, _ low: Double?, _ high: Double?) -> Interval? {
        guard let value, let low, let high, low <= value, value <= high else { return nil }
        return Interval(value: value, low: low, high: high)
    }

    /// Sets the duration and what it rests on.
    mutating func set(duration: Interval, _ basis: String) {
        (seconds, seconds_low, seconds_high) = (duration.value, duration.low, duration.high)
        seconds_basis = basis
    }

    /// Sets the energy.
    mutating func set(joules: Interval?) {
        (energy_j, energy_j_low, energy_j_high) = (joules?.value, joules?.low, joules?.high)
    }

    /// Sets the mean intensities of the chosen window and of that at the first start, and the carbon of both.
    mutating func set(mean: Interval?, atOnce: Interval?) {
        (mean_g_per_kwh, mean_g_per_kwh_low, mean_g_per_kwh_high) = (
            mean?.value, mean?.low, mean?.high
        )
        (at_once_g_per_kwh, at_once_g_per_kwh_low, at_once_g_per_kwh_high) = (
            atOnce?.value, atOnce?.low, atOnce?.high
        )
        let (one, other) = (grams(mean), grams(atOnce))
        (gco2e, gco2e_low, gco2e_high) = (one?.value, one?.low, one?.high)
        (at_once_gco2e, at_once_gco2e_low, at_once_gco2e_high) = (
            other?.value, other?.low, other?.high
        )
        guard let mean, let atOnce else { return }
        // Both windows have the same energy and PUE, so their errors are common; the forecast is taken as it is.
        let less = grams(Interval(exactly: abs(atOnce.value - mean.value)))
        let isLess = atOnce.value >= mean.value
        saved_gco2e = less.map { isLess ? $0.value : -$0.value }
        saved_gco2e_low = less.map { isLess ? $0.low : -$0.high }
        saved_gco2e_high = less.map { isLess ? $0.high : -$0.low }
    }

    /// Returns the carbon of the run's energy at an intensity; nil if one is unknown.
    public func grams(_ intensity: Interval?) -> Interval? {
        guard let joules, let intensity else { return nil }
        return ProductInterval.logQuadrature([
            joules.scaled(by: 1 / 3.6e6), Interval(value: pue, low: pue_low, high: pue_high),
            intensity,
        ])
    }
}

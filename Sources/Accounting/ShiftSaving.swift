// What a deferred run saved against starting at once, from real intensities: each piece of its energy is compared with the same
// piece at the earlier time. Forecasts are not used.

import Foundation
import Metering
import Postgres
import Schema

/// The carbon that a run saved by waiting; negative if waiting cost some.
public struct ShiftSaving: Sendable, Equatable, Encodable {
    /// The grams of CO2e with their range, by the meter and the PUE; nil if unknown.
    public let gco2e, gco2e_low, gco2e_high: Double?
    /// Why it is unknown; nil if it is known.
    public let unknown: String?
    /// The worst tier of the energy; nil without energy.
    public let tier: MeteringTier?
    /// When the run could have started, and when it was to start.
    public let could_start_at, starts_at: Date
    /// When its first attempt started, which may be later than planned; nil if none has.
    public let started_at: Date?
    /// The time from when it could have started to when it started, by which its energy is shifted, in seconds.
    public let shift_seconds: Double
    /// The factor set, and the type and signal of its intensities such as `lifecycle-average`.
    public let factors: Int
    /// The type and signal of the intensities.
    public let intensity: String

    /// A smaller shift, in seconds, is none: a worker takes some seconds to claim a job and to set out.
    static let leastShift = 30.0

    /// Energy of a run in one hour.
    struct Piece: Equatable {
        /// The zone.
        var zone = "world"
        /// The hour in which the energy was used, and the hour in which it would have been used.
        var hour, before: Date
        /// The energy of the IT equipment.
        var energy: Energy
        /// The PUE; nil if unknown.
        var pue: Interval?
        /// The intensities in both hours, in grams for each kWh; nil if the factor set has none for this hour.
        var intensity, intensityBefore: Double?
        /// The tier of the energy.
        var tier: MeteringTier? = .model
    }

    /// Computes what `deferred`, whose first attempt started at `started`, saved from the pieces of its energy. `ledger` is the energy of the run in the ledger, in
    /// microjoules: energy without pieces has no known hour.
    init(
        _ deferred: DeferredRun, started: Date?, _ pieces: [Piece], ledger: Int64,
        factors: FactorSet
    ) {
        (could_start_at, starts_at) = (deferred.couldStartAt, deferred.startsAt)
        started_at = started
        let shift = max(0, started?.timeIntervalSince(deferred.couldStartAt) ?? 0)
        let isAtOnce = started != nil && shift < Self.leastShift
        shift_seconds = isAtOnce ? 0 : shift
        (self.factors, intensity) = (factors.version, factors.basis.name)
        tier = MeteringTier.ofSum(pieces.compactMap(\.tier))
        let sum: (grams: Interval?, unknown: String?) =
            started == nil
            ? (nil, deferred.waits ? "it has not started" : "no attempt of it has started")
            : Self.sum(isAtOnce, pieces, ledger: ledger, factors)
        (gco2e, gco2e_low, gco2e_high) = (sum.grams?.value, sum.grams?.low, sum.grams?.high)
        unknown = sum.unknown
    }

    private static func sum(
        _ isAtOnce: Bool, _ pieces: [Piece], ledger: Int64, _ factors: FactorSet
    ) -> (grams: Interval?, unknown: String?) {
        guard !pieces.isEmpty else { return (nil, "none of its energy was metered in pieces") }
        if isAtOnce { return (Interval(exactly: 0), nil) }
        let known = pieces.reduce(0) { $0 + $1.energy.microjoules }
        guard known == ledger else {
            return (
                nil,
                "the hours of \(Double(ledger - known) / 1e6) J of its energy are not known: its pieces were dropped, or it was"
                    + " not metered in pieces"
            )
        }
        var sum = Interval(exactly: 0)
        for piece in pieces {
            for (hour, value) in [
                (piece.hour, piece.intensity), (piece.before, piece.intensityBefore),
            ] where value == nil {
                return (
                    nil,
                    "factor set \(factors.version) has no \(factors.basis) intensity of zone \(piece.zone) for the hour"
                        + " \(hour.formatted(.iso8601))"
                )
            }
            guard let pue = piece.pue, let now = piece.intensity, let then = piece.intensityBefore
            else {
                return (nil, "factor set \(factors.version) has no PUE for zone \(piece.zone)")
            }
            let size = ProductInterval.logQuadrature([
                piece.energy.kilowattHours, pue, Interval(exactly: abs(then - now)),
            ])
            sum =
                sum
                + (then >= now
                    ? size : Interval(value: -size.value, low: -size.high, high: -size.low))
        }
        return (sum, nil)
    }

    /// The saving in words: `saved 12.3 g CO2e (4.9…24.5)`, or why it is unknown.
    public func words(_ amount: (Double) -> String) -> String {
        let times =
            (started_at.map { "started at \($0.formatted(.iso8601))" }
                ?? "to start at \(starts_at.formatted(.iso8601))")
            + " instead of \(could_start_at.formatted(.iso8601))"
        guard let gco2e, let gco2e_low, let gco2e_high else {
            return "\(times): what that saved is unknown: \(unknown ?? "")"
        }
        if shift_seconds == 0 { return "deferrable, but started as early as it could: 0 g saved" }
        let range = [gco2e_low, gco2e_high].map { amount(gco2e < 0 ? -$0 : $0) }
        let ends = (gco2e < 0 ? range.reversed() : range).joined(separator: "…")
        return
            "\(times): that \(gco2e < 0 ? "cost" : "saved") \(amount(abs(gco2e))) g CO2e (\(ends)), from real"
            + " \(intensity) intensity by the hour, factor set \(factors)"
    }
}

extension CostLedger {
    /// Returns what a deferred run saved against starting when it could have, by the factors of `factors` by the hour; nil for a
    /// run that was not deferred. A run that goes on has saved what this says so far.
    public func saving(run: Int64, factors: FactorSet) throws -> ShiftSaving? {
        guard let deferred = try DeferralLedger(connection).deferred(run) else { return nil }
        let whole = try connection.queryOne(.runEnergy(run: run))
        let started = try whole.optionalDate("started_at")
        let shift = max(0, started?.timeIntervalSince(deferred.couldStartAt) ?? 0)
        let rows = try connection.query(
            .shiftedEnergy(
                seconds: shift, run: run, version: factors.version, type: factors.basis.type,
                signal: factors.basis.signal))
        let pieces = try rows.map { row in
            ShiftSaving.Piece(
                zone: try row.text("zone"), hour: try row.date("hour"),
                before: try row.date("before"),
                energy: Energy(
                    microjoules: try row.int64("energy_uj"), low: try row.int64("energy_low_uj"),
                    high: try row.int64("energy_high_uj")),
                pue: try row.optionalDouble("pue").map { pue in
                    Interval(
                        value: pue, low: min(pue, try row.optionalDouble("pue_low") ?? pue),
                        high: max(pue, try row.optionalDouble("pue_high") ?? pue))
                }, intensity: try row.optionalDouble("intensity"),
                intensityBefore: try row.optionalDouble("intensity_before"),
                tier: MeteringTier(rawValue: try row.text("tier")))
        }
        return ShiftSaving(
            deferred, started: started, pieces, ledger: try whole.int64("energy_uj"),
            factors: factors)
    }
}

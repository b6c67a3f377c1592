// The rows of the ledgers behind a table of costs, each with the factors that its figures were computed with.

import Foundation
import Postgres
import Schema

/// A row of the ledgers: what the attempts of a stage used of a machine in an hour (or ended on a day, if they were metered
/// as a whole), and its figures.
public struct CostLine: Sendable, Encodable {
    /// The run.
    public let run: Int64
    /// The stage and the kind of job.
    public let stage, kind: String
    /// The device target; nil for attempts that serve all.
    public let device: String?
    /// The machine.
    public let host: String
    /// The begin of the hour, or of the day (UTC).
    public let hour: Date
    /// Whether the row is of a day: then intensities by the hour are not used.
    public let is_day: Bool
    /// The zone; nil if unknown.
    public let zone: String?
    /// The counter or model, and the tier; nil if all energy is missing.
    public let method: String
    /// The tier of the energy.
    public let tier: String?
    /// The time of the attempts and their processor time.
    public let seconds, cpu_seconds: Double
    /// The energy of the IT equipment in microjoules.
    public let energy_uj: Int64
    /// The PUE, and the intensity in g/kWh; nil if unknown, or without energy.
    public let pue, intensity: Double?
    /// Whether the intensity is of a longer period, because the series of the zone lacks this hour.
    public let is_stand_in: Bool
    /// Micrograms of CO2e, microlitres, millionths of `currency`, and micrograms of CO2e of making the machine.
    public let emission_ug, water_ul, money_u, embodied_ug: Int64?
    /// The currency of the money.
    public let currency: String?

    /// The largest number of rows in a list.
    public static let most = 10_000
}

extension CostLedger {
    /// Returns the rows of the ledgers of a run or of all runs, in the order of time, at most `CostLine.most`. Arguments
    /// are those of `report`.
    public func lines(
        run: Int64? = nil, since: Date? = nil, until: Date? = nil, factors: FactorSet
    ) throws -> [CostLine] {
        try connection.query(
            .costLines(
                run: run, since: since, until: until, version: factors.version,
                type: factors.basis.type, signal: factors.basis.signal, most: CostLine.most)
        ).map { row in
            CostLine(
                run: try row.int64("run_id"), stage: try row.text("stage"),
                kind: try row.text("kind"), device: try row.optionalText("device"),
                host: try row.text("host"), hour: try row.date("hour"),
                is_day: !(try row.bool("is_energy")), zone: try row.optionalText("zone"),
                method: try row.text("method"), tier: try row.optionalText("tier"),
                seconds: Double(try row.int64("wall_ns")) / 1e9,
                cpu_seconds: Double(try row.int64("cpu_ns")) / 1e9,
                energy_uj: try row.int64("energy_uj"), pue: try row.optionalDouble("pue"),
                intensity: try row.optionalDouble("intensity"),
                is_stand_in: try row.bool("is_stand_in"),
                emission_ug: try row.optionalInt64("emission_ug"),
                water_ul: try row.optionalInt64("water_ul"),
                money_u: try row.optionalInt64("money_u"),
                embodied_ug: try row.optionalInt64("embodied_ug"),
                currency: try row.optionalText("currency"))
        }
    }
}

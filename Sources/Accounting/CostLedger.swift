// Reads the ledger as tables of costs.

import Foundation
import Metering
import Postgres
import Schema

/// The costs recorded in one database.
public struct CostLedger {
    let connection: Connection

    /// Reads the database of `connection`.
    public init(_ connection: Connection) {
        self.connection = connection
    }

    /// Returns a text that only sessions of the same database have; it has no slashes.
    public func key() throws -> String {
        guard let row = try connection.query(.databaseKey).first else {
            throw AccountingError(
                .unknownFactorSet, "there is no factor set in this database",
                remedy: "run ofa db migrate")
        }
        return try row.text("key")
    }

    /// Returns the costs of the attempts of one run or of all runs: attempts are counted when they have ended, their
    /// energy as it was metered. With `since`, only ends and energy of the day (UTC) of `since` or later count.
    ///
    /// Errors: `unknownZone` if the factor set has no intensity for a zone. Without this error, the
    /// carbon of that zone would be missing without notice.
    public func report(
        run: Int64? = nil, by grouping: CostGrouping = .stage, since: Date? = nil,
        factors: FactorSet
    ) throws -> CostReport {
        let records =
            if grouping == .attempt {
                try connection.query(
                    .costByAttempt(version: factors.version, run: run, since: since))
            } else {
                try connection.query(
                    .costBy(
                        by: grouping.rawValue, run: run, version: factors.version, since: since))
            }
        var order: [String] = []
        var parts: [String: [CostRow]] = [:]
        var zones = Set<String>()
        for record in records {
            let zone = try record.optionalText("zone")
            if let zone { zones.insert(zone) }
            let row = try Self.row(
                record, factors: factors, intensity: try zone.map { try factors.intensity($0) })
            if parts[row.label] == nil { order.append(row.label) }
            parts[row.label, default: []].append(row)
        }
        return CostReport(
            grouping: grouping, rows: order.map { CostRow.sum(parts[$0] ?? [], label: $0) },
            factors: factors,
            zones: zones.sorted())
    }

    /// Returns the mean duration of an attempt in seconds, by kind of job. The mean covers the
    /// newest 2,000 rows of table `ofa.account` (statement KindDurations).
    public func secondsByKind() throws -> [String: Double] {
        Dictionary(
            try connection.query(.kindDurations).map {
                (try $0.text("kind"), try $0.double("seconds"))
            }
        ) { first, _ in first }
    }

    /// Converts a database record with the cost of one label in one zone. `intensity` is the carbon
    /// intensity of that zone; nil if the record has no zone, and so no energy.
    static func row(
        _ record: Row, factors: FactorSet, intensity: Factor?
    ) throws -> CostRow {
        let energy = Energy(
            microjoules: try record.int64("energy_uj"), low: try record.int64("energy_low_uj"),
            high: try record.int64("energy_high_uj"))
        let grams = ProductInterval.logQuadrature([
            energy.kilowattHours, factors.pue.interval,
            intensity?.interval ?? Interval(exactly: 0),
        ])
        return CostRow(
            label: try record.text("label"), attempts: try record.int("attempts"),
            notCompleted: try record.int("not_completed"), gaps: try record.int("gaps"),
            gapNs: try record.int64("gap_ns"), wallNs: try record.int64("wall_ns"),
            cpuNs: try record.int64("cpu_ns"), energy: energy,
            emissionUg: try record.int64("emission_ug"), gramsLow: grams.low, gramsHigh: grams.high,
            methods: try record.textArray("methods"),
            tier: MeteringTier.ofSum(
                try record.textArray("tiers").compactMap(MeteringTier.init(rawValue:))))
    }
}

extension Energy {
    /// The energy in kWh with its range.
    public var kilowattHours: Interval {
        Interval(
            value: Emissions.kilowattHours(microjoules: microjoules),
            low: Emissions.kilowattHours(microjoules: low),
            high: Emissions.kilowattHours(microjoules: high))
    }
}

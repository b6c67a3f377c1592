// Reads the ledger as tables of costs.

import Foundation
import Metering
import Postgres
import Schema

/// The costs recorded in one database.
public struct CostLedger {
    let connection: Connection
    /// The number of newest runs that a table by run lists.
    static let newestListed = 1000

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
    /// energy as it was metered. With `since`, only ends and energy of the day (UTC) of `since` or later count; with
    /// `until`, only those of its day or earlier.
    ///
    /// Errors: `unknownZone` if the factor set has no intensity for a zone. Without this error, the
    /// carbon of that zone would be missing without notice.
    ///
    /// Without `run`, the attempts of the newest 100 runs are listed, and by run the newest 1,000 (`newestListed`), or all
    /// with `listsAllRuns`, after a row for all earlier runs.
    ///
    /// Amounts of one run are rounded to millionths in each row of the ledger. Of all runs they are rounded once: the total
    /// is the same by all groupings but by attempt, and may differ in its last digits from that of the runs one by one.
    public func report(
        run: Int64? = nil, by grouping: CostGrouping = .stage, since: Date? = nil,
        until: Date? = nil, factors: FactorSet, listsAllRuns: Bool = false
    ) throws -> CostReport {
        let (type, signal) = (factors.basis.type, factors.basis.signal)
        let isByAttempt = grouping == .attempt
        // Of all runs, the newest are listed, and the earlier ones are one row: there may be millions.
        var first: Int64?
        if run == nil, isByAttempt || (grouping == .run && !listsAllRuns) {
            first = try connection.query(
                .costFirstRun(newest: isByAttempt ? Self.newestRuns : Self.newestListed)
            ).first?.int64("run_id")
        }
        var records: [Row] = []
        if !isByAttempt || first != nil {
            records = try connection.query(
                .costBy(
                    by: grouping.rawValue, run: run, since: since, until: until,
                    version: factors.version, type: type, signal: signal, first: first))
        }
        if isByAttempt {
            records += try connection.query(
                .costByAttempt(
                    run: run, first: first ?? 0, since: since, until: until,
                    version: factors.version, type: type, signal: signal))
        }
        var order: [String] = []
        var parts: [String: [CostRow]] = [:]
        var zones = Set<String>()
        for record in records {
            if let zone = try record.optionalText("zone"), zones.insert(zone).inserted {
                _ = try factors.intensity(zone)
            }
            let row = try Self.row(record)
            if parts[row.label] == nil { order.append(row.label) }
            parts[row.label, default: []].append(row)
        }
        let targets = try connection.queryOne(
            .costTargets(since: since, until: until, run: run)
        ).int("targets")
        return CostReport(
            grouping: grouping, rows: order.map { CostRow.sum(parts[$0] ?? [], label: $0) },
            factors: factors,
            zones: zones.sorted(), targets: targets)
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

    /// Converts a database record with the cost of one label in one zone.
    static func row(_ record: Row) throws -> CostRow {
        let energy = Energy(
            microjoules: try record.int64("energy_uj"), low: try record.int64("energy_low_uj"),
            high: try record.int64("energy_high_uj"))
        let emission = try record.optionalDouble("emission") ?? 0
        let grams = ProductInterval.logQuadrature([
            Interval(exactly: emission / 1e9), energy.relative,
            try record.relative(emission, "pue"), try record.relative(emission, "intensity"),
        ])
        return CostRow(
            label: try record.text("label"), attempts: try record.int("attempts"),
            notCompleted: try record.int("not_completed"), gaps: try record.int("gaps"),
            gapNs: try record.int64("gap_ns"), wallNs: try record.int64("wall_ns"),
            cpuNs: try record.int64("cpu_ns"), energy: energy,
            emissionUg: try record.int64("emission_ug"), gramsLow: grams.low, gramsHigh: grams.high,
            methods: try record.textArray("methods"),
            tier: MeteringTier.ofSum(
                try record.textArray("tiers").compactMap(MeteringTier.init(rawValue:))),
            figures: try CostFigures(record, energy: energy))
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

// A table of costs. The energies (in microjoules) and emissions (in micrograms) of its rows add up
// exactly to the total.

import Metering

/// The cost of a group of attempts.
public struct CostRow: Sendable, Equatable {
    /// The name of the group: a stage, kind, device, host, day or attempt, or `total`.
    public var label: String
    /// The number of attempts in the group, including failed and lost ones.
    public var attempts: Int
    /// The number of attempts in the group that did not complete.
    public var notCompleted: Int
    /// The number of attempts whose energy is unknown, and therefore missing from the sum.
    public var gaps: Int
    /// The time of attempts whose energy is unknown and missing from the sum, in nanoseconds, besides that of `gaps`.
    public var gapNs: Int64
    /// The sum of the durations of the attempts, in nanoseconds, even if they ran at the same time.
    public var wallNs: Int64
    /// The processor time of the attempts, in nanoseconds.
    public var cpuNs: Int64
    /// The energy of the IT equipment, without the overhead of the building (PUE).
    public var energy: Energy
    /// CO2e in micrograms.
    public var emissionUg: Int64
    /// The lower bound of the CO2e, in grams.
    public var gramsLow: Double
    /// The upper bound of the CO2e, in grams.
    public var gramsHigh: Double
    /// The names of the counters and models from which the energy was computed.
    public var methods: [String]
    /// The worst measurement tier in the group; nil if all energy is missing.
    public var tier: MeteringTier?

    /// Whether the energy of at least a part of the group is known.
    public var isKnown: Bool { tier != nil }
    /// CO2e in grams.
    public var grams: Double { Double(emissionUg) / 1e6 }

    /// Returns the sum of `rows`, with the label `label`.
    public static func sum(_ rows: [CostRow], label: String) -> CostRow {
        var sum = CostRow(
            label: label, attempts: 0, notCompleted: 0, gaps: 0, gapNs: 0, wallNs: 0, cpuNs: 0,
            energy: .zero,
            emissionUg: 0, gramsLow: 0, gramsHigh: 0, methods: [], tier: nil)
        for row in rows {
            sum.attempts += row.attempts
            sum.notCompleted += row.notCompleted
            sum.gaps += row.gaps
            sum.gapNs += row.gapNs
            sum.wallNs += row.wallNs
            sum.cpuNs += row.cpuNs
            sum.energy = sum.energy + row.energy
            sum.emissionUg += row.emissionUg
            sum.gramsLow += row.gramsLow
            sum.gramsHigh += row.gramsHigh
        }
        sum.methods = Set(rows.flatMap(\.methods)).sorted()
        sum.tier = MeteringTier.ofSum(rows.compactMap(\.tier))
        return sum
    }
}

/// A table of costs.
public struct CostReport: Sendable, Equatable {
    /// How the attempts are grouped.
    public let grouping: CostGrouping
    /// The groups, in the order in which their first attempts started.
    public let rows: [CostRow]
    /// The factor set that was used.
    public let factors: FactorSet
    /// The zones of the attempts.
    public let zones: [String]

    /// The sum of the rows.
    public var total: CostRow { CostRow.sum(rows, label: "total") }
}

/// How attempts can be grouped.
public enum CostGrouping: String, Sendable, CaseIterable {
    /// By stage of the pipeline.
    case stage
    /// By device target; the attempts that serve several targets are labelled `(shared)`.
    case device
    /// By attempt: one row for each attempt that has a meter row. Attempts without a meter row are summed: one row for
    /// each row of the ledger.
    case attempt
    /// By machine.
    case host
    /// By kind of job.
    case kind
    /// By the day (UTC) on which attempts ended.
    case day
}

extension CostReport {
    /// The JSON form of a table of costs.
    public struct Document: Sendable, Encodable {
        /// The grouping, such as `stage`. Each row has a field with this name, which holds the label of the row.
        public var by: String
        /// The version of the factor set.
        public var factors: Int
        /// The zones whose intensity was used.
        public var zones: [String]
        /// The rows of the groups.
        public var rows: [CostRow.Document]
        /// The sum of the rows.
        public var total: CostRow.Document
    }

    /// The table as a JSON document.
    public var document: Document {
        Document(
            by: grouping.rawValue, factors: factors.version, zones: zones,
            rows: rows.map { document(of: $0) }, total: document(of: total))
    }

    private func document(of row: CostRow) -> CostRow.Document {
        CostRow.Document(
            row: row, labelName: grouping.rawValue, share: row.share(of: total.energy.microjoules))
    }
}

extension CostRow {
    /// The JSON form of a row. The integer fields `energy_uj`, `emission_ug`, `wall_ns` and `cpu_ns` of the rows add up
    /// exactly to those of the total.
    public struct Document: Sendable, Encodable {
        /// The row.
        public var row: CostRow
        /// The name of the JSON field that holds the row's label, such as `stage`.
        public var labelName: String
        /// The row's share of the energy of the whole table; nil if the share is unknown.
        public var share: Double?

        /// `labelName` names the JSON field that holds the row's label; `share` is the row's share of the energy of the
        /// whole table.
        public init(row: CostRow, labelName: String, share: Double? = nil) {
            self.row = row
            self.labelName = labelName
            self.share = share
        }

        private struct Key: CodingKey {
            let stringValue: String
            var intValue: Int? { nil }
            init(_ name: String) { stringValue = name }
            init?(stringValue: String) { self.init(stringValue) }
            init?(intValue: Int) { nil }
        }

        /// Writes the fields that `ofa cost` and `ofa report` print.
        public func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: Key.self)
            try fields.encode(row.label, forKey: Key(labelName))
            try fields.encode(row.attempts, forKey: Key("attempts"))
            try fields.encode(row.notCompleted, forKey: Key("not_completed"))
            try fields.encode(row.gaps, forKey: Key("gaps"))
            try fields.encode(Double(row.gapNs) / 1e9, forKey: Key("gap_seconds"))
            try fields.encode(Double(row.wallNs) / 1e9, forKey: Key("seconds"))
            try fields.encode(Double(row.cpuNs) / 1e9, forKey: Key("cpu_seconds"))
            try fields.encode(Double(row.energy.microjoules) / 1e6, forKey: Key("energy_j"))
            try fields.encode(Double(row.energy.low) / 1e6, forKey: Key("energy_j_low"))
            try fields.encode(Double(row.energy.high) / 1e6, forKey: Key("energy_j_high"))
            try fields.encode(share, forKey: Key("share"))
            try fields.encode(
                Emissions.kilowattHours(microjoules: row.energy.microjoules), forKey: Key("kwh"))
            try fields.encode(row.grams, forKey: Key("gco2e"))
            try fields.encode(row.gramsLow, forKey: Key("gco2e_low"))
            try fields.encode(row.gramsHigh, forKey: Key("gco2e_high"))
            try fields.encode(row.tier, forKey: Key("tier"))
            try fields.encode(row.methods, forKey: Key("methods"))
            try fields.encode(row.wallNs, forKey: Key("wall_ns"))
            try fields.encode(row.cpuNs, forKey: Key("cpu_ns"))
            try fields.encode(row.energy.microjoules, forKey: Key("energy_uj"))
            try fields.encode(row.emissionUg, forKey: Key("emission_ug"))
        }
    }
}

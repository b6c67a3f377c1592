// A table of costs. The energies (in microjoules) and emissions (in micrograms) of its rows add up
// exactly to the total.

import Metering

/// The cost of a group of attempts.
public struct CostRow: Sendable, Equatable {
    /// The name of the group: a stage, kind, device, host, day, attempt, zone or pipeline, or `total`.
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
    /// Water, money and embodied carbon.
    public var figures = CostFigures()

    /// Whether the energy of at least a part of the group is known.
    public var isKnown: Bool { tier != nil }
    /// CO2e in grams.
    public var grams: Double { Double(emissionUg) / 1e6 }
    /// CO2e in grams; nil if no intensity or PUE is known for any of the energy.
    public var knownGrams: Double? {
        let missing = figures.carbonMissingUj
        return missing > 0 && missing >= energy.microjoules ? nil : grams
    }
    /// Whether the carbon of at least a part of the energy is known.
    public var isCarbonKnown: Bool { isKnown && knownGrams != nil }

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
            sum.figures = sum.figures + row.figures
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
    /// The number of device targets for which the attempts were; nil if the table does not say.
    public var targets: Int?

    /// The sum of the rows.
    public var total: CostRow { CostRow.sum(rows, label: "total") }

    /// The PUE of the total: energy of the building over IT energy. It differs from the factor set's (`isStated`) if one was
    /// stated of a machine.
    public var pue: (interval: Interval, isStated: Bool) {
        let total = total, factor = factors.pue.interval, energy = Double(total.energy.microjoules)
        guard let building = total.figures.buildingUj, energy > 0 else { return (factor, false) }
        // Each row is rounded to microjoules.
        return abs(building - energy * factor.value) <= 1 + 1e-6 * building
            ? (factor, false)
            : (Interval(exactly: (1e6 * building / energy).rounded() / 1e6), true)
    }

    /// The software carbon intensity: grams of CO2e of energy and of making the machines, for each device target
    /// (SCI = (g + M) / R). Nil without targets, or if one of both is unknown for a part of the attempts.
    public var sciGramsPerTarget: Double? {
        let total = total
        guard let targets, targets > 0, total.gaps == 0, total.gapNs == 0,
            total.figures.carbonMissingUj == 0, total.figures.embodiedMissingNs == 0,
            let embodied = total.figures.embodied
        else { return nil }
        return Emissions.sci(grams: total.grams, embodied: embodied.value, targets: targets)
    }
}

/// How attempts can be grouped.
public enum CostGrouping: String, Sendable, CaseIterable {
    /// By stage of the pipeline.
    case stage
    /// By device target; the attempts that serve several targets are labelled `(shared)`.
    case device
    /// By attempt: one row for each attempt that has a meter row. Attempts without a meter row are summed: one row for
    /// each row of the ledger. Runs before the newest 100 are one row if no run is selected.
    case attempt
    /// By machine.
    case host
    /// By kind of job.
    case kind
    /// By the day (UTC) on which attempts ended, and energy was used.
    case day
    /// By zone of the electricity; attempts that were not metered are labelled `(unknown)`.
    case zone
    /// By pipeline.
    case pipeline
    /// By run; those before the newest 1,000 are one row.
    case run
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
        /// The type and signal of the intensities, such as `lifecycle` and `average`.
        public var intensity_type, intensity_signal: String
        /// The number of device targets.
        public var device_targets: Int?
        /// Grams of CO2e of energy and of making the machines for each device target; null if unknown.
        public var sci_g_per_target: Double?
        /// The rows of the groups.
        public var rows: [CostRow.Document]
        /// The sum of the rows.
        public var total: CostRow.Document
    }

    /// The table as a JSON document.
    public var document: Document {
        Document(
            by: grouping.rawValue, factors: factors.version, zones: zones,
            intensity_type: factors.basis.type, intensity_signal: factors.basis.signal,
            device_targets: targets, sci_g_per_target: sciGramsPerTarget,
            rows: rows.map { document(of: $0) }, total: document(of: total))
    }

    private func document(of row: CostRow) -> CostRow.Document {
        CostRow.Document(
            row: row, labelName: grouping.rawValue, share: row.share(of: total.energy.microjoules))
    }
}

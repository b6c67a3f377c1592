// Time, energy and carbon as amounts that can be summed, subtracted and divided among targets without losing a
// microjoule or a microgram.

import Metering

/// An amount of time, energy and carbon.
public struct CostSum: Sendable, Equatable {
    /// The number of attempts that the amount is of.
    public var attempts = 0
    /// The number of these attempts whose energy is unknown, and therefore missing from the sum.
    public var gaps = 0
    /// The time of attempts whose energy is unknown, besides that of `gaps`, in nanoseconds.
    public var gapNs: Int64 = 0
    /// The sum of the durations of the attempts, in nanoseconds.
    public var wallNs: Int64 = 0
    /// The processor time, in nanoseconds.
    public var cpuNs: Int64 = 0
    /// The energy of the IT equipment.
    public var energy = Energy.zero
    /// CO2e in micrograms.
    public var emissionUg: Int64 = 0
    /// The lower bound of the CO2e, in grams.
    public var gramsLow = 0.0
    /// The upper bound of the CO2e, in grams.
    public var gramsHigh = 0.0
    /// The energy whose carbon is unknown, in microjoules.
    public var carbonMissingUj: Int64 = 0
    /// The names of the counters and models that the energy is from.
    public var methods: [String] = []
    /// The worst measurement tier; nil if all energy is missing.
    public var tier: MeteringTier?

    /// No attempts, energy or carbon.
    public init() {}

    /// Whether the energy of at least a part is known.
    public var isKnown: Bool { tier != nil }
    /// The time of the attempts in hours.
    public var hours: Double { Double(wallNs) / 3.6e12 }
    /// CO2e in grams with its range.
    public var grams: Interval {
        let value = Double(emissionUg) / 1e6
        return Interval(
            value: value, low: min(gramsLow, value), high: max(gramsHigh, value))
    }

    /// Adds two amounts. Lower and upper bounds add up, because errors of the same model are not independent.
    public static func + (left: CostSum, right: CostSum) -> CostSum {
        var sum = left
        sum.attempts += right.attempts
        sum.gaps += right.gaps
        sum.gapNs += right.gapNs
        sum.wallNs += right.wallNs
        sum.cpuNs += right.cpuNs
        sum.energy = sum.energy + right.energy
        sum.emissionUg += right.emissionUg
        sum.gramsLow += right.gramsLow
        sum.gramsHigh += right.gramsHigh
        sum.carbonMissingUj += right.carbonMissingUj
        if sum.methods != right.methods {
            sum.methods = Set(sum.methods + right.methods).sorted()
        }
        sum.tier = MeteringTier.ofSum([left.tier, right.tier].compactMap(\.self))
        return sum
    }

    /// Returns the sum of `amounts`.
    public static func sum(_ amounts: some Sequence<CostSum>) -> CostSum {
        amounts.reduce(CostSum(), +)
    }

    /// Removes `part` and returns it, limited in each quantity to what is left of this amount: both add up to the
    /// former amount.
    mutating func remove(_ part: CostSum) -> CostSum {
        var removed = part
        func take(_ whole: inout Int64, _ taken: inout Int64) {
            taken = min(max(taken, 0), whole)
            whole -= taken
        }
        removed.attempts = min(part.attempts, attempts)
        attempts -= removed.attempts
        removed.gaps = min(part.gaps, gaps)
        gaps -= removed.gaps
        take(&gapNs, &removed.gapNs)
        take(&wallNs, &removed.wallNs)
        take(&cpuNs, &removed.cpuNs)
        take(&energy.microjoules, &removed.energy.microjoules)
        take(&energy.low, &removed.energy.low)
        take(&energy.high, &removed.energy.high)
        energy = energy.enclosing
        removed.energy = removed.energy.enclosing
        take(&emissionUg, &removed.emissionUg)
        take(&carbonMissingUj, &removed.carbonMissingUj)
        removed.gramsLow = min(part.gramsLow, gramsLow)
        gramsLow -= removed.gramsLow
        removed.gramsHigh = min(part.gramsHigh, gramsHigh)
        gramsHigh -= removed.gramsHigh
        if attempts == 0, wallNs == 0, cpuNs == 0, gapNs == 0, energy == .zero {
            self = CostSum()
        }
        return removed
    }

    /// Divides the amount in proportion to `weights`, of which at least one is above 0. Time, energy and carbon of the
    /// parts add up exactly. Every part with a weight above 0 has the number of all attempts, because it is a part of
    /// each of them. Units that do not divide go to the largest remainders; on ties, to the part number
    /// `turn` (modulo the number of parts) and those after it.
    func divided(by weights: [Int64], turn: Int = 0) -> [CostSum] {
        let count = weights.count, start = turn % count
        let order = weights.indices.map { (start + $0) % count }
        let sum = weights.reduce(0.0) { $0 + Double($1) }
        func parts(_ total: Int64) -> [Int64] {
            let turned = LargestRemainder.split(total, weights: order.map { weights[$0] })
            var parts = turned
            for (place, index) in order.enumerated() { parts[index] = turned[place] }
            return parts
        }
        let (gapParts, wallParts, cpuParts) = (parts(gapNs), parts(wallNs), parts(cpuNs))
        let energies = parts(energy.microjoules)
        let (lows, highs) = (parts(energy.low), parts(energy.high))
        let (emissions, missing) = (parts(emissionUg), parts(carbonMissingUj))
        return weights.indices.map { index in
            guard weights[index] > 0 else { return CostSum() }
            var part = self
            (part.gapNs, part.wallNs, part.cpuNs) = (
                gapParts[index], wallParts[index], cpuParts[index]
            )
            part.energy.microjoules = energies[index]
            (part.energy.low, part.energy.high) = (lows[index], highs[index])
            part.energy = part.energy.enclosing
            (part.emissionUg, part.carbonMissingUj) = (emissions[index], missing[index])
            let share = Double(weights[index]) / sum
            (part.gramsLow, part.gramsHigh) = (gramsLow * share, gramsHigh * share)
            return part
        }
    }
}

extension Energy {
    /// The energy with bounds that enclose it: rounding may put a bound a microjoule to the other side.
    var enclosing: Energy {
        Energy(
            microjoules: microjoules, low: min(low, microjoules), high: max(high, microjoules))
    }
}

extension CostSum {
    /// The JSON form of an amount. Energy and carbon are null if no energy is known.
    public struct Document: Sendable, Encodable {
        let attempts, gaps: Int
        let gap_seconds, seconds, cpu_seconds: Double
        let energy_j, energy_j_low, energy_j_high, kwh: Double?
        let gco2e, gco2e_low, gco2e_high: Double?
        let energy_j_without_carbon: Double
        let tier: MeteringTier?
        let methods: [String]
        let wall_ns: Int64
        let energy_uj, emission_ug: Int64?

        init(_ amount: CostSum) {
            (attempts, gaps) = (amount.attempts, amount.gaps)
            gap_seconds = Double(amount.gapNs) / 1e9
            seconds = Double(amount.wallNs) / 1e9
            cpu_seconds = Double(amount.cpuNs) / 1e9
            let energy = amount.isKnown ? amount.energy : nil
            let knowsCarbon =
                amount.isKnown
                && (amount.carbonMissingUj < amount.energy.microjoules || amount.emissionUg > 0)
            let grams = knowsCarbon ? amount.grams : nil
            energy_j_without_carbon = Double(amount.carbonMissingUj) / 1e6
            energy_j = energy.map { Double($0.microjoules) / 1e6 }
            energy_j_low = energy.map { Double($0.low) / 1e6 }
            energy_j_high = energy.map { Double($0.high) / 1e6 }
            kwh = energy.map { Emissions.kilowattHours(microjoules: $0.microjoules) }
            (gco2e, gco2e_low, gco2e_high) = (grams?.value, grams?.low, grams?.high)
            (tier, methods) = (amount.tier, amount.methods)
            wall_ns = amount.wallNs
            energy_uj = energy?.microjoules
            emission_ug = knowsCarbon ? amount.emissionUg : nil
        }
    }

    /// The amount as a JSON document.
    public var document: Document { Document(self) }
}

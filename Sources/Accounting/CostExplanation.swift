// Where a figure comes from: every formula, number and source behind a table of costs.

import Metering

/// The derivation from measured time to grams, with the numbers of one table of costs.
public struct CostExplanation: Sendable, Encodable {
    /// One factor with its source.
    public struct Input: Sendable, Encodable {
        /// Its name in the formulas.
        public var name: String
        /// The factor and its range.
        public var value: Interval
        /// Its unit.
        public var unit: String
        /// Its source and type.
        public var source: String
    }

    /// The formulas, one a line.
    public var formulas: [String]
    /// The numbers in them.
    public var inputs: [Input]
    /// The version of the factors.
    public var factors: Int
    /// The counters and models behind the energy of the attempts.
    public var methods: [String]
    /// The tier of the sum, which is the worst tier of its parts.
    public var tier: MeteringTier?
    /// Attempts counted.
    public var attempts: Int
    /// Attempts whose energy is missing.
    public var gaps: Int
    /// IT energy of all attempts in kWh.
    public var itKWh: Interval
    /// Energy of the building in kWh.
    public var facilityKWh: Interval
    /// CO2e in grams, with independent errors of the factors.
    public var grams: Interval
    /// CO2e in grams if every factor errs to the same side.
    public var gramsBox: Interval

    enum CodingKeys: String, CodingKey {
        case formulas, inputs, factors, methods, tier, attempts, gaps, grams
        case itKWh = "it_kwh"
        case facilityKWh = "facility_kwh"
        case gramsBox = "grams_box"
    }

    /// Explains a table of costs. Errors: `unknownZone`.
    public init(_ report: CostReport) throws(AccountingError) {
        let total = report.total
        let pue = report.factors.pue
        var inputs = [
            Input(
                name: "idle share", value: Interval(exactly: PowerModel.idleShare), unit: "1",
                source: "fit on four published machines"),
            Input(
                name: "load share", value: Interval(exactly: PowerModel.loadShare), unit: "1",
                source: "fit on four published machines"),
            Input(
                name: "model", value: PowerModel.factor, unit: "1",
                source: "spread of the power model on those machines"),
            Input(
                name: "memory", value: PowerModel.memoryWattsPerGB, unit: "W/GB",
                source: "power of memory, whether used or not"),
            Input(name: "PUE", value: pue.interval, unit: pue.unit, source: pue.provenance),
        ]
        for zone in report.zones {
            let intensity = try report.factors.intensity(zone)
            inputs.append(
                Input(
                    name: "intensity(\(zone))", value: intensity.interval, unit: intensity.unit,
                    source: intensity.provenance))
        }
        self.inputs = inputs
        formulas = Self.formulas
        factors = report.factors.version
        methods = total.methods
        tier = total.tier
        attempts = total.attempts
        gaps = total.gaps
        itKWh = total.energy.kilowattHours
        facilityKWh = ProductInterval.logQuadrature([itKWh, pue.interval])
        grams = Interval(
            value: total.grams, low: min(total.gramsLow, total.grams),
            high: max(total.gramsHigh, total.grams))
        // Every zone has the same PUE; the box uses the widest relative range among the zones'
        // intensities.
        let relative = try report.zones.map { zone throws(AccountingError) in
            let intensity = try report.factors.intensity(zone).interval
            return (low: intensity.low / intensity.value, high: intensity.high / intensity.value)
        }
        let box = ProductInterval.box([
            itKWh, pue.interval,
            Interval(
                value: 1, low: relative.map(\.low).min() ?? 1, high: relative.map(\.high).max() ?? 1
            ),
        ])
        let scale = box.value > 0 ? total.grams / box.value : 0
        gramsBox = box.scaled(by: scale)
    }

    private static let formulas = [
        "P(processor) = TDP · vCPU / socket's threads · (idle share + load share · √load) · model",
        "P(memory) = GB · memory",
        "E(host) = what RAPL counted, else P · time, cut where attempts start and end, and every 10 s",
        "E(attempt) = idle energy · processors held / processors"
            + " + energy of load · CPU time / CPU time of the host",
        "kWh(building) = Σ E(attempt) / 3.6e12 · PUE        (E in µJ of IT energy)",
        "g CO2e = Σ E(attempt) / 3.6e12 · PUE · intensity(zone), rounded to 1 µg for each stage, host and day",
        "range = v · exp(∓√Σ ln²(end/value)) over energy, PUE, intensity; ends of sums add up",
    ]
}

extension Factor {
    /// Source, type, vintage and licence in one line.
    public var provenance: String {
        let kinds = [type, signal].filter { $0 != "none" }
        let range = hasRange ? [] : ["no range stated"]
        return ([source] + kinds + [vintage, licence] + range).joined(separator: ", ")
    }
}

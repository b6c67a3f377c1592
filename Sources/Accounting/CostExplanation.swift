// Explains where the numbers in a table of costs come from: formulas, inputs and sources.

import Metering

/// The derivation of grams of CO2e from measured time, with the numbers of one table of costs.
public struct CostExplanation: Sendable, Encodable {
    /// A number in the formulas, with its source.
    public struct Input: Sendable, Encodable {
        /// The name of the number in the formulas.
        public var name: String
        /// The number and its range.
        public var value: Interval
        /// The unit of the number.
        public var unit: String
        /// The source of the number and what it describes.
        public var source: String
    }

    /// The formulas, one per element.
    public var formulas: [String]
    /// The numbers in the formulas that are not measured.
    public var inputs: [Input]
    /// The version of the factor set.
    public var factors: Int
    /// The names of the counters and models from which the energy was computed.
    public var methods: [String]
    /// The measurement tier of the sum: the worst tier of its parts; nil if all energy is missing.
    public var tier: MeteringTier?
    /// The number of attempts in the table.
    public var attempts: Int
    /// The number of attempts whose energy is missing.
    public var gaps: Int
    /// The energy of the IT equipment in all attempts, in kWh.
    public var itKWh: Interval
    /// The energy of the building: IT energy times PUE, in kWh.
    public var facilityKWh: Interval
    /// CO2e in grams, with the range for independent errors of the factors.
    public var grams: Interval
    /// CO2e in grams, with the range if all factors err to the same side.
    public var gramsBox: Interval
    /// The rows of the ledgers behind the sums; nil unless they were asked for.
    public var rows: [CostLine]?

    enum CodingKeys: String, CodingKey {
        case formulas, inputs, factors, methods, tier, attempts, gaps, grams, rows
        case itKWh = "it_kwh"
        case facilityKWh = "facility_kwh"
        case gramsBox = "grams_box"
    }

    /// Explains a table of costs. Errors: `unknownZone`.
    public init(_ report: CostReport) throws(AccountingError) {
        let total = report.total
        let pue = report.pue
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
            Input(
                name: "PUE", value: pue.interval, unit: report.factors.pue.unit,
                source: pue.isStated
                    ? "stated of the machines (ofa host show), the mean of the energy; --rows has each"
                    : report.factors.pue.provenance),
        ]
        for zone in report.zones {
            let intensity = try report.factors.intensity(zone)
            let isSeries = report.factors.hourlyZones.contains(zone)
            // Of a series only its last hour stands here; each hour has its own value.
            inputs.append(
                Input(
                    name: "intensity(\(zone))", value: intensity.interval, unit: intensity.unit,
                    source: intensity.provenance
                        + (!isSeries
                            ? ""
                            : intensity.isHourly
                                ? "; by the hour, this is the last"
                                : "; by the hour, this for hours without a value")))
        }
        for factor in report.factors.others where factor.kind == "wue" || factor.kind == "price" {
            guard report.zones.contains(factor.zone) || factor.zone == "default" else { continue }
            inputs.append(
                Input(
                    name: "\(factor.kind == "wue" ? "WUE" : "price")(\(factor.zone))",
                    value: factor.interval, unit: factor.unit, source: factor.provenance))
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
        // Each zone's intensity has its own relative bounds; `gramsBox` uses the lowest
        // and the highest of all these bounds.
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
        "E(host) = energy counted by RAPL, else P · time, over intervals from one start or end of an attempt"
            + " to the next, at most 10 s",
        "E(attempt) = idle energy · processors held / processors"
            + " + energy of load · CPU time / CPU time of the host",
        "kWh(building) = Σ E(attempt) / 3.6e12 · PUE        (E in µJ of IT energy)",
        "g CO2e = Σ E(attempt) / 3.6e12 · PUE · intensity(zone), rounded to 1 µg for each stage, host and hour",
        "litres = Σ E(attempt) / 3.6e12 · WUE",
        "money = Σ processor hours reserved · rental, else Σ E(attempt) / 3.6e12 · PUE · price + machine hours · share"
            + " reserved · depreciation",
        "g CO2e(embodied) = machine's total · hours / lifetime · share of its processors reserved",
        "SCI = (g CO2e + g CO2e(embodied)) / device targets",
        "range = v · exp(∓√Σ ln²(end/value)) over energy, PUE, intensity; ends of sums add up",
    ]
}

extension Factor {
    /// The source, type, kind of mean, vintage and licence of the factor in one line.
    public var provenance: String {
        let kinds = [type, signal].filter { $0 != "none" }
        let range = hasRange ? [] : ["no range stated"]
        return ([source] + kinds + [vintage, licence] + range).joined(separator: ", ")
    }
}

// The costs that are usually compared when training once is said to save, each with what it counts, and beside them the
// measured costs of a run.

import Foundation
import Metering

/// A table of published and measured costs.
public struct CostComparison: Sendable {
    /// The baseline of a row. Only rows of the same baseline are divided by each other.
    public enum Baseline: String, Sendable, CaseIterable {
        /// One architecture search for a language model (Strubell et al., 2019).
        case search
        /// Networks for a number of devices, on ImageNet (Cai et al., 2020).
        case devices
        /// Measured by this program on its machines and data.
        case measured
    }

    /// One row.
    public struct Row: Sendable, Equatable {
        /// The publication or the run.
        public var source: String
        /// What the figures count.
        public var counted: String
        /// The baseline.
        public var baseline: Baseline
        /// The hours: of GPUs or machines in publications, of attempts in runs; nil if not stated.
        public var hours: Double?
        /// The energy of the IT equipment in kWh; nil if not stated.
        public var itKWh: Interval?
        /// The energy of the building in kWh; nil if not stated.
        public var facilityKWh: Interval?
        /// Carbon in kg CO2e; nil if unknown.
        public var kilograms: Interval?
        /// The price in US dollars; nil if not stated.
        public var dollars: Double?
        /// The quotient by which this row exceeds the row `factorOf`; nil if there is none of its baseline.
        public var factor: Double?
        /// The source and count of the row that `factor` refers to.
        public var factorOf: String?
        /// The measurement tier; published figures are declared.
        public var tier: MeteringTier?

        /// Carbon in pounds of CO2e; nil if unknown.
        public var pounds: Interval? {
            kilograms?.scaled(by: 1 / PublishedConversion.kilogramsPerPound)
        }
    }

    /// The number of devices of the rows with baseline `devices`.
    public let targets: Int
    /// The rows.
    public let rows: [Row]
    /// What must be known to read the rows.
    public let notes: [String]

    /// Lists the published rows for `targets` devices, and those of `savings`, whose machines have the power usage
    /// effectiveness `pue`.
    public init(
        targets: Int, savings: MeasuredSavings? = nil, pue: Interval = Interval(exactly: 1)
    ) {
        self.targets = targets
        var rows = Self.search + Self.devices(targets)
        var notes = Self.notes(targets)
        if let savings {
            rows += Self.measured(savings, pue)
            notes += Self.notes(savings)
        }
        (self.rows, self.notes) = (rows, notes)
    }

    // MARK: One architecture search

    private static let strubellHours = 274_120.0
    /// Patterson et al., 2021: the figure is too high by these factors.
    private static let corrections = [
        (18.7, "corrected for an average organisation"),
        (88.0, "corrected for the organisation that it was about"),
    ]

    private static var search: [Row] {
        let published = row(
            "Strubell et al., 2019", "one architecture search for a language model", .search,
            hours: strubellHours, .strubell)
        return [published]
            + corrections.map { factor, words in
                Row(
                    source: "Patterson et al., 2021", counted: "that search, \(words)",
                    baseline: .search, kilograms: published.kilograms?.scaled(by: 1 / factor),
                    factor: 1 / factor, factorOf: published.source, tier: .declared)
            }
    }

    private static func row(
        _ source: String, _ counted: String, _ baseline: Baseline, hours: Double,
        _ conversion: PublishedConversion
    ) -> Row {
        Row(
            source: source, counted: counted, baseline: baseline, hours: hours,
            itKWh: Interval(exactly: conversion.itKWh(hours: hours)),
            facilityKWh: Interval(exactly: conversion.facilityKWh(hours: hours)),
            kilograms: Interval(
                exactly: conversion.pounds(hours: hours)
                    * PublishedConversion.kilogramsPerPound),
            dollars: conversion.dollars(hours: hours), tier: .declared)
    }

    // MARK: Networks for devices

    private static let cai = "Cai et al., 2020"

    private static func devices(_ targets: Int) -> [Row] {
        let once = PublishedMethod.onceForAll
        let devices = targets == 1 ? "1 device" : "\(targets) devices"
        let base = "\(once.name), \(devices)"
        func method(_ method: PublishedMethod) -> Row {
            let hours = method.hours(targets: targets)
            var row = row(
                cai, "\(method.name), \(devices)", .devices, hours: hours, .onceForAll)
            guard method != once else { return row }
            (row.factor, row.factorOf) = (hours / once.hours(targets: targets), base)
            return row
        }
        return [
            row(
                cai, "once-for-all, training of the supernet alone", .devices, hours: 1200,
                .onceForAll),
            method(once),
            row(
                cai, "\(base): the part of each device", .devices,
                hours: once.hours(targets: targets) / Double(targets), .onceForAll),
        ] + (PublishedMethod.tuned + PublishedMethod.others).map(method)
    }

    private static func notes(_ targets: Int) -> [String] {
        let once = PublishedMethod.onceForAll
        let against = PublishedMethod.others.map { other in
            "\(other.name) \(once.breakEven(against: other).map { "\($0)" } ?? "never")"
        }
        let byHand = PublishedMethod.others[0]
        let tuned = PublishedMethod.tuned.map { method in
            "\(method.name) \(method.breakEven(against: byHand).map { "\($0)" } ?? "never")"
        }
        return [
            "626,155 lb is one search for a language model; the often quoted 1/1,300 is once-for-all against MnasNet"
                + " at 40 devices. They have different baselines: no factor is stated between them.",
            "Once-for-all pays from this number of devices on: \(against.joined(separator: ", "));"
                + " with further training against \(byHand.name): \(tuned.joined(separator: ", ")).",
            "It does not pay below \(once.breakEven(against: byHand) ?? 0) devices against"
                + " \(byHand.name), a network designed by hand.",
            "Published figures state no range and are declared (tier U); energy of the building with PUE 1.58.",
        ]
    }

    // MARK: Measured

    private static func measured(_ savings: MeasuredSavings, _ pue: Interval) -> [Row] {
        let source = "run \(savings.run), measured"
        func row(_ counted: String, _ amount: CostSum, over count: Int = 1) -> Row {
            let energy = MeasuredSavings.value(amount, .energy, over: count)
            return Row(
                source: source, counted: counted, baseline: .measured,
                hours: amount.hours / Double(count), itKWh: energy,
                facilityKWh: energy.map {
                    ProductInterval.logQuadrature([$0, pue])
                },
                kilograms: MeasuredSavings.value(amount, .carbon, over: count),
                tier: amount.tier)
        }
        let devices = savings.targets == 1 ? "1 device" : "\(savings.targets) devices"
        let whole = savings.fixed + savings.specialised
        var rows = [
            row("all of it, \(devices)", whole),
            row("what does not depend on the devices", savings.fixed),
            row(
                "what each device added, mean of \(savings.targets)", savings.specialised,
                over: savings.targets),
            row("\(devices): the part of each device", whole, over: savings.targets),
        ]
        guard let alone = savings.alone, let count = savings.aloneNetworks else { return rows }
        var trained = row("a network trained alone, mean of \(count)", alone, over: count)
        if let energy = trained.itKWh?.value, let each = rows[3].itKWh?.value, each > 0 {
            (trained.factor, trained.factorOf) = (energy / each, rows[3].counted)
        }
        rows.append(trained)
        return rows
    }

    private static func notes(_ savings: MeasuredSavings) -> [String] {
        var notes = [
            "Run \(savings.run) counts failed attempts, and the runs that specialised for its devices."
                + " Its data, networks and machines are not those of the publications: no factor is stated"
                + " between them."
        ]
        if let even = savings.breakEven(.energy) {
            notes.append(
                even.targets.map {
                    "In energy, run \(savings.run) pays from \($0) devices on against networks trained"
                        + " alone; it has \(savings.targets)."
                }
                    ?? "In energy, run \(savings.run) never pays against networks trained alone.")
        }
        return notes
    }
}

extension CostComparison.Row {
    /// The JSON form of a row.
    public struct Document: Sendable, Encodable {
        let source, counted, baseline: String
        let hours: Double?
        let it_kwh, it_kwh_low, it_kwh_high: Double?
        let kwh, kwh_low, kwh_high: Double?
        let lb_co2e, lb_co2e_low, lb_co2e_high: Double?
        let kg_co2e, kg_co2e_low, kg_co2e_high: Double?
        let usd, factor: Double?
        let factor_of: String?
        let tier: MeteringTier?

        init(_ row: CostComparison.Row) {
            (source, counted, baseline) = (row.source, row.counted, row.baseline.rawValue)
            hours = row.hours
            (it_kwh, it_kwh_low, it_kwh_high) = Self.parts(row.itKWh, row)
            (kwh, kwh_low, kwh_high) = Self.parts(row.facilityKWh, row)
            (lb_co2e, lb_co2e_low, lb_co2e_high) = Self.parts(row.pounds, row)
            (kg_co2e, kg_co2e_low, kg_co2e_high) = Self.parts(row.kilograms, row)
            (usd, factor, factor_of) = (row.dollars, row.factor, row.factorOf)
            tier = row.tier
        }

        /// Returns value and bounds; a published figure has no bounds.
        private static func parts(_ interval: Interval?, _ row: CostComparison.Row) -> (
            Double?, Double?, Double?
        ) {
            let hasRange = row.baseline == .measured
            return (
                interval?.value, hasRange ? interval?.low : nil, hasRange ? interval?.high : nil
            )
        }
    }

    /// The row as a JSON document.
    public var document: Document { Document(self) }
}

extension CostComparison {
    /// The JSON form of the table.
    public struct Document: Sendable, Encodable {
        let targets: Int
        let rows: [Row.Document]
        let notes: [String]
        let factors: Int?
    }

    /// Returns the table as a JSON document. `factors` is the version of the factor set of measured rows, nil without
    /// such rows.
    public func document(factors: Int?) -> Document {
        Document(
            targets: targets, rows: rows.map(\.document), notes: notes, factors: factors)
    }
}

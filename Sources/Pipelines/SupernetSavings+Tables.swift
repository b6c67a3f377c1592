// The tables and the JSON form of what one supernet saved.

import Accounting
import Foundation
import Metering

extension SupernetSavings {
    /// Accuracies, energy, time, and the number of devices from which the supernet pays.
    public var tables: [ArmComparison.Table] {
        [accuracyTable, energyTable, timeTable, breakEvenTable]
    }

    private var names: [String] { ways.map(\.name) }
    private var aimed: Int? { ways.firstIndex { $0.way == .aimed } }

    private var accuracyTable: ArmComparison.Table {
        let rows = devices.map { device in
            [device.name, device.macs.map { ReportText.grouped(Int($0.mean.rounded())) } ?? ""]
                + device.cells.map { cell in cell.map { percent($0.test) } ?? "" }
                + (aimed.map { [Self.reached(device.cells[$0])] } ?? [])
        }
        let error = 100 * (0.9 * 0.1 / Double(max(testImages, 1))).squareRoot()
        var note =
            "Top-1 accuracy on \(ReportText.grouped(testImages)) test images, in percent: \(spread). Every network was measured"
            + " in floats, with batch norms calibrated in the same way. The sampling error of the images is about"
            + " \(ReportText.decimal(error, 2)) points at 90 %; test images decide nothing."
        if let aimed {
            note +=
                " “\(names[aimed])” ends at the first validation with the cut network's accuracy on held-out images, or after"
                + " its last epoch."
        }
        return ArmComparison.Table(
            title: "Accuracy",
            head: ["Device", "MACs"] + names + (aimed == nil ? [] : ["Reached"]),
            figures: 2, rows: rows, note: note)
    }

    /// Returns in how many seeds a training reached its accuracy.
    private static func reached(_ cell: Cell?) -> String {
        let known = (cell?.reached ?? []).compactMap(\.self)
        return known.isEmpty ? "" : "\(known.count(where: { $0 })) of \(known.count)"
    }

    private var energyTable: ArmComparison.Table {
        let tier = crossings.first { $0.measure == .energy }?.tier?.rawValue
        let gaps = hasGaps ? " The energy of some time of attempts is not known and missing." : ""
        let how = tier.map { ", tier \($0)" } ?? ""
        return costTable(
            "Energy, J", \.energy,
            note: "Energy of the IT equipment in joules\(how): \(spread)." + gaps
                + " The supernet's stages are those of a seed that serve no single device: its training, the measured subnets"
                + " and the predictor. Failed attempts count; the import of the images, which every way needs, and the"
                + " evaluations of this comparison do not.")
    }

    private var timeTable: ArmComparison.Table {
        let own = ways.indices.filter { ways[$0].way != .cut }
        let table = costTable(
            "Time, s", \.seconds,
            note:
                "Durations of the attempts in seconds, and epochs: \(spread). Attempts may run side by side."
        )
        let epochs = devices.map { device in
            own.map { number(device.cells[$0]?.epochs, digits: 2) ?? "" }
        }
        let rest = Array(
            repeating: Array(repeating: "", count: own.count),
            count: table.rows.count - epochs.count)
        return ArmComparison.Table(
            title: table.title, head: table.head + own.map { "Epochs, \(names[$0])" }, figures: 1,
            rows: zip(table.rows, epochs + rest).map { $0 + $1 }, note: table.note)
    }

    /// Returns a table with a cost of every device, of the supernet, and of all together.
    private func costTable(
        _ title: String, _ figure: (Amount) -> Spread?, note: String
    ) -> ArmComparison.Table {
        var rows = devices.map { device in
            [device.name]
                + device.cells.map { cell in cell.map { number(figure($0.cost)) ?? "unknown" } ?? ""
                }
        }
        rows.append(
            ["the supernet, once"]
                + ways.map { $0.way == .cut ? number(figure(supernet)) ?? "unknown" : "" })
        rows.append(
            ["all \(devices.count) devices"]
                + ways.map { number(figure($0.all)) ?? "unknown" })
        return ArmComparison.Table(
            title: title, head: ["Device"] + names, figures: 1, rows: rows, note: note)
    }

    private var breakEvenTable: ArmComparison.Table {
        let rows = crossings.filter { $0.measure != .carbon }.map { crossing in
            [
                crossing.name, crossing.measure == .energy ? "energy, J" : "time, s",
                Self.amount(crossing.mean?.fixed, crossing.measure),
                Self.amount(crossing.mean?.perTarget, crossing.measure),
                Self.amount(crossing.mean?.alone, crossing.measure),
                crossing.mean.map { Self.targets($0.targets) } ?? "unknown",
                Self.range(crossing.mean),
                crossing.seeds.map { $0.never == nil ? "unknown" : Self.targets($0.targets) }
                    .joined(separator: ", "),
                number(crossing.factor, digits: 2) ?? "unknown",
            ]
        }
        var note =
            "The supernet pays from ⌈F / (m − s)⌉ devices on: F is what it cost once, s what a further device costs, m what a"
            + " network trained alone costs, each the mean over the seeds. The range is that of the meter or model; behind it"
            + " the number for each seed. “Alone : cut” is what \(devices.count) devices cost alone over what they cost with"
            + " the supernet."
        if let missed {
            note +=
                " \(missed) trainings did not reach their accuracy: they cost more than these figures to get there, so the"
                + " supernet pays sooner than they say."
        }
        return ArmComparison.Table(
            title: "Break-even",
            head: [
                "Against", "In", "F", "s", "m", "Pays from", "Range", "Seeds", "Alone : cut",
            ], figures: 2, rows: rows, note: note)
    }

    /// How many of how many trainings did not reach their accuracy, in words; nil if all did.
    private var missed: String? {
        let known = devices.flatMap { $0.cells.flatMap { $0?.reached ?? [] } }.compactMap(\.self)
        let missed = known.count { !$0 }
        return missed == 0 ? nil : "\(missed) of \(known.count)"
    }

    // MARK: Numbers

    /// Returns what one unit of a break-even's measure is in the table's unit.
    private static func unit(_ measure: MeasuredSavings.Measure) -> Double {
        switch measure {
        case .energy: 3.6e6
        case .time: 3600
        case .carbon: 1000
        }
    }

    private static func amount(_ interval: Interval?, _ measure: MeasuredSavings.Measure) -> String
    {
        guard let interval else { return "unknown" }
        let value = interval.value * unit(measure)
        return written(value, digits(value))
    }

    private static func targets(_ count: Int?) -> String { count.map { "\($0)" } ?? "never" }

    private static func range(_ mean: BreakEven?) -> String {
        guard let mean else { return "unknown" }
        let (low, high) = (targets(mean.fewest), targets(mean.most))
        return low == high ? low : "\(low) to \(high)"
    }

    /// Returns the decimals of a cost: three digits or four, all those of a large one.
    private static func digits(_ value: Double) -> Int {
        abs(value) < 9.995 ? 2 : abs(value) < 999.95 ? 1 : 0
    }

    private static func written(_ value: Double, _ digits: Int) -> String {
        digits == 0 && abs(value) < 9e18
            ? ReportText.grouped(Int(value.rounded())) : ReportText.decimal(value, digits)
    }

    /// Returns mean and deviation, with the number of seeds in brackets if values are missing; nil without values.
    private func number(_ spread: Spread?, digits: Int? = nil) -> String? {
        guard let spread else { return nil }
        let digits = digits ?? Self.digits(spread.mean), count = spread.known.count
        return Self.written(spread.mean, digits)
            + (spread.deviation.map { " ± " + Self.written($0, digits) } ?? "")
            + (count < seeds.count ? " (\(count))" : "")
    }

    private func percent(_ spread: Spread?) -> String {
        guard let spread else { return "" }
        let deviation = spread.deviation.map { " ± " + ReportText.decimal(100 * $0, 2) } ?? ""
        let count = spread.known.count
        return ReportText.decimal(100 * spread.mean, 2) + deviation
            + (count < seeds.count ? " (\(count))" : "")
    }

    private var spread: String {
        seeds.count > 1
            ? "mean ± sample standard deviation over \(seeds.count) seeds" : "of one seed"
    }
}

// MARK: JSON

extension SupernetSavings: Encodable {
    private enum Key: String, CodingKey {
        case seeds, test_images, held_out_images, supernet, ways, devices, break_even, has_gaps
        case device, macs, way, name, test, held_out, epochs, aims, reached, energy_j, seconds
    }

    /// Writes the fields of `ofa report --json`.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(seeds, forKey: .seeds)
        try fields.encode(testImages, forKey: .test_images)
        try fields.encode(heldOutImages, forKey: .held_out_images)
        try fields.encode(supernet, forKey: .supernet)
        try fields.encode(ways, forKey: .ways)
        var list = fields.nestedUnkeyedContainer(forKey: .devices)
        for device in devices {
            var fields = list.nestedContainer(keyedBy: Key.self)
            try fields.encode(device.name, forKey: .device)
            try fields.encode(device.macs, forKey: .macs)
            var cells = fields.nestedUnkeyedContainer(forKey: .ways)
            for (way, cell) in zip(ways, device.cells) {
                var fields = cells.nestedContainer(keyedBy: Key.self)
                try fields.encode(way.way, forKey: .way)
                try fields.encode(way.name, forKey: .name)
                try fields.encode(cell?.test, forKey: .test)
                try fields.encode(cell?.heldOut, forKey: .held_out)
                try fields.encode(cell?.epochs, forKey: .epochs)
                try fields.encode(cell?.aims, forKey: .aims)
                try fields.encode(
                    cell?.reached ?? Array(repeating: nil, count: seeds.count), forKey: .reached)
                try fields.encode(cell?.cost.energy, forKey: .energy_j)
                try fields.encode(cell?.cost.seconds, forKey: .seconds)
            }
        }
        try fields.encode(crossings, forKey: .break_even)
        try fields.encode(hasGaps, forKey: .has_gaps)
    }
}

extension SupernetSavings.Amount: Encodable {
    private enum Key: String, CodingKey { case energy_j, seconds }

    /// Writes the fields of `ofa report --json`.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(energy, forKey: .energy_j)
        try fields.encode(seconds, forKey: .seconds)
    }
}

extension SupernetSavings.WayTotal: Encodable {
    private enum Key: String, CodingKey { case way, name, devices, all }

    /// Writes the fields of `ofa report --json`.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(way, forKey: .way)
        try fields.encode(name, forKey: .name)
        try fields.encode(devices, forKey: .devices)
        try fields.encode(all, forKey: .all)
    }
}

extension SupernetSavings.Crossing: Encodable {
    private enum Key: String, CodingKey { case way, name, measure, by_seed, factor, mean }

    /// Writes the fields of `ofa report --json`.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(way, forKey: .way)
        try fields.encode(name, forKey: .name)
        try fields.encode("\(measure)", forKey: .measure)
        try fields.encode(seeds, forKey: .by_seed)
        try fields.encode(factor, forKey: .factor)
        try fields.encode(
            mean?.document(against: name, unit: measure.rawValue, tier: tier), forKey: .mean)
    }
}

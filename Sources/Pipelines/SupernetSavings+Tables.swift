// The tables of what one supernet saved.

import Accounting
import Foundation
import Metering

extension SupernetSavings {
    /// Accuracies, energy, times, and the number of devices from which the supernet pays.
    public var tables: [ArmComparison.Table] {
        [accuracyTable] + (heldOutImages.map { [heldOutTable($0)] } ?? [])
            + [energyTable, timeTable, cpuTable, breakEvenTable]
    }

    private var names: [String] { ways.map(\.name) }
    /// The places of the ways of training alone in `ways`.
    private var lone: [Int] { ways.indices.filter { ways[$0].way != .cut } }
    private var aimed: Int? { ways.firstIndex { $0.way == .aimed } }

    private var accuracyTable: ArmComparison.Table {
        let rows = devices.map { device in
            [device.name, device.macs.map { ReportText.grouped(Int($0.mean.rounded())) } ?? ""]
                + device.cells.map { cell in cell.map { percent($0.test) } ?? "" }
        }
        let error = 100 * (0.9 * 0.1 / Double(max(testImages, 1))).squareRoot()
        return ArmComparison.Table(
            title: "Accuracy", head: ["Device", "MACs"] + names, figures: 2, rows: rows,
            note:
                "Top-1 accuracy on \(ReportText.grouped(testImages)) test images, in percent: \(spread). Every network was"
                + " measured in floats, with batch norms calibrated in the same way. The sampling error of the images is"
                + " about \(ReportText.decimal(error, 2)) points at 90 %; test images decide nothing."
        )
    }

    private func heldOutTable(_ images: Int) -> ArmComparison.Table {
        let isOther = aimsAreOfCut == false
        let rows = devices.map { device in
            [device.name] + device.cells.map { cell in cell.map { percent($0.heldOut) } ?? "" }
                + (isOther ? [aimed.map { percent(device.cells[$0]?.aims) } ?? ""] : [])
                + lone.map { Self.asAccurate(device.cells[$0]) }
        }
        var note =
            "Top-1 accuracy on \(ReportText.grouped(images)) held-out images, in percent: \(spread). “As accurate” counts the"
            + " seeds in which the network alone is at least as accurate there as the one cut from the supernet."
        if let aimed {
            note +=
                " “\(names[aimed])” ends at the first validation with "
                + (isOther
                    ? "the accuracy that was asked of it, the aim, which is not that of the cut network"
                    : "the cut network's accuracy on these images") + ", or after its last epoch."
        }
        return ArmComparison.Table(
            title: "Accuracy on held-out images",
            head: ["Device"] + names + (isOther ? ["Aim"] : [])
                + lone.map { "As accurate: \(names[$0])" },
            figures: 1, rows: rows, note: note)
    }

    /// Returns in how many seeds a network alone is as accurate as the cut one.
    private static func asAccurate(_ cell: Cell?) -> String {
        let known = (cell?.asAccurate ?? []).compactMap(\.self)
        return known.isEmpty ? "" : "\(known.count(where: { $0 })) of \(known.count)"
    }

    private var energyTable: ArmComparison.Table {
        var note = "Energy of the IT equipment in joules"
        if let tier {
            note +=
                ", \(tier.words) (\(methods.joined(separator: ", "))). In brackets is the range of meter or model for the mean;"
                + " ± is only what differs between seeds"
        }
        note +=
            ": \(spread). The supernet's stages are those of a seed that serve no single device: its training, the measured"
            + " subnets and the predictor. Failed attempts count; the import of the images, which every way needs, and the"
            + " evaluations of this comparison do not."
        if let tier, tier >= .model {
            note +=
                " What a model says of a second depends on what else ran on the machine then: ways are compared best where one"
                + " attempt ran at a time."
        }
        return costTable(
            "Energy, J", note: [note, missing].compactMap(\.self).joined(separator: " ")
        ) {
            energy($0)
        }
    }

    /// What of the costs is unknown, in sentences; nil if nothing is.
    private var missing: String? {
        var parts: [String] = []
        let amounts =
            [(name: "the supernet", amount: supernet)]
            + ways.map { (name: $0.name, amount: $0.devices) }
        let short = amounts.filter { $0.amount.gapSeconds > 0 }.map { one in
            let seconds = one.amount.gapSeconds
            return "\(one.name): \(Self.written(seconds, Self.digits(seconds))) s"
        }
        if !short.isEmpty {
            parts.append(
                "The energy of some time is not known and missing here (\(short.joined(separator: "; ")))."
            )
        }
        if !elsewhere.isEmpty {
            let list = elsewhere.map { "\($0)" }.joined(separator: ", ")
            parts.append(
                "No stage of this run made artifact \(list), which networks descend from: what needed it has no known cost."
            )
        }
        return parts.isEmpty ? nil : parts.joined(separator: " ")
    }

    private var timeTable: ArmComparison.Table {
        let table = costTable(
            "Time, s",
            note:
                "Durations of the attempts in seconds, and epochs: \(spread). Attempts that ran side by side slowed each other."
        ) { number($0.seconds) }
        let epochs = devices.map { device in
            lone.map { number(device.cells[$0]?.epochs, digits: 2) ?? "" }
        }
        let rest = Array(
            repeating: Array(repeating: "", count: lone.count),
            count: table.rows.count - epochs.count)
        return ArmComparison.Table(
            title: table.title, head: table.head + lone.map { "Epochs, \(names[$0])" }, figures: 1,
            rows: zip(table.rows, epochs + rest).map { $0 + $1 }, note: table.note)
    }

    private var cpuTable: ArmComparison.Table {
        costTable(
            "Processor time, s",
            note: "Seconds of all threads of the attempts: \(spread)."
        ) { number($0.cpuSeconds) }
    }

    /// Returns a table with a cost of every device, of the supernet, and of all together; `figure` is nil for an unknown
    /// cost.
    private func costTable(
        _ title: String, note: String, _ figure: (Amount) -> String?
    ) -> ArmComparison.Table {
        var rows = devices.map { device in
            [device.name]
                + device.cells.map { cell in cell.map { figure($0.cost) ?? "unknown" } ?? "" }
        }
        rows.append(
            ["the supernet, once"]
                + ways.map { $0.way == .cut ? figure(supernet) ?? "unknown" : "" })
        rows.append(
            ["all \(devices.count) devices"] + ways.map { figure($0.all) ?? "unknown" })
        return ArmComparison.Table(
            title: title, head: ["Device"] + names, figures: 1, rows: rows, note: note)
    }

    private var breakEvenTable: ArmComparison.Table {
        let shown = crossings.filter { $0.measure != .carbon }
        let rows = shown.map { crossing in
            [
                crossing.name, crossing.measure == .energy ? "energy, J" : "time, s",
                amount(crossing, \.fixed), amount(crossing, \.perTarget), amount(crossing, \.alone),
                crossing.mean.map { Self.targets($0.targets) } ?? "unknown",
                Self.range(crossing.mean), Self.range(crossing.independent),
                crossing.seeds.map { $0.never == nil ? "unknown" : Self.targets($0.targets) }
                    .joined(separator: ", "),
                number(crossing.factor, digits: 2) ?? "unknown",
            ]
        }
        var note =
            "The supernet pays from ⌈F / (m − s)⌉ devices on: F is what it cost once, s what a further device costs, m what a"
            + " network trained alone costs, each the mean over the seeds of which all three are known"
        let tiers = shown.filter { $0.measure == .energy }.compactMap(\.tier)
        if let tier = MeteringTier.ofSum(tiers) { note += "; energy \(tier.words)" }
        note +=
            ". “Range” is that of meters and models"
            + (shown.contains { $0.mean?.isOneMeter == true }
                ? " for errors common to all three costs, which one meter or model measured" : "")
            + "; “Independent” is the range if the errors of the three have nothing in common. “Alone : cut” is what"
            + " \(devices.count) devices cost alone over what they cost with the supernet."
        note += [accuracyCaveat, missing].compactMap(\.self).map { " " + $0 }.joined()
        return ArmComparison.Table(
            title: "Break-even",
            head: [
                "Against", "In", "F", "s", "m", "Pays from", "Range", "Independent", "Seeds",
                "Alone : cut",
            ], figures: 2, rows: rows, note: note)
    }

    /// What the costs of trainings until an accuracy do not say, in sentences; nil without such trainings.
    private var accuracyCaveat: String? {
        guard let aimed else { return nil }
        var parts: [String] = []
        let reached = devices.flatMap { $0.cells[aimed]?.reached ?? [] }.compactMap(\.self)
        let missed = reached.count { !$0 }
        if missed > 0 {
            parts.append(
                "\(missed) of \(reached.count) trainings “\(names[aimed])” did not reach their accuracy within their epochs:"
                    + " the costs are those of these epochs, and what the accuracy would cost is unknown."
            )
        }
        if let same = ways.firstIndex(where: { $0.way == .alone }) {
            let known = devices.flatMap { $0.cells[same]?.asAccurate ?? [] }.compactMap(\.self)
            let enough = known.count { $0 }
            if enough > 0 {
                parts.append(
                    "In \(enough) of \(known.count) cases “\(names[same])” was as accurate as the cut network already, in"
                        + " \(cheaper(same, aimed)) of them for less than “\(names[aimed])”: there the accuracy costs no more"
                        + " than that.")
            }
        }
        return parts.isEmpty ? nil : parts.joined(separator: " ")
    }

    /// Returns in how many cases the training `same` was as accurate as the cut network, and cost less than `aimed`: less
    /// energy, or less time if an energy is unknown.
    private func cheaper(_ same: Int, _ aimed: Int) -> Int {
        devices.reduce(0) { sum, device in
            guard let one = device.cells[same], let other = device.cells[aimed] else { return sum }
            return sum
                + seeds.indices.count { place in
                    func value(_ spread: Spread?) -> Double? { spread?.values[place] }
                    guard one.asAccurate[place] == true else { return false }
                    if let joules = value(one.cost.energy), let others = value(other.cost.energy) {
                        return joules < others
                    }
                    guard let seconds = value(one.cost.seconds),
                        let others = value(other.cost.seconds)
                    else { return false }
                    return seconds < others
                }
        }
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

    /// Returns a cost of a break-even, with the number of seeds in brackets if some are left out.
    private func amount(_ crossing: Crossing, _ figure: KeyPath<BreakEven, Interval>) -> String {
        guard let mean = crossing.mean else { return "unknown" }
        let value = mean[keyPath: figure].value * Self.unit(crossing.measure)
        return Self.written(value, Self.digits(value))
            + (crossing.wholeSeeds < seeds.count ? " (\(crossing.wholeSeeds))" : "")
    }

    /// Returns mean, deviation and range of an energy; nil if it is unknown.
    private func energy(_ amount: Amount) -> String? {
        guard let text = number(amount.energy), let range = amount.energyRange else { return nil }
        let digits = Self.digits(range.value)
        let ends = [range.low, range.high].map { Self.written($0, digits) }
        return "\(text) [\(ends[0]), \(ends[1])]"
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

extension MeteringTier {
    /// How an energy was measured, with the letter of the tier.
    var words: String {
        switch self {
        case .counter, .sampled, .hypervisor: "measured, tier \(rawValue)"
        case .model: "modelled, tier \(rawValue)"
        case .constant, .declared: "assumed, tier \(rawValue)"
        }
    }
}

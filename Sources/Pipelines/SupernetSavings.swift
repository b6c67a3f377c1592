// What one supernet saved: networks that a search chose and that were cut from the supernet, beside the same architectures
// trained alone, over several seeds. SupernetSavings+Read.swift reads the figures of a run; SupernetSavings+Tables.swift
// and SupernetSavings+JSON.swift show them.

import Accounting
import Artifacts
import Foundation
import Metering

/// The accuracies and costs of networks for devices, each made in several ways.
public struct SupernetSavings: Sendable, Equatable {
    /// The values of a figure over the seeds.
    public typealias Spread = ArmComparison.Spread

    /// A way to the network of a device.
    public enum Way: String, Sendable, CaseIterable, Encodable {
        /// Cut from the supernet.
        case cut
        /// Trained alone, for all epochs of its phase.
        case alone
        /// Trained alone until it has an accuracy, such as that of the cut network.
        case aimed = "alone_until_accuracy"
    }

    /// The cost of stages. Energy and carbon are unknown if those of a part are.
    struct Part: Sendable, Equatable {
        /// The sum over the stages.
        var sum: CostSum
        /// Whether the energy of every attempt of every stage is known.
        var isKnown: Bool

        /// Takes the cost of one stage.
        init(_ sum: CostSum) {
            self.sum = sum
            isKnown = sum.isKnown && sum.gaps == 0
        }

        /// Joules; nil if unknown.
        var joules: Double? { isKnown ? Double(sum.energy.microjoules) / 1e6 : nil }
        /// The sum of the durations of the attempts.
        var seconds: Double { Double(sum.wallNs) / 1e9 }
        /// The processor time in seconds.
        var cpuSeconds: Double { Double(sum.cpuNs) / 1e9 }

        /// Adds two costs.
        static func + (left: Part, right: Part) -> Part {
            var both = Part(left.sum + right.sum)
            both.isKnown = left.isKnown && right.isKnown
            return both
        }

        /// Returns the cost in a measure, divided by `count`; nil if it is unknown.
        func value(_ measure: MeasuredSavings.Measure, over count: Int = 1) -> Interval? {
            guard measure == .time || isKnown, measure != .carbon || sum.carbonMissingUj == 0
            else { return nil }
            return MeasuredSavings.value(sum, measure, over: count)
        }
    }

    /// One network of one seed, made in one way.
    struct Measured {
        /// The seed of the repetition, the name of the device, and how its network was made.
        let seed: UInt64, device: String, way: Way
        /// The name of the way in the pipeline file.
        let name: String
        /// Multiply-accumulates of one image.
        let macs: Int
        /// Top-1 accuracy in 0…1 on test images, and on held-out images, nil without any.
        let top1: Double, heldOutTop1: Double?
        /// The epochs of a training alone; nil if unknown.
        var epochs: Double?
        /// What this network cost beside the supernet; nil if unknown.
        var cost: Part?
        /// How near a training came to the accuracy at which it was to end.
        var aim: AccuracyRecord?

        /// Returns whether a training alone is at least as accurate as the cut network with the accuracy `cut` on
        /// held-out images; nil for the cut network, and if an accuracy is unknown.
        func isAsAccurate(as cut: Double?) -> Bool? {
            guard way != .cut, let cut else { return nil }
            if let aim, aim.isAt(cut) { return aim.isReached }
            return heldOutTop1.map { $0 >= cut }
        }
    }

    /// Energy and time.
    public struct Amount: Sendable, Equatable {
        /// Energy of the IT equipment in joules; nil if unknown for all seeds.
        public let energy: Spread?
        /// The mean of `energy` within the range of its meters and models; nil if unknown for all seeds.
        public let energyRange: Interval?
        /// The worst measurement tier of `energy`; nil if unknown for all seeds.
        public let tier: MeteringTier?
        /// The names of the counters and models that `energy` is from.
        public let methods: [String]
        /// The time of attempts, over all seeds, whose energy is missing in `energy`, in seconds.
        public let gapSeconds: Double
        /// The sum of the durations of the attempts in seconds; nil if unknown for all seeds.
        public let seconds: Spread?
        /// The processor time in seconds; nil if unknown for all seeds.
        public let cpuSeconds: Spread?

        /// `parts` are those of the seeds.
        init(_ parts: [Part?]) {
            energy = Spread(parts.map { $0?.joules })
            let metered = CostSum.sum(parts.compactMap { $0 }.filter(\.isKnown).map(\.sum))
            energyRange = MeasuredSavings.value(
                metered, .energy, over: max(energy?.known.count ?? 0, 1)
            )?.scaled(by: 3.6e6)
            (tier, methods) = (metered.tier, metered.methods)
            gapSeconds = Double(metered.gapNs) / 1e9
            seconds = Spread(parts.map { $0?.seconds })
            cpuSeconds = Spread(parts.map { $0?.cpuSeconds })
        }
    }

    /// The figures of a device's network that was made in one way.
    public struct Cell: Sendable, Equatable {
        /// Top-1 accuracies in 0…1 on test images, and on held-out images.
        public let test, heldOut: Spread?
        /// The epochs of a training alone.
        public let epochs: Spread?
        /// What the network cost beside the supernet.
        public let cost: Amount
        /// The accuracies at which trainings were to end; nil without one.
        public let aims: Spread?
        /// Whether each seed's training reached its accuracy; nil for a seed without one.
        public let reached: [Bool?]
        /// Whether each seed's training is at least as accurate on held-out images as the cut network; nil for the cut
        /// network, and if an accuracy is unknown.
        public let asAccurate: [Bool?]
    }

    /// A device.
    public struct Device: Sendable, Equatable {
        /// The name.
        public let name: String
        /// Multiply-accumulates of the networks of one image.
        public let macs: Spread?
        /// The figures in the order of `ways`; nil for a way in which no network was made.
        public let cells: [Cell?]
    }

    /// A way with its name in the pipeline file and what the networks of all devices cost in it.
    public struct WayTotal: Sendable, Equatable {
        /// The way.
        public let way: Way
        /// The name in the pipeline file.
        public let name: String
        /// The networks of all devices, without the supernet.
        public let devices: Amount
        /// The networks of all devices, with the supernet if they were cut from it.
        public let all: Amount
    }

    /// The number of devices from which the supernet pays, against networks trained alone.
    public struct Crossing: Sendable, Equatable {
        /// The number for one seed; nil if a cost is unknown, or if the supernet never pays.
        public struct OfSeed: Sendable, Equatable, Encodable {
            let seed: UInt64
            let targets: Int?
            /// Whether the supernet never pays; nil if a cost is unknown.
            let never: Bool?
        }

        /// The way in which networks were trained alone.
        public let way: Way
        /// Its name in the pipeline file.
        public let name: String
        /// What is compared.
        public let measure: MeasuredSavings.Measure
        /// The break-even of the costs' means over `wholeSeeds` seeds; nil if no seed has all costs.
        public let mean: BreakEven?
        /// The number of seeds of which all costs are known.
        public let wholeSeeds: Int
        /// The break-even of each seed.
        public let seeds: [OfSeed]
        /// What the networks of all devices cost alone, over what they and the supernet cost.
        public let factor: Spread?
        /// The worst measurement tier of the costs; nil if a cost is unknown.
        public let tier: MeteringTier?
        /// The same break-even, with a range for errors of its three costs that are independent.
        public var independent: BreakEven? {
            mean.map { BreakEven(fixed: $0.fixed, perTarget: $0.perTarget, alone: $0.alone) }
        }
    }

    /// The seeds, ascending.
    public let seeds: [UInt64]
    /// The number of test images.
    public let testImages: Int
    /// The number of held-out images; nil if none were held out.
    public let heldOutImages: Int?
    /// What the supernet cost that all devices share.
    public let supernet: Amount
    /// The ways that the run took.
    public let ways: [WayTotal]
    /// The devices in the order of the pipeline file.
    public let devices: [Device]
    /// The break-evens of every way of training alone, in energy, time and carbon.
    public let crossings: [Crossing]
    /// The worst measurement tier of all energies, and the names of their counters and models; nil and none without a
    /// known energy.
    public var tier: MeteringTier? { MeteringTier.ofSum(amounts.compactMap(\.tier)) }
    /// See `tier`.
    public var methods: [String] { Set(amounts.flatMap(\.methods)).sorted() }
    private var amounts: [Amount] {
        [supernet] + devices.flatMap { $0.cells.compactMap { $0?.cost } }
    }
    /// Whether the energy of some time of the attempts is unknown.
    public let hasGaps: Bool
    /// Whether the accuracies at which trainings were to end are those of the cut networks; nil without such trainings.
    public let aimsAreOfCut: Bool?
    /// Artifacts that networks descend from and that no stage of the run made; what needed them has no known cost.
    public let elsewhere: [ArtifactID]

    /// Collects the networks `measured`, in the order of the pipeline's stages; `fixed` is the cost of each seed's
    /// supernet, and `elsewhere` are artifacts that no stage of the run made. Nil unless networks were cut and networks
    /// were trained alone.
    init?(
        _ measured: [Measured], fixed: [UInt64: Part], testImages: Int, heldOutImages: Int?,
        elsewhere: [ArtifactID] = []
    ) {
        guard measured.contains(where: { $0.way == .cut }),
            measured.contains(where: { $0.way != .cut })
        else { return nil }
        let table = Figures(measured, fixed)
        (seeds, self.testImages, self.heldOutImages) = (table.seeds, testImages, heldOutImages)
        supernet = Amount(table.seeds.map { fixed[$0] })
        ways = table.ways.map { way in
            let sums = table.seeds.map { table.sum($0, way) }
            let all = zip(table.seeds, sums).map { seed, sum in
                way != .cut ? sum : sum.flatMap { sum in fixed[seed].map { $0 + sum } }
            }
            return WayTotal(
                way: way, name: table.name(way), devices: Amount(sums), all: Amount(all))
        }
        devices = table.devices.map { table.device($0) }
        crossings = table.ways.filter { $0 != .cut }.flatMap { way in
            MeasuredSavings.Measure.allCases.map { table.crossing(way, $0) }
        }
        let parts = measured.compactMap(\.cost) + fixed.values
        hasGaps = parts.contains { $0.sum.gaps > 0 || $0.sum.gapNs > 0 }
        aimsAreOfCut = table.aimsAreOfCut
        self.elsewhere = elsewhere
    }
}

/// Looks up networks by seed, device and way.
private struct Figures {
    typealias Way = SupernetSavings.Way
    typealias Part = SupernetSavings.Part
    typealias Spread = SupernetSavings.Spread

    let seeds: [UInt64]
    let devices: [String]
    let ways: [Way]
    private let measured: [SupernetSavings.Measured]
    private let fixed: [UInt64: Part]

    init(_ measured: [SupernetSavings.Measured], _ fixed: [UInt64: Part]) {
        (self.measured, self.fixed) = (measured, fixed)
        seeds = Set(measured.map(\.seed)).sorted()
        devices = measured.map(\.device).reduce(into: []) { known, name in
            if !known.contains(name) { known.append(name) }
        }
        ways = Way.allCases.filter { way in measured.contains { $0.way == way } }
    }

    func name(_ way: Way) -> String { measured.first { $0.way == way }?.name ?? way.rawValue }

    private func one(_ seed: UInt64, _ device: String, _ way: Way) -> SupernetSavings.Measured? {
        measured.last { $0.seed == seed && $0.device == device && $0.way == way }
    }

    /// Returns the cost of the networks of all devices; nil if there is none of a device, or one of unknown cost.
    func sum(_ seed: UInt64, _ way: Way) -> Part? {
        let parts = devices.map { one(seed, $0, way)?.cost }
        guard let first = parts.first ?? nil else { return nil }
        return parts.dropFirst().reduce(Part?.some(first)) { sum, part in
            sum.flatMap { sum in part.map { sum + $0 } }
        }
    }

    /// Whether all accuracies at which trainings were to end are those of the cut networks; nil without any.
    var aimsAreOfCut: Bool? {
        let aims = measured.compactMap { one in one.aim.map { (of: one, aim: $0) } }
        return aims.isEmpty
            ? nil
            : aims.allSatisfy { one, aim in
                self.one(one.seed, one.device, .cut)?.heldOutTop1.map(aim.isAt) ?? false
            }
    }

    func device(_ name: String) -> SupernetSavings.Device {
        let cuts = seeds.map { one($0, name, .cut)?.heldOutTop1 }
        let cells = ways.map { way -> SupernetSavings.Cell? in
            let found = seeds.map { one($0, name, way) }
            guard found.contains(where: { $0 != nil }) else { return nil }
            return SupernetSavings.Cell(
                test: Spread(found.map { $0?.top1 }),
                heldOut: Spread(found.map { $0?.heldOutTop1 }),
                epochs: Spread(found.map { $0?.epochs }),
                cost: SupernetSavings.Amount(found.map { $0?.cost }),
                aims: Spread(found.map { $0?.aim?.aim }), reached: found.map { $0?.aim?.isReached },
                asAccurate: zip(found, cuts).map { one, cut in one?.isAsAccurate(as: cut) })
        }
        let macs = seeds.map { seed in
            ways.lazy.compactMap { one(seed, name, $0)?.macs }.first.map(Double.init)
        }
        return SupernetSavings.Device(name: name, macs: Spread(macs), cells: cells)
    }

    /// The costs of a seed that break-even compares.
    private struct Costs {
        let fixed, cut, alone: Part
    }

    private func costs(_ seed: UInt64, _ way: Way) -> Costs? {
        guard let fixed = fixed[seed], let cut = sum(seed, .cut), let alone = sum(seed, way)
        else { return nil }
        return Costs(fixed: fixed, cut: cut, alone: alone)
    }

    func crossing(_ way: Way, _ measure: MeasuredSavings.Measure) -> SupernetSavings.Crossing {
        let count = devices.count, all = seeds.map { costs($0, way) }
        let own = all.map { costs in
            costs.flatMap { breakEven($0, measure, seeds: 1) }
        }
        // Seeds without a network of some device, or with a cost that is unknown, are left out of the mean.
        let whole = zip(all, own).compactMap { costs, even in even == nil ? nil : costs }
        var mean: BreakEven?, tier: MeteringTier?
        if let first = whole.first {
            let sum = whole.dropFirst().reduce(first) { sum, one in
                Costs(
                    fixed: sum.fixed + one.fixed, cut: sum.cut + one.cut,
                    alone: sum.alone + one.alone)
            }
            mean = breakEven(sum, measure, seeds: whole.count)
            tier = MeteringTier.ofSum(
                [sum.fixed, sum.cut, sum.alone].compactMap(\.sum.tier))
        }
        return SupernetSavings.Crossing(
            way: way, name: name(way), measure: measure, mean: mean, wholeSeeds: whole.count,
            seeds: zip(seeds, own).map { seed, one in
                SupernetSavings.Crossing.OfSeed(
                    seed: seed, targets: one?.targets, never: one.map { $0.targets == nil })
            },
            factor: Spread(
                own.map { one in
                    one.flatMap { one in
                        let with = one.fixed.value + Double(count) * one.perTarget.value
                        return with > 0 ? Double(count) * one.alone.value / with : nil
                    }
                }), tier: mean == nil ? nil : tier)
    }

    /// Returns the break-even of the sums of `seeds` seeds; nil if a cost is unknown.
    private func breakEven(
        _ costs: Costs, _ measure: MeasuredSavings.Measure, seeds: Int
    ) -> BreakEven? {
        let targets = seeds * devices.count
        guard let fixed = costs.fixed.value(measure, over: seeds),
            let cut = costs.cut.value(measure, over: targets),
            let alone = costs.alone.value(measure, over: targets)
        else { return nil }
        return BreakEven(
            fixed: fixed, perTarget: cut, alone: alone,
            isOneMeter: costs.fixed.sum.methods == costs.alone.sum.methods
                && costs.cut.sum.methods == costs.fixed.sum.methods)
    }
}

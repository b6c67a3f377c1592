// A latency table of this machine, made in rounds that can be interrupted: a round times every missing part, inside
// networks that are drawn so that together they have all of them, and then the whole networks that the table is checked
// against. Going through everything again and again spreads a machine's moods over all entries, and a reference network
// between any two says what the mood is (PacedTimings.swift). Passes count or are left out as a whole, for parts as for
// whole networks, so that sums of parts and whole networks mean the same.

import Networks
import Tensors

/// Where measuring a table is, to be gone on with; it survives as JSON.
public struct LatencySurvey: Codable, Sendable {
    /// One network that was timed whole.
    public struct Whole: Codable, Sendable, Equatable {
        /// Its genes.
        public var arch: SubnetConfig
        /// Its timings in milliseconds, summarised.
        public var entry: LatencyEntry
    }

    /// What is known so far: what was known before, and the sizes that are done.
    public private(set) var table: LatencyTable
    /// The whole networks of the sizes that are done.
    public private(set) var wholes: [Whole] = []
    /// Entries measured, and entries that were known before.
    public private(set) var measuredEntries = 0, knownEntries = 0
    /// Timings of parts that were disturbed.
    public private(set) var outliers = 0

    private let resolutions: [Int]
    private let rounds, passes, wholeNetworks: Int
    private let seed: UInt64
    private var size = 0, round = 0
    /// Of the size in hand: the visits of the covering networks, and those of the whole ones.
    private var coverVisits: [TimedVisit] = [], wholeVisits: [TimedVisit] = []

    /// Passes of a network each time it is its turn.
    private static let passesATurn = 3
    /// Sets of covering networks, which take turns: every part is timed after two others at least.
    private static let designs = 2

    /// Plans to time every part of these resolutions that `known` lacks at least `repeats` times, and so many whole
    /// networks, drawn by `seed` over the resolutions.
    public init(
        resolutions: [Int], known: LatencyTable = LatencyTable(), repeats: Int, wholeNetworks: Int,
        seed: UInt64
    ) {
        table = known
        self.resolutions = resolutions
        passes = min(repeats, Self.passesATurn)
        rounds = (repeats + passes - 1) / passes
        self.wholeNetworks = wholeNetworks
        self.seed = seed
    }

    /// Whether everything is measured.
    public var isDone: Bool { size == resolutions.count }

    /// How much is measured, 0…1.
    public var fraction: Double {
        Double(size * rounds + round) / Double(max(1, resolutions.count * rounds))
    }

    /// Where it is, in words.
    public var place: String {
        isDone
            ? "\(measuredEntries) parts measured"
            : "size \(resolutions[size]) (\(size + 1)/\(resolutions.count)), round \(round + 1)/\(rounds)"
    }

    /// Measures one round.
    public mutating func step(_ space: SearchSpace, _ measurement: LatencyMeasurement) throws {
        guard !isDone else { return }
        let cover = try cover(space)
        let drawn = checked(space)
        if cover.isEmpty && drawn.isEmpty {
            round = rounds
        } else {
            try visit(cover, drawn, space, measurement)
            round += 1
        }
        if round == rounds { try finishSize(space, cover, drawn) }
    }

    /// Times the covering networks whose turn it is, and the whole ones, each between two timings of the smallest.
    private mutating func visit(
        _ cover: [NetworkShape], _ drawn: [SubnetConfig], _ space: SearchSpace,
        _ measurement: LatencyMeasurement
    ) throws {
        var smallest = space.smallest
        smallest.resolution = resolutions[size]
        let reference = measurement.reference(try NetworkShape(space, smallest))
        var before = reference.milliseconds()
        /// By the clock that the network was timed with.
        func visit(_ network: Int, _ shape: NetworkShape, _ passes: [[Double]]) -> TimedVisit {
            let after = reference.milliseconds()
            defer { before = after }
            let isWorked = measurement.countsProcessorTime(shape)
            return TimedVisit(
                network: network, passes: passes, before: isWorked ? before.worked : before.wall,
                after: isWorked ? after.worked : after.wall)
        }
        let each = cover.count / Self.designs
        let turn = round % Self.designs
        for place in turn * each..<(turn + 1) * each {
            let shape = cover[place]
            coverVisits.append(visit(place, shape, measurement.parts(shape, passes: passes)))
        }
        for (place, config) in drawn.enumerated() {
            let shape = try NetworkShape(space, config)
            wholeVisits.append(
                visit(place, shape, measurement.whole(shape, passes: passes).map { [$0] }))
        }
    }

    private mutating func finishSize(
        _ space: SearchSpace, _ cover: [NetworkShape], _ drawn: [SubnetConfig]
    ) throws {
        let resolution = resolutions[size]
        let missing = Set(try table.missingKeys(space, resolution: resolution))
        let pace = PacedTimings.pace(of: coverVisits + wholeVisits)
        func timings(_ visits: [TimedVisit], of network: Int) -> PacedTimings {
            PacedTimings(visits.filter { $0.network == network }, pace: pace)
        }
        var all: [LatencyKey: [Double]] = [:], counted = all
        var disturbed: [LatencyKey: Int] = [:]
        for (network, shape) in cover.enumerated() {
            let timings = timings(coverVisits, of: network)
            for (place, key) in shape.latencyKeys.enumerated() where missing.contains(key) {
                all[key, default: []] += timings.all.map { $0[place] }
                counted[key, default: []] += timings.counted.map { $0[place] }
                disturbed[key, default: 0] += timings.disturbed
            }
        }
        knownEntries += try LatencyKey.all(in: space, resolution: resolution).count - missing.count
        for (key, timings) in all {
            let entry = LatencyEntry(
                timings: timings, counted: counted[key, default: []],
                outliers: disturbed[key, default: 0])
            table[resolution, key] = entry
            measuredEntries += 1
            outliers += entry.spread?.outliers ?? 0
        }
        wholes += drawn.enumerated().map { network, arch in
            let timings = timings(wholeVisits, of: network)
            return Whole(
                arch: arch,
                entry: LatencyEntry(
                    timings: timings.all.map { $0[0] }, counted: timings.counted.map { $0[0] },
                    outliers: timings.disturbed))
        }
        (coverVisits, wholeVisits, round) = ([], [], 0)
        size += 1
    }

    /// The whole networks of the size in hand: every size has its share of them.
    private func checked(_ space: SearchSpace) -> [SubnetConfig] {
        stride(from: size, to: wholeNetworks, by: resolutions.count).map { number in
            var stream = RandomStream(seed: seed, number, 0, 0x71b)
            var config = space.sample(using: &stream)
            config.resolution = resolutions[size]
            return config
        }
    }

    /// Networks at full depth that have all missing parts, one set after the other: at every layer each missing choice
    /// once a set, in an order of its own. None where nothing is missing.
    private func cover(_ space: SearchSpace) throws -> [NetworkShape] {
        let resolution = resolutions[size]
        let missing = Set(try table.missingKeys(space, resolution: resolution))
        guard !missing.isEmpty else { return [] }
        let choices = space.kernelSizes.flatMap { kernel in
            space.expandRatios.map { (kernel, $0) }
        }
        var config = space.largest
        config.resolution = resolution
        var open = [[Int]](repeating: [], count: space.layerCount)
        for (number, choice) in choices.enumerated() {
            config.kernelSizes = config.kernelSizes.map { _ in choice.0 }
            config.expandRatios = config.expandRatios.map { _ in choice.1 }
            let blocks = try NetworkShape(space.uncoupled, config).blocks.dropFirst()
            for (layer, block) in blocks.enumerated()
            where missing.contains(LatencyKey(.block(block))) {
                open[layer].append(number)
            }
        }
        let count = max(1, open.map(\.count).max() ?? 1)
        return try (0..<Self.designs).flatMap { design in
            var stream = RandomStream(seed: seed, resolution, design, 0xC0F)
            let orders = open.map { open in
                stream.shuffled(open.isEmpty ? Array(choices.indices) : open)
            }
            return try (0..<count).map { number in
                for (layer, order) in orders.enumerated() {
                    let choice = choices[order[number % order.count]]
                    config.kernelSizes[layer] = choice.0
                    config.expandRatios[layer] = choice.1
                }
                return try NetworkShape(space.uncoupled, config)
            }
        }
    }
}

/// A measured table beside whole networks.
public struct LatencyCheck: Codable, Sendable, Equatable {
    /// One whole network.
    public struct Row: Codable, Sendable, Equatable {
        /// Its genes.
        public var arch: SubnetConfig
        /// The sum of its parts, the same corrected, and what it took, in milliseconds.
        public var tableMs, correctedMs, wholeMs: Double
    }

    /// Every network that was timed whole.
    public var rows: [Row]
    /// Mean and largest |table / whole - 1|.
    public var meanError, worstError: Double
    /// The correction fitted on all of them.
    public var correction: LatencyCorrection
    /// Mean |corrected / whole - 1| of networks that their correction was not fitted on.
    public var heldOutError: Double

    /// Compares a table with whole networks of `space`, and fits the correction.
    public init(_ table: LatencyTable, _ wholes: [LatencySurvey.Whole], _ space: SearchSpace)
        throws
    {
        let observations = try wholes.map { whole in
            let shape = try NetworkShape(space, whole.arch)
            return LatencyCorrection.Observation(
                tableMs: try table.latencyMs(shape), blocks: shape.blocks.count,
                wholeMs: whole.entry.mean)
        }
        let fitted = LatencyCorrection.fit(observations) {
            table.isPositive(with: $0, Set(wholes.map(\.arch.resolution)).sorted())
        }
        correction = fitted
        rows = zip(wholes, observations).map { whole, one in
            Row(
                arch: whole.arch, tableMs: one.tableMs,
                correctedMs: fitted.applied(one.tableMs, blocks: one.blocks), wholeMs: one.wholeMs)
        }
        let errors = observations.map { abs($0.tableMs / $0.wholeMs - 1) }
        meanError = errors.reduce(0, +) / Double(max(1, errors.count))
        worstError = errors.max() ?? 0
        heldOutError = LatencyCorrection.heldOutError(observations)
    }
}

// Measures a latency table of this machine in rounds that can be interrupted, one image size after the other. A round
// times every part that the table lacks at that size, inside networks drawn so that together they contain all of these
// parts; then it times the networks that the table is checked against. Rounds are repeated, so that fluctuations of the
// machine's speed affect all entries of a size alike. A reference network, timed between any two networks, shows the
// machine's speed (PacedTimings.swift). Disturbed and extreme passes are dropped, each with the times of all its parts.
// The same rule holds for networks that are timed as a whole, so sums of parts are comparable with times of networks.

import Networks
import Tensors

/// The state of a survey, stored as JSON so that an interrupted survey can be continued.
public struct LatencySurvey: Codable, Sendable {
    /// A network that was timed as a whole.
    public struct Whole: Codable, Sendable, Equatable {
        /// The network's genes.
        public var arch: SubnetConfig
        /// The summary of the network's timings, in milliseconds.
        public var entry: LatencyEntry
    }

    /// The entries given at the start, and the entries measured at image sizes whose survey is complete.
    public private(set) var table: LatencyTable
    /// The networks timed as a whole at image sizes whose survey is complete.
    public private(set) var wholes: [Whole] = []
    /// The number of entries that were measured, and the number of those that the survey needs and that were given at
    /// the start; both count only image sizes whose survey is complete.
    public private(set) var measuredEntries = 0, knownEntries = 0
    /// Number of disturbed timings of parts.
    public private(set) var outliers = 0

    /// What was timed: the method and the number of threads of the measurement.
    private let method: String
    private let threads: Int
    private let resolutions: [Int]
    private let rounds, passes, wholeNetworks: Int
    private let seed: UInt64
    private var size = 0, round = 0
    /// The visits at the current image size: of networks timed part by part, and of networks timed as a whole.
    private var coverVisits: [TimedVisit] = [], wholeVisits: [TimedVisit] = []

    /// The most passes asked for in one visit of a network; `LatencyMeasurement` makes more if passes are short.
    private static let passesATurn = 3
    /// The number of sets of networks. The networks of each set together contain all missing parts. The sets are used
    /// in turn, so that the part that runs just before a timed part is not always the same.
    private static let designs = 2

    /// Plans to time every part that `known` lacks at `resolutions`, at least `repeats` times, on `threads` threads. Also
    /// plans to time `wholeNetworks` whole networks to check the table against, drawn by `seed` and spread over
    /// `resolutions`.
    public init(
        resolutions: [Int], known: LatencyTable = LatencyTable(), repeats: Int, wholeNetworks: Int,
        seed: UInt64, threads: Int = 1
    ) {
        method = LatencyMeasurement.method
        self.threads = threads
        table = known
        self.resolutions = resolutions
        passes = min(repeats, Self.passesATurn)
        rounds = (repeats + passes - 1) / passes
        self.wholeNetworks = wholeNetworks
        self.seed = seed
    }

    /// Whether `measurement` times what was timed so far, so that it may continue this survey.
    public func isContinued(by measurement: LatencyMeasurement) -> Bool {
        method == LatencyMeasurement.method && threads == measurement.threads
    }

    /// Whether everything is measured.
    public var isDone: Bool { size == resolutions.count }

    /// The measured share of the survey, 0…1.
    public var fraction: Double {
        Double(size * rounds + round) / Double(max(1, resolutions.count * rounds))
    }

    /// The progress in words.
    public var place: String {
        isDone
            ? "\(measuredEntries) parts measured"
            : "size \(resolutions[size]) (\(size + 1)/\(resolutions.count)), round \(round + 1)/\(rounds)"
    }

    /// Measures one round of the current image size; returns at once if the survey is done.
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

    /// Times one set of networks that together contain all missing parts, and the networks that the table is checked
    /// against. Each network is timed between two timings of the smallest network, which is the reference.
    private mutating func visit(
        _ cover: [NetworkShape], _ drawn: [SubnetConfig], _ space: SearchSpace,
        _ measurement: LatencyMeasurement
    ) throws {
        var smallest = space.smallest
        smallest.resolution = resolutions[size]
        let reference = measurement.reference(try NetworkShape(space, smallest))
        var before = reference.milliseconds()
        /// Records a visit. The reference network's times are by the clock (wall or CPU) that times the visited
        /// network.
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

    /// Draws the networks that are timed as a whole at the current image size; the `wholeNetworks` of the survey are
    /// spread evenly over the image sizes.
    private func checked(_ space: SearchSpace) -> [SubnetConfig] {
        stride(from: size, to: wholeNetworks, by: resolutions.count).map { number in
            Self.whole(number, of: space, resolution: resolutions[size], seed: seed)
        }
    }

    /// Returns the random network with the number `number` among those against which a table is checked.
    static func whole(
        _ number: Int, of space: SearchSpace, resolution: Int, seed: UInt64
    ) -> SubnetConfig {
        var stream = RandomStream(seed: seed, number, 0, 0x71b)
        var config = space.sample(using: &stream)
        config.resolution = resolution
        return config
    }

    /// Returns `designs` sets of networks at full depth, one set after the other. The networks of one set together
    /// contain all parts without an entry: every layer takes each of its missing choices in a random order, and the
    /// width genes take values that cover every state of every part (`NetworkParts.state`). The result is empty if the
    /// table lacks no part.
    private func cover(_ space: SearchSpace) throws -> [NetworkShape] {
        let resolution = resolutions[size], space = space.uncoupled
        let missing = Set(try table.missingKeys(space, resolution: resolution))
        guard !missing.isEmpty else { return [] }
        let parts = try NetworkParts(space), allWidths = parts.widthCover()
        var isMissing = [Bool](repeating: false, count: parts.entryCount)
        try parts.forEachEntry(resolution) { entry, placed in
            isMissing[entry] = missing.contains(LatencyKey(placed.map(\.layer)))
        }
        var config = space.largest
        config.resolution = resolution
        return try (0..<Self.designs).flatMap { design in
            var stream = RandomStream(seed: seed, resolution, design, 0xC0F)
            return try allWidths.flatMap { widths in
                config.widths = widths
                var open: [(layer: Int, choices: [Int], all: Int)] = []
                var count = 0
                for part in parts.parts {
                    let first = part.first + parts.state(part) { widths[$0] } * part.choices
                    let choices = (0..<part.choices).filter { isMissing[first + $0] }
                    count = max(count, choices.count)
                    if let layer = part.layer { open.append((layer, choices, part.choices)) }
                }
                let orders = open.map { layer, choices, all in
                    (layer, stream.shuffled(choices.isEmpty ? Array(0..<all) : choices))
                }
                return try (0..<count).map { number in
                    for (layer, order) in orders {
                        space.stages[space.stage(of: layer)].set(
                            order[number % order.count], of: layer, in: &config)
                    }
                    return try NetworkShape(space, config)
                }
            }
        }
    }
}

/// A measured table compared with whole networks.
public struct LatencyCheck: Codable, Sendable, Equatable {
    /// A network that was timed as a whole.
    public struct Row: Codable, Sendable, Equatable {
        /// The network's genes.
        public var arch: SubnetConfig
        /// The sum of the table's entries for the network, the corrected sum, and the measured latency, in
        /// milliseconds.
        public var tableMs, correctedMs, wholeMs: Double
    }

    /// All networks that were timed as a whole.
    public var rows: [Row]
    /// The mean and the largest |sum of entries / measured latency - 1|, uncorrected.
    public var meanError, worstError: Double
    /// The correction fitted on all networks of `rows`.
    public var correction: LatencyCorrection
    /// The mean of |corrected sum / measured latency - 1| in cross-validation.
    public var heldOutError: Double

    /// Compares `table` with `wholes`, networks of `space`, and fits the correction. Errors: `missingLatency` for a
    /// part that the table lacks.
    public init(_ table: LatencyTable, _ wholes: [LatencySurvey.Whole], _ space: SearchSpace)
        throws
    {
        let observations = try wholes.map { whole in
            let shape = try NetworkShape(space, whole.arch)
            return LatencyCorrection.Observation(
                tableMs: try table.latencyMs(shape),
                blocks: shape.layers.count { $0.blockNumber != nil },
                wholeMs: whole.entry.mean)
        }
        let roles = try Dictionary(
            uniqueKeysWithValues: Set(wholes.map(\.arch.resolution)).map {
                ($0, try PartRoles(space, resolution: $0))
            })
        let fitted = LatencyCorrection.fit(observations) { table.isPositive(with: $0, roles) }
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

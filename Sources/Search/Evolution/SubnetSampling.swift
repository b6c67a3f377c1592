// Chooses networks to measure: first a stratified sample of the space, then networks whose predicted accuracies are
// uncertain and that may be near the Pareto front.
import Networks
import Tensors

/// Chooses networks to measure.
public enum SubnetSampling {
    /// Number of random candidates per network to be chosen.
    private static let pool = 20
    /// `stratified` enumerates spaces of up to this many networks, or of up to twice the number of networks to choose.
    private static let listable = 20_000

    /// Returns `count` different networks, spread over the combinations of image size and MACs. The first networks are
    /// the space's largest and smallest network, each at the lowest and at the highest image size. The other networks
    /// follow, with alternating image sizes.
    ///
    /// Each of the other networks is chosen by a quantile: 20 random networks of the image size are sorted by MACs, and
    /// the network at the quantile is taken. Sizes and quantiles follow low-discrepancy sequences, so every prefix of
    /// the result is spread as evenly as the whole result. In a space of few networks, all networks of the size that
    /// were not yet chosen are sorted instead. The result has fewer than `count` networks if the space has no more.
    public static func stratified(_ space: SearchSpace, count: Int, seed: UInt64) throws
        -> [SubnetConfig]
    {
        var candidates = try Candidates(space, count: count, seed: seed)
        var chosen: [SubnetConfig] = []
        for size in Set([space.resolutions.first, space.resolutions.last].compactMap(\.self))
            .sorted()
        {
            for var end in [space.largest, space.smallest] {
                end.resolution = size
                if candidates.take(end) { chosen.append(end) }
            }
        }
        // The image sizes are ordered so that every prefix of the order is spread over the whole range.
        let sizes = space.resolutions.indices.sorted {
            (radicalInverse($0), $0) < (radicalInverse($1), $1)
        }
        var turn = 0, turnsInVain = 0
        while chosen.count < count && turnsInVain < sizes.count {
            let place = turn % sizes.count, cycle = turn / sizes.count
            // Within an image size, each new quantile bisects a gap between earlier quantiles. From size to size,
            // quantiles are offset by the golden ratio, which spreads them most evenly.
            let wanted = radicalInverse(cycle) + Double(place + 1) * goldenRatio
            let next = try candidates.next(
                at: space.resolutions[sizes[place]], place: wanted - wanted.rounded(.down))
            turn += 1
            turnsInVain = next == nil ? turnsInVain + 1 : 0
            if let next { chosen.append(next) }
        }
        return Array(chosen.prefix(count))
    }

    private static let goldenRatio = (5.0.squareRoot() - 1) / 2

    /// Returns the bits of `index` mirrored at the binary point: 0, 1/2, 1/4, 3/4, 1/8, … (van der Corput, 1935).
    private static func radicalInverse(_ index: Int) -> Double {
        var rest = index, digit = 0.5, sum = 0.0
        while rest > 0 {
            if rest & 1 == 1 { sum += digit }
            rest >>= 1
            digit /= 2
        }
        return sum
    }

    /// The networks that may still be chosen, by image size.
    private struct Candidates {
        private let space: SearchSpace
        private var stream: RandomStream
        private var seen: Set<SubnetConfig> = []
        /// By image size, all networks that were not yet chosen, ascending by MACs; nil if the space is not enumerated.
        private var listed: [Int: [SubnetConfig]]?

        init(_ space: SearchSpace, count: Int, seed: UInt64) throws {
            self.space = space
            stream = RandomStream(seed: seed, 0, 0, 0x5a3b)
            guard space.networkCount <= UInt128(max(2 * count, listable)) else { return }
            let layout = try GeneLayout(space)
            var all: [Int: [SubnetConfig]] = [:]
            layout.forEachNetwork {
                let config = layout.config($0)
                all[config.resolution, default: []].append(config)
            }
            listed = try all.mapValues { try SubnetSampling.byMACs($0, space) }
        }

        /// Marks a network as chosen; returns false if the network was chosen before.
        mutating func take(_ config: SubnetConfig) -> Bool {
            listed?[config.resolution]?.removeAll { $0 == config }
            return seen.insert(config).inserted
        }

        /// Returns a new network of image size `size` at the quantile `place` (0..<1) by MACs, and marks the network as
        /// chosen; nil if no new network is found.
        mutating func next(at size: Int, place: Double) throws -> SubnetConfig? {
            let candidates = try listed?[size] ?? draw(at: size)
            guard !candidates.isEmpty else { return nil }
            let index = min(candidates.count - 1, Int(place * Double(candidates.count)))
            let config = candidates[index]
            listed?[size]?.remove(at: index)
            seen.insert(config)
            return config
        }

        /// Draws new random networks of image size `size`; returns them ascending by MACs.
        private mutating func draw(at size: Int) throws -> [SubnetConfig] {
            var drawn: Set<SubnetConfig> = [], order: [SubnetConfig] = []
            for _ in 0..<pool {
                var config = space.sample(using: &stream)
                config.resolution = size
                if !seen.contains(config) && drawn.insert(config).inserted { order.append(config) }
            }
            return try SubnetSampling.byMACs(order, space)
        }
    }

    /// Returns `configs`, networks of `space`, ascending by MACs.
    private static func byMACs(_ configs: [SubnetConfig], _ space: SearchSpace) throws
        -> [SubnetConfig]
    {
        try configs.map { (macs: try NetworkCost(space, $0).macs, config: $0) }
            .enumerated().sorted { ($0.element.macs, $0.offset) < ($1.element.macs, $1.offset) }
            .map(\.element.config)
    }

    /// Returns the next `count` networks to measure after `measured`. Candidates are random networks and children of
    /// the best measured networks. A candidate's value is its predicted accuracy plus its uncertainty (0 if the
    /// predictor has none), minus the best measured accuracy at no more MACs. The range of MACs is divided into `count`
    /// intervals: the most valuable candidate of each interval comes first, then the most valuable other candidates.
    /// The same arguments give the same networks.
    public static func next(
        _ count: Int, after measured: [AccuracySample], predictor: AccuracyPredictor,
        space: SearchSpace, seed: UInt64
    ) throws -> [SubnetConfig] {
        var space = space
        space.resolutions = space.resolutions.filter(predictor.fittedResolutions.contains)
        try predictor.checkSearch(space)
        let layout = try GeneLayout(space)
        return try choose(
            count, from: try candidates(count * pool, measured, layout, seed), after: measured,
            predictor: predictor, space: space)
    }

    /// Returns the `count` networks of `candidates` that `next` would choose.
    public static func choose(
        _ count: Int, from candidates: [SubnetConfig], after measured: [AccuracySample],
        predictor: AccuracyPredictor, space: SearchSpace
    ) throws -> [SubnetConfig] {
        let predicted = try predictor.unlimited(candidates)
        let deviations = try predictor.uncertainties(candidates)
        var known = try measured.map {
            (macs: Double(try NetworkCost(space.uncoupled, $0.config).macs), accuracy: $0.accuracy)
        }
        known.sort { $0.macs < $1.macs }
        var rated: [(worth: Double, macs: Double, config: SubnetConfig)] = []
        for (place, config) in candidates.enumerated() {
            let macs = Double(try NetworkCost(space.uncoupled, config).macs)
            let front = known.prefix { $0.macs <= macs }.map(\.accuracy).max() ?? 0
            let hope = predicted[place] + (deviations?[place] ?? 0)
            rated.append((hope - front, macs, config))
        }
        return stratified(rated, count)
    }

    /// Returns up to `count` distinct candidates that are not yet measured: random networks and children of the best
    /// measured networks.
    private static func candidates(
        _ count: Int, _ measured: [AccuracySample], _ layout: GeneLayout, _ seed: UInt64
    ) throws -> [SubnetConfig] {
        let sizes = 0...layout.space.resolutions.count - 1
        let inside = measured.filter { layout.space.resolutions.contains($0.config.resolution) }
        let best = inside.sorted { $0.accuracy > $1.accuracy }.prefix(max(4, inside.count / 4))
        let parents = try best.map { try layout.genes($0.config) }
        var seen = Set(try inside.map { layout.key(try layout.genes($0.config)) })
        var variation = GeneVariation(layout, seed: seed)
        var options = EvolutionarySearch.Options()
        // Children are to come from all parents, not only from the best few.
        options.nextParent = 0.9
        var made: [SubnetConfig] = []
        for turn in 0..<count * 4 where made.count < count {
            let genes =
                turn % 2 == 0 || parents.isEmpty
                ? variation.fresh(sizes) : variation.child(parents, sizes, options)
            if seen.insert(layout.key(genes)).inserted { made.append(layout.config(genes)) }
        }
        return made
    }

    /// Returns `count` candidates: the most valuable in each of `count` intervals of the range of MACs, then the most
    /// valuable other candidates.
    private static func stratified(
        _ rated: [(worth: Double, macs: Double, config: SubnetConfig)], _ count: Int
    ) -> [SubnetConfig] {
        let order = rated.indices.sorted { (rated[$0].worth, $1) > (rated[$1].worth, $0) }
        let low = rated.map(\.macs).min() ?? 0, high = rated.map(\.macs).max() ?? 0
        func part(_ place: Int) -> Int {
            high > low
                ? min(count - 1, Int(Double(count) * (rated[place].macs - low) / (high - low))) : 0
        }
        var filled: Set<Int> = []
        let first = order.filter { filled.insert(part($0)).inserted }
        let chosen = Set(first)
        return (first + order.filter { !chosen.contains($0) }).prefix(count).map {
            rated[$0].config
        }
    }
}

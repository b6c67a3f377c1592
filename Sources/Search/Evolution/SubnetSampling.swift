// Which networks to measure: first a stratified sample of the space, then those that inform most:
// where the predictor is uncertain and the network may be near the front.
import Networks
import Tensors

/// Chooses networks to measure.
public enum SubnetSampling {
    /// Random candidates per network chosen.
    private static let pool = 20
    /// Spaces up to this size are enumerated.
    private static let listable = 20_000

    /// Different networks spread over image sizes and MACs together: first the largest and the smallest at the lowest
    /// and the highest size, then one at each size in turn.
    ///
    /// Each is taken at a given quantile of many random networks of its size, by MACs. Sizes and
    /// quantiles follow low-discrepancy sequences, so that every prefix is as well spread as the
    /// whole, and a longer list begins with the shorter one. At a size with few networks the
    /// quantiles are over all that are left. Fewer than `count` only if the space has no more.
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
        // The sizes in an order whose every prefix is spread over all of them.
        let sizes = space.resolutions.indices.sorted {
            (radicalInverse($0), $0) < (radicalInverse($1), $1)
        }
        var turn = 0, turnsInVain = 0
        while chosen.count < count && turnsInVain < sizes.count {
            let place = turn % sizes.count, cycle = turn / sizes.count
            // Within a size the quantiles bisect the range repeatedly; consecutive sizes are offset
            // by the golden ratio, which leaves the smallest gaps.
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

    /// The bits of `index` mirrored at the binary point: 0, 1/2, 1/4, 3/4, 1/8, … (van der Corput, 1935).
    private static func radicalInverse(_ index: Int) -> Double {
        var rest = index, digit = 0.5, sum = 0.0
        while rest > 0 {
            if rest & 1 == 1 { sum += digit }
            rest >>= 1
            digit /= 2
        }
        return sum
    }

    /// The networks that may still be chosen, size by size.
    private struct Candidates {
        private let space: SearchSpace
        private var stream: RandomStream
        private var seen: Set<SubnetConfig> = []
        /// By size, all networks by MACs, if they are few enough to enumerate.
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

        /// Marks a network as chosen; false if it was already.
        mutating func take(_ config: SubnetConfig) -> Bool {
            listed?[config.resolution]?.removeAll { $0 == config }
            return seen.insert(config).inserted
        }

        /// A new network of this size at the quantile `place` (0..<1) by MACs; nil if none is left.
        mutating func next(at size: Int, place: Double) throws -> SubnetConfig? {
            let candidates = try listed?[size] ?? draw(at: size)
            guard !candidates.isEmpty else { return nil }
            let index = min(candidates.count - 1, Int(place * Double(candidates.count)))
            let config = candidates[index]
            listed?[size]?.remove(at: index)
            seen.insert(config)
            return config
        }

        /// New random networks of a size, by MACs.
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

    /// Networks from few MACs to many.
    private static func byMACs(_ configs: [SubnetConfig], _ space: SearchSpace) throws
        -> [SubnetConfig]
    {
        try configs.map { (macs: try NetworkCost(space, $0).macs, config: $0) }
            .enumerated().sorted { ($0.element.macs, $0.offset) < ($1.element.macs, $1.offset) }
            .map(\.element.config)
    }

    /// The next `count` networks to measure, given those measured: the candidates with the largest
    /// upper confidence bound relative to the front of accuracy over MACs. Candidates are random
    /// networks and mutations of the best measured. A candidate's value is its predicted accuracy
    /// plus its uncertainty, minus the best measured accuracy at no more MACs; each part of the
    /// range of MACs is served. A predictor without uncertainties chooses by accuracy alone. Pure:
    /// the same arguments give the same networks.
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

    /// The `count` of these candidates that `next` would choose.
    public static func choose(
        _ count: Int, from candidates: [SubnetConfig], after measured: [AccuracySample],
        predictor: AccuracyPredictor, space: SearchSpace
    ) throws -> [SubnetConfig] {
        let predicted = try predictor.predict(candidates)
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
        return spread(rated, count)
    }

    /// Random networks and mutations of the best measured, distinct and not yet measured.
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
        // Choose among all parents, not only the best few.
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

    /// The most valuable candidate in each of `count` parts of the range of MACs, then the most
    /// valuable of the rest.
    private static func spread(
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

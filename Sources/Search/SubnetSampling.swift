// Which networks to measure: at first spread over everything a search may ask about, then where another measurement
// tells most: where the predictor is unsure and the network would matter.
import Networks
import Tensors

/// Chooses networks to measure.
public enum SubnetSampling {
    /// Networks drawn for one that is chosen.
    private static let pool = 20

    /// Different networks, one from each of `count` equal parts of many random ones sorted by MACs; with the largest
    /// and the smallest at every resolution, so that a predictor is never asked beyond what it saw.
    public static func stratified(_ space: SearchSpace, count: Int, seed: UInt64) throws
        -> [SubnetConfig]
    {
        var stream = RandomStream(seed: seed, 0, 0, 0x5a3b)
        var seen: Set<SubnetConfig> = []
        var ends: [SubnetConfig] = []
        for resolution in space.resolutions {
            for var end in [space.largest, space.smallest] {
                end.resolution = resolution
                if seen.insert(end).inserted { ends.append(end) }
            }
        }
        let wanted = max(count - ends.count, 0)
        var drawn: [(macs: Int, config: SubnetConfig)] = []
        for _ in 0..<wanted * pool {
            let config = space.sample(using: &stream)
            if seen.insert(config).inserted {
                drawn.append((try NetworkCost(space, config).macs, config))
            }
        }
        drawn.sort { $0.macs < $1.macs }
        let parts = min(wanted, drawn.count)
        let picked = (0..<parts).map { drawn[drawn.count * (2 * $0 + 1) / (2 * parts)].config }
        return Array((ends + picked).prefix(count))
    }

    /// The next `count` networks to measure, given what is measured: of many candidates those with the largest
    /// uncertainty among the ones that may be near the front of accuracy over MACs.
    ///
    /// Candidates are random networks and changed ones of the best measured. A candidate's worth is its predicted
    /// accuracy plus its uncertainty, over the best measured accuracy at no more MACs; each part of the range of MACs
    /// gets its turn. A predictor that states no uncertainty chooses by its accuracy alone. Pure: the same arguments
    /// give the same networks.
    public static func next(
        _ count: Int, after measured: [AccuracySample], predictor: AccuracyPredictor,
        space: SearchSpace, seed: UInt64
    ) throws -> [SubnetConfig] {
        var space = space
        space.resolutions = space.resolutions.filter(predictor.fittedResolutions.contains)
        try predictor.checkDomain(space: space, resolutions: space.resolutions)
        let layout = try GeneLayout(space)
        return try choose(
            count, from: try candidates(count * pool, measured, layout, seed), after: measured,
            predictor: predictor, space: space)
    }

    /// Of these candidates the `count` that `next` would measure.
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

    /// Random networks and changed ones of the best measured, none of them measured, none twice.
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
        // Of all parents, not of the best few.
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

    /// The worthiest of every of `count` parts of the range of MACs, then the worthiest of the rest.
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

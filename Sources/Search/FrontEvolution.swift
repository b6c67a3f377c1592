// The evolution of a front: at every level of the cost a small population, as a search under that limit has it
// (Evolution.swift), children also of the levels beside it, and every climb proposes networks for the costs below its
// limit too. What one level missed its neighbours hand on. NSGA-II (Deb et al., 2002) spreads one population over the
// front by crowding; here no part is lost to another.
import Foundation
import Networks

/// The evolution of a front.
struct FrontEvolution {
    /// Levels of the cost, evenly spaced in its logarithm.
    private static let levels = 60
    /// Levels on either side from which a level takes parents.
    private static let reach = 3
    /// Networks that a level keeps.
    private static let population = 12
    /// Lower costs that every climb proposes networks for.
    private static let spread = 8

    private let layout: GeneLayout
    private let limits: LimitCosts
    private let anchor: Genes
    private let options: EvolutionarySearch.Options
    private var variation: GeneVariation
    private var climb: Climb
    private var bounds: [Double] = []
    private var populations: [Population] = []
    private var archive = FrontArchive()
    private var outcome = Evolution.Outcome()

    /// Prepares an evolution over the first quantity of `limits`; `anchor` meets the others.
    init(
        _ layout: GeneLayout, _ limits: LimitCosts, anchor: Genes,
        _ options: EvolutionarySearch.Options, _ score: @escaping GeneScore
    ) throws {
        self.layout = layout
        self.limits = limits
        self.anchor = anchor
        self.options = options
        variation = GeneVariation(layout, seed: options.seed)
        climb = try Climb(layout, most: options.frontEvaluations, score)
    }

    private var sizes: ClosedRange<Int> { 0...layout.space.resolutions.count - 1 }

    /// Breeds level after level until the evaluations are used up or sweep after sweep brings nothing new; `progress`
    /// is told the share of the evaluations that are used up, and ends the evolution by an error.
    mutating func run(progress: (Double) throws -> Void) throws -> (FrontArchive, Evolution.Outcome)
    {
        layLevels()
        try sweep { state, _, limits in
            var genes = state.variation.fresh(state.sizes)
            return state.variation.repair(&genes, limits, state.sizes) ? genes : nil
        }
        try progress(share)
        var idle = 0
        while climb.scored.left > 0 && idle < 3 {
            let before = climb.scored.count
            try sweep { state, level, limits in state.child(level, limits) }
            outcome.generations += 1
            try progress(share)
            idle = climb.scored.count == before ? idle + 1 : 0
        }
        outcome.evaluations = climb.scored.count
        return (archive, outcome)
    }

    /// The share of the evaluations that are used up.
    private var share: Double {
        Double(climb.scored.count) / Double(options.frontEvaluations)
    }

    /// Lays the levels from the cheapest of some extreme networks to the dearest.
    private mutating func layLevels() {
        var networks = [anchor]
        for size in sizes {
            for extreme in [layout.levels.map { UInt8($0 - 1) }, layout.levels.map { _ in 0 }] {
                var genes = extreme
                genes[layout.resolutionGene] = UInt8(size)
                layout.settle(&genes)
                if variation.repair(&genes, limits, size...size) { networks.append(genes) }
            }
        }
        let costs = networks.map { limits.value(0, $0) }
        let low = max(costs.min() ?? 1, 1e-12), high = max(costs.max() ?? 1, low)
        bounds = (0..<Self.levels).map {
            // The bounds a little higher, so that rounding does not exclude the dearest.
            low * pow(high / low, Double($0) / Double(Self.levels - 1)) * (1 + 1e-9)
        }
        populations = Array(repeating: Population(), count: Self.levels)
    }

    /// Climbs once at every level, from what `start` gives.
    private mutating func sweep(
        _ start: (inout FrontEvolution, Int, LimitCosts) -> Genes?
    ) throws {
        // Every other sweep the other way, so that what is found goes up and down.
        let order = outcome.generations % 2 == 0 ? Array(bounds.indices) : bounds.indices.reversed()
        for level in order where climb.scored.left > 0 {
            // Anywhere up to the level's bound, so that the front is dense between the bounds too.
            let below = level > 0 ? bounds[level - 1] : bounds[level]
            let share = Double(1 + variation.random.place(below: 1024)) / 1024
            let limits = limits.limiting(0, to: below + (bounds[level] - below) * share)
            guard let genes = start(&self, level, limits) else { continue }
            let all = self.limits
            var archive = archive
            self.archive = FrontArchive()
            let member = try climb.climb(
                from: genes, limits, sizes, spread: Self.spread, &variation.random
            ) { genes, score in
                if all.areMet(genes) {
                    archive.add(genes, cost: all.value(0, genes), score: score)
                }
            }
            self.archive = archive
            if let member { admit(member, below: level) }
        }
    }

    /// Lets a network into the populations of its level and of those above that it is good enough for.
    private mutating func admit(_ member: Climb.Member, below level: Int) {
        let cost = limits.value(0, member.genes)
        var lowest = level
        while lowest > 0 && bounds[lowest - 1] >= cost { lowest -= 1 }
        for level in lowest..<bounds.count {
            if !populations[level].admit(member, most: Self.population, layout) { break }
        }
    }

    private mutating func child(_ level: Int, _ limits: LimitCosts) -> Genes? {
        // One of the levels near first, best first, then all of them.
        let near = (level - Self.reach..<level + Self.reach + 1).clamped(to: bounds.indices)
        let one = near.lowerBound + variation.random.place(below: near.count)
        let parents = ([one] + near).flatMap { populations[$0].members.map(\.genes) }
        if parents.isEmpty { return nil }
        var genes = variation.child(parents, sizes, options)
        return variation.repair(&genes, limits, sizes) ? genes : nil
    }
}

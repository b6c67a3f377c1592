// The evolution of a Pareto front. The cost axis is divided into levels. Each level has a small population of its own,
// like a search under one limit (Evolution.swift). Levels exchange networks: parents also come from neighbouring
// levels, and every climb also proposes networks below its level's limit. NSGA-II (Deb et al., 2002) keeps one
// population and a crowding distance instead; with a population per level, no part of the front is crowded out.
import Foundation
import Networks

/// The evolution of a front.
struct FrontEvolution {
    /// Number of levels of the cost, evenly spaced in the cost's logarithm.
    private static let levels = 60
    /// Parents come from up to this many levels on either side.
    private static let reach = 3
    /// Population size of a level.
    private static let population = 12
    /// Number of cost ranges below a climb's limit in which the climb also proposes networks.
    private static let lowerCosts = 8

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

    /// Prepares the evolution of the front whose cost axis is the first quantity of `limits`; `anchor` must meet the
    /// limits of the other quantities.
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

    /// Sweeps over the levels until the evaluations are used up or three sweeps in a row score no new network; returns
    /// the front. `progress` gets the used share of the evaluations and cancels by throwing.
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

    /// The used share of the evaluations, 0…1.
    private var share: Double {
        Double(climb.scored.count) / Double(options.frontEvaluations)
    }

    /// Places the levels between the lowest and the highest cost of `anchor` and of the largest and smallest network at
    /// each resolution, repaired to meet the limits.
    private mutating func layLevels() {
        var networks = [anchor]
        for size in sizes {
            for extreme in [layout.levels.map { UInt8($0 - 1) }, layout.levels.map { _ in 0 }] {
                var genes = extreme
                genes[layout.resolutionGene] = UInt8(size)
                layout.applyCoupling(&genes)
                if variation.repair(&genes, limits, size...size) { networks.append(genes) }
            }
        }
        let costs = networks.map { limits.value(0, $0) }
        let low = max(costs.min() ?? 1, 1e-12), high = max(costs.max() ?? 1, low)
        bounds = (0..<Self.levels).map {
            // The bounds are slightly higher, so that rounding does not exclude the most expensive network.
            low * pow(high / low, Double($0) / Double(Self.levels - 1)) * (1 + 1e-9)
        }
        populations = Array(repeating: Population(), count: Self.levels)
    }

    /// Climbs once at every level for which `start` returns a network, while evaluations are left.
    private mutating func sweep(
        _ start: (inout FrontEvolution, Int, LimitCosts) -> Genes?
    ) throws {
        // Sweeps alternate direction, so that improvements spread to cheaper and to more expensive levels.
        let order = outcome.generations % 2 == 0 ? Array(bounds.indices) : bounds.indices.reversed()
        for level in order where climb.scored.left > 0 {
            // The limit is random between the bound of the level below and this level's bound, so that the front is
            // dense between bounds.
            let below = level > 0 ? bounds[level - 1] : bounds[level]
            let share = Double(1 + variation.random.place(below: 1024)) / 1024
            let limits = limits.limiting(0, to: below + (bounds[level] - below) * share)
            guard let genes = start(&self, level, limits) else { continue }
            let all = self.limits
            var archive = archive
            self.archive = FrontArchive()
            let member = try climb.climb(
                from: genes, limits, sizes, lowerCosts: Self.lowerCosts, &variation.random
            ) { genes, score in
                if all.areMet(genes) {
                    archive.add(genes, cost: all.value(0, genes), score: score)
                }
            }
            self.archive = archive
            if let member { admit(member, below: level) }
        }
    }

    /// Offers a network to the levels whose bound the network meets, the lowest level first, until a level does not
    /// admit the network.
    private mutating func admit(_ member: Climb.Member, below level: Int) {
        let cost = limits.value(0, member.genes)
        var lowest = level
        while lowest > 0 && bounds[lowest - 1] >= cost { lowest -= 1 }
        for level in lowest..<bounds.count {
            if !populations[level].admit(member, most: Self.population, layout) { break }
        }
    }

    private mutating func child(_ level: Int, _ limits: LimitCosts) -> Genes? {
        // The members of one random level near `level` come first, because a child prefers the first parents; then come
        // the members of all levels near `level`.
        let near = (level - Self.reach..<level + Self.reach + 1).clamped(to: bounds.indices)
        let one = near.lowerBound + variation.random.place(below: near.count)
        let parents = ([one] + near).flatMap { populations[$0].members.map(\.genes) }
        if parents.isEmpty { return nil }
        var genes = variation.child(parents, sizes, options)
        return variation.repair(&genes, limits, sizes) ? genes : nil
    }
}

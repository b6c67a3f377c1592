// The evolution of a search under fixed limits, a memetic algorithm (Moscato, 1989): a small population holds local
// optima (Climb.swift), and children of these networks climb as well. No network is scored twice.
import Networks

/// The state of one evolution.
struct Evolution {
    /// A network with its score.
    typealias Member = Climb.Member

    /// The result of an evolution.
    struct Outcome {
        var best: Member?
        var evaluations = 0
        var generations = 0
    }

    /// The largest number of attempts to draw one child that meets the limits.
    private static let attempts = 20

    private let layout: GeneLayout
    private let limits: LimitCosts
    private let anchor: Genes
    private let options: EvolutionarySearch.Options
    private var variation: GeneVariation
    private var climb: Climb
    private var population = Population()
    private var outcome = Outcome()

    /// Prepares an evolution; `anchor`, one of the initial networks, must meet the limits.
    init(
        _ layout: GeneLayout, _ limits: LimitCosts, anchor: Genes,
        _ options: EvolutionarySearch.Options, _ score: @escaping GeneScore
    ) throws {
        self.layout = layout
        self.limits = limits
        self.anchor = anchor
        self.options = options
        variation = GeneVariation(layout, seed: options.seed)
        climb = try Climb(layout, most: options.evaluations, score)
    }

    /// Runs the evolution until `generations`, `patience` or `evaluations` of the options is used up.
    mutating func run() throws -> Outcome {
        for start in try starts() { try raise(start) }
        var last = climb.scored.count
        while outcome.generations < options.generations && climb.scored.left > 0
            && climb.scored.count - last <= options.patience
        {
            let before = outcome.best?.score ?? -.infinity
            if let child = child() { try raise(child) }
            outcome.generations += 1
            if (outcome.best?.score ?? -.infinity) > before { last = climb.scored.count }
        }
        outcome.evaluations = climb.scored.count
        return outcome
    }

    /// Returns the initial networks: `anchor`, and for every group of resolutions the best of up to `options.draws`
    /// random networks.
    private mutating func starts() throws -> [Genes] {
        var starts = [anchor]
        let all = layout.space.resolutions.count, groups = min(options.population, all)
        for group in 0..<groups {
            let resolutions = all * group / groups...all * (group + 1) / groups - 1
            var drawn: [Genes] = []
            for _ in 0..<options.draws {
                var genes = variation.fresh(resolutions)
                if variation.repair(&genes, limits, resolutions) {
                    drawn.append(genes)
                } else if drawn.isEmpty {
                    // If the first draw cannot be repaired to meet the limits, this group of resolutions gets no
                    // initial network.
                    break
                }
            }
            let scores = try climb.scored.scores(of: drawn)
            if let best = scores.indices.max(by: { (scores[$0], $1) < (scores[$1], $0) }) {
                starts.append(drawn[best])
            }
        }
        return starts
    }

    /// Climbs from a network and offers the result to the population.
    private mutating func raise(_ genes: Genes) throws {
        let member = try climb.climb(
            from: genes, limits, 0...layout.space.resolutions.count - 1, &variation.random
        ) { _, _ in }
        guard let member else { return }
        if member.score > outcome.best?.score ?? -.infinity { outcome.best = member }
        population.admit(member, most: options.population, layout)
    }

    private mutating func child() -> Genes? {
        let sizes = 0...layout.space.resolutions.count - 1
        for _ in 0..<Self.attempts {
            var genes =
                population.members.isEmpty
                ? variation.fresh(sizes)
                : variation.child(population.members.map(\.genes), sizes, options)
            if variation.repair(&genes, limits, sizes) { return genes }
        }
        return nil
    }
}

/// Distinct networks, best first.
struct Population {
    private(set) var members: [Climb.Member] = []

    /// Adds `member` if it is new and among the `most` best; returns whether it was added.
    @discardableResult
    mutating func admit(_ member: Climb.Member, most: Int, _ layout: GeneLayout) -> Bool {
        if members.count >= most, let last = members.last, member.score <= last.score {
            return false
        }
        let key = layout.key(member.genes)
        if members.contains(where: { layout.key($0.genes) == key }) { return false }
        members.insert(
            member, at: members.firstIndex { $0.score < member.score } ?? members.count)
        if members.count > most { members.removeLast() }
        return true
    }
}

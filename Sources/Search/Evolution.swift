// The evolution of a search under fixed limits. Networks of one resolution (or of neighbouring ones) live on an island,
// because the best of one size is seldom near the best of another: the worse islands are given up on the way. Many
// children are made, those that a surrogate thinks best are scored, and no network is scored twice.
import Networks

/// The state of one evolution.
struct Evolution {
    /// A network with its score.
    struct Member {
        let genes: Genes
        let score: Double
    }

    /// Networks that breed with each other.
    private struct Island {
        let resolutions: ClosedRange<Int>
        /// Best first.
        var members: [Member] = []
        var best: Double { members.first?.score ?? -.infinity }
    }

    /// What came out.
    struct Outcome {
        var best: Member?
        var evaluations = 0
        var generations = 0
    }

    /// Islands at the start, at most.
    private static let mostIslands = 5
    /// After which share of the evaluations how many islands of five are left.
    private static let phases: [(share: Double, islands: Double)] = [
        (0.13, 1), (0.26, 0.6), (0.4, 0.4), (1, 0.2),
    ]
    /// Draws for one island at the start, and draws for one child, before they are given up.
    private static let attempts = 20

    private let layout: GeneLayout
    private let limits: LimitCosts
    private let anchor: Genes
    private let options: EvolutionarySearch.Options
    private var variation: GeneVariation
    private var islands: [Island]
    private var seen: Set<UInt128> = []
    private var history = ScoredHistory()
    private var outcome = Outcome()

    /// Prepares an evolution; `anchor` meets the limits.
    init(
        _ layout: GeneLayout, _ limits: LimitCosts, anchor: Genes,
        _ options: EvolutionarySearch.Options
    ) {
        self.layout = layout
        self.limits = limits
        self.anchor = anchor
        self.options = options
        variation = GeneVariation(layout, seed: options.seed)
        islands = Self.groups(layout).map { Island(resolutions: $0) }
    }

    /// The resolutions of every island: as even as they go.
    static func groups(_ layout: GeneLayout) -> [ClosedRange<Int>] {
        let sizes = layout.space.resolutions.count
        let count = min(sizes, mostIslands)
        return (0..<count).map { sizes * $0 / count...sizes * ($0 + 1) / count - 1 }
    }

    /// Breeds until nothing better comes or the evaluations are used up.
    mutating func run(_ score: GeneScore) throws -> Outcome {
        try admit(firstPopulation(), score)
        var phase = 0
        var stalled = 0
        while outcome.generations < options.generations {
            let left = options.evaluations - outcome.evaluations
            if left <= 0 { break }
            let isLast = phase == Self.phases.count - 1
            let used = Double(outcome.evaluations) / Double(options.evaluations)
            if !isLast && (used >= Self.phases[phase].share || stalled > options.patience / 3) {
                phase += 1
                stalled = 0
                let most = Double(Self.mostIslands) * Self.phases[phase].islands
                keepBest(max(1, min(islands.count - 1, Int(most.rounded()))))
                continue
            }
            if isLast && stalled > options.patience { break }
            let children = breed(min(options.children, left))
            if children.isEmpty {
                if isLast || islands.count == 1 { break }
                stalled = .max / 2
                continue
            }
            let before = outcome.best?.score ?? -.infinity
            try admit(children, score)
            outcome.generations += 1
            stalled = (outcome.best?.score ?? -.infinity) > before ? 0 : stalled + 1
        }
        return outcome
    }

    private mutating func firstPopulation() -> [Genes] {
        var population: [Genes] = []
        for island in islands {
            var made = 0
            for _ in 0..<options.population * Self.attempts where made < options.population {
                var genes = variation.fresh(island.resolutions)
                guard variation.repair(&genes, limits, island.resolutions) else {
                    // A size that draw after draw cannot meet the limits has no island.
                    if made == 0 { break } else { continue }
                }
                if seen.insert(layout.key(genes)).inserted {
                    population.append(genes)
                    made += 1
                }
            }
        }
        if seen.insert(layout.key(anchor)).inserted { population.append(anchor) }
        return Array(population.prefix(max(options.evaluations, 1)))
    }

    /// Scores networks and gives them to their islands.
    private mutating func admit(_ networks: [Genes], _ score: GeneScore) throws {
        let scores = try score(networks)
        outcome.evaluations += networks.count
        for (genes, score) in zip(networks, scores) where score.isFinite {
            let member = Member(genes: genes, score: score)
            history.append(member)
            if score > outcome.best?.score ?? -.infinity { outcome.best = member }
            let size = Int(genes[layout.resolutionGene])
            if let home = islands.firstIndex(where: { $0.resolutions.contains(size) }) {
                islands[home].members.append(member)
            }
        }
        for place in islands.indices {
            islands[place].members = Self.best(islands[place].members, options.population)
        }
        history.refit(layout, every: options.surrogateInterval)
    }

    /// New children of all islands in turn: the most promising of several times as many.
    private mutating func breed(_ count: Int) -> [Genes] {
        let parents = islands.map { $0.members.map(\.genes) }
        let living = parents.indices.filter { !parents[$0].isEmpty }
        guard !living.isEmpty else { return [] }
        let wanted = count * (history.surrogate == nil ? 1 : options.screening)
        var children: [Genes] = []
        children.reserveCapacity(wanted)
        var failures = 0
        while children.count < wanted && failures < wanted * Self.attempts {
            let island = living[(children.count + failures) % living.count]
            let resolutions = islands[island].resolutions
            var genes = variation.child(parents[island], resolutions, options)
            let isMade = variation.repair(&genes, limits, resolutions)
            let key = layout.key(genes)
            if isMade
                && (history.surrogate == nil ? seen.insert(key).inserted : !seen.contains(key))
            {
                children.append(genes)
            } else {
                failures += 1
            }
        }
        guard let surrogate = history.surrogate else { return children }
        let values = children.map(surrogate.value)
        let order = children.indices.sorted { (values[$0], $1) > (values[$1], $0) }
        var chosen: [Genes] = []
        for place in order where chosen.count < count {
            if seen.insert(layout.key(children[place])).inserted { chosen.append(children[place]) }
        }
        return chosen
    }

    private mutating func keepBest(_ count: Int) {
        let order = islands.indices.sorted { (islands[$0].best, $1) > (islands[$1].best, $0) }
        islands = order.prefix(count).map { islands[$0] }
    }

    /// The best members, best first; of equal scores the earlier.
    static func best(_ members: [Member], _ count: Int) -> [Member] {
        let order = members.indices.sorted {
            (members[$0].score, $1) > (members[$1].score, $0)
        }
        return order.prefix(count).map { members[$0] }
    }
}

/// The networks a search scored last, and the surrogate fitted to the best of them.
struct ScoredHistory {
    private var members: [Evolution.Member] = []
    private var sinceFit = 0
    /// What was learned; nil until enough was scored.
    private(set) var surrogate: GeneSurrogate?

    /// Networks remembered, and the best of them that are fitted.
    private static let remembered = 4000, fitted = 2000

    /// Remembers a network.
    mutating func append(_ member: Evolution.Member) {
        members.append(member)
        sinceFit += 1
    }

    /// Fits anew when `interval` networks have come since the last time.
    mutating func refit(_ layout: GeneLayout, every interval: Int) {
        guard sinceFit >= interval else { return }
        sinceFit = 0
        if members.count > Self.remembered {
            members.removeFirst(members.count - Self.remembered)
        }
        surrogate = GeneSurrogate(layout, Evolution.best(members, Self.fitted))
    }
}

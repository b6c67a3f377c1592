// The whole front of accuracy against one cost, in one run: for every level of the cost the best networks that stay
// below it, all levels breeding together. A network found for one level serves every higher one too. NSGA-II (Deb et
// al., 2002) spreads a population over the front by crowding; here every level and resolution keeps networks of its
// own, so that no part of the front is lost to another, and everything scored may end up in the front.
import Foundation
import Networks

/// Networks none of which is both cheaper and better than another.
public struct ParetoFront: Codable, Hashable, Sendable {
    /// What a front is drawn over.
    public enum Axis: String, Codable, Sendable, CaseIterable {
        /// Latency in milliseconds, by table.
        case latency
        /// Multiply-accumulates.
        case macs
        /// Energy in millijoules.
        case energy

        /// What stands beside it in a plot.
        var label: String {
            switch self {
            case .latency: "latency, ms"
            case .macs: "multiply-accumulates"
            case .energy: "energy, mJ"
            }
        }

        var quantity: Quantity {
            switch self {
            case .latency: .latencyMs
            case .macs: .macs
            case .energy: .energyMJ
            }
        }
    }

    /// The cost.
    public var axis: Axis
    /// The networks, cheapest first, accuracies ascending.
    public var networks: [SearchResult]

    /// The best network whose cost is at most `limit`; nil when none is.
    public func best(atMost limit: Double) -> SearchResult? {
        networks.last { ($0.metrics.value(of: axis.quantity) ?? .infinity) <= limit }
    }
}

extension EvolutionarySearch {
    /// The front of a fitted predictor's accuracy over `axis` (latency where it is known, multiply-accumulates
    /// otherwise), within the device's limits.
    public func front(predictor: AccuracyPredictor, over axis: ParetoFront.Axis? = nil) throws
        -> ParetoFront
    {
        try predictor.checkDomain(space: space, resolutions: space.resolutions)
        return try front(geneScore: try predictor.score(layout), over: axis)
    }

    /// The front of any score.
    public func front(
        score: ([SubnetConfig]) throws -> [Double], over axis: ParetoFront.Axis? = nil
    ) throws -> ParetoFront {
        try withoutActuallyEscaping(score) { score in
            try front(geneScore: { try score($0.map(layout.config)) }, over: axis)
        }
    }

    private func front(geneScore score: GeneScore, over axis: ParetoFront.Axis?) throws
        -> ParetoFront
    {
        let axis = axis ?? (hasLatency ? .latency : .macs)
        guard axis != .latency || hasLatency else {
            throw SearchError(
                .missingLatency, "a front over latency needs a latency table: give one")
        }
        // The axis comes first, without a limit; the device's limits hold beside it.
        let limits = LimitCosts(
            layout, costs, device,
            quantities: [(axis.quantity, .infinity)]
                + device.limits.limits.map { ($0.quantity, $0.limit) })
        var archive = FrontArchive()
        var outcome = Evolution.Outcome()
        if isEnumerable {
            outcome.evaluations = try forEachFeasible(limits, score) { genes, score in
                archive.add(genes, cost: limits.value(0, genes), score: score)
            }
        } else {
            var evolution = FrontEvolution(
                layout, limits, anchor: try layout.genes(anchor), options)
            (archive, outcome) = try evolution.run(score)
        }
        let networks = archive.sorted.map {
            result(Evolution.Member(genes: $0.genes, score: $0.score), outcome)
        }
        guard !networks.isEmpty else { throw Self.noScore }
        return ParetoFront(axis: axis, networks: networks)
    }
}

/// Everything scored that nothing else dominates.
struct FrontArchive {
    /// A network of the front.
    struct Entry {
        let genes: Genes
        let cost, score: Double
    }

    private var front: [Entry] = []
    private var waiting: [Entry] = []

    /// Considers a network.
    mutating func add(_ genes: Genes, cost: Double, score: Double) {
        guard score.isFinite else { return }
        waiting.append(Entry(genes: genes, cost: cost, score: score))
        if waiting.count > 4096 { settle() }
    }

    /// The front, cheapest first.
    var sorted: [Entry] {
        mutating get {
            settle()
            return front
        }
    }

    private mutating func settle() {
        let all = front + waiting
        waiting.removeAll(keepingCapacity: true)
        front.removeAll(keepingCapacity: true)
        let order = all.indices.sorted {
            (all[$0].cost, -all[$0].score, $0) < (all[$1].cost, -all[$1].score, $1)
        }
        for place in order where all[place].score > front.last?.score ?? -.infinity {
            front.append(all[place])
        }
    }
}

/// The evolution of a front.
struct FrontEvolution {
    /// The best networks below one level, of one group of resolutions.
    private struct Cell {
        let level: Int
        let resolutions: ClosedRange<Int>
        var members: [Evolution.Member] = []
        var isAlive = true
        var best: Double { members.first?.score ?? -.infinity }
    }

    /// Levels of the cost, evenly spaced in its logarithm.
    private static let levels = 40
    /// Networks of a cell.
    private static let population = 10
    /// Children scored for a cell and round.
    private static let children = 4
    /// After which share of the evaluations how many groups of resolutions a level keeps.
    private static let phases: [(share: Double, groups: Int)] = [
        (0, 5), (0.12, 3), (0.25, 2), (0.6, 1),
    ]

    private let layout: GeneLayout
    private let limits: LimitCosts
    private let anchor: Genes
    private let options: EvolutionarySearch.Options
    private let groups: [ClosedRange<Int>]
    private var variation: GeneVariation
    private var bounds: [Double] = []
    private var cells: [Cell] = []
    private var seen: Set<UInt128> = []
    private var history = ScoredHistory()
    private var archive = FrontArchive()
    private var outcome = Evolution.Outcome()

    /// Prepares an evolution over the first quantity of `limits`; `anchor` meets the others.
    init(
        _ layout: GeneLayout, _ limits: LimitCosts, anchor: Genes,
        _ options: EvolutionarySearch.Options
    ) {
        self.layout = layout
        self.limits = limits
        self.anchor = anchor
        self.options = options
        groups = Evolution.groups(layout)
        variation = GeneVariation(layout, seed: options.seed)
    }

    /// Breeds until the evaluations are used up.
    mutating func run(_ score: GeneScore) throws -> (FrontArchive, Evolution.Outcome) {
        try start(score)
        var phase = 0
        while outcome.evaluations < options.frontEvaluations {
            let used = Double(outcome.evaluations) / Double(options.frontEvaluations)
            if phase + 1 < Self.phases.count && used >= Self.phases[phase + 1].share {
                phase += 1
                keepBest(Self.phases[phase].groups)
            }
            let children = breed(options.frontEvaluations - outcome.evaluations)
            if children.isEmpty { break }
            try admit(children, score)
            outcome.generations += 1
        }
        return (archive, outcome)
    }

    /// Random networks, then levels from the cheapest to the dearest that was seen.
    private mutating func start(_ score: GeneScore) throws {
        var networks = [anchor]
        seen.insert(layout.key(anchor))
        for group in groups {
            for extreme in [layout.levels.map { UInt8($0 - 1) }, layout.levels.map { _ in 0 }] {
                var genes = extreme
                genes[layout.resolutionGene] = UInt8(
                    extreme[0] == 0 ? group.lowerBound : group.upperBound)
                layout.settle(&genes)
                if variation.repair(&genes, limits, group),
                    seen.insert(layout.key(genes)).inserted
                {
                    networks.append(genes)
                }
            }
            for _ in 0..<options.population {
                var genes = variation.fresh(group)
                if variation.repair(&genes, limits, group),
                    seen.insert(layout.key(genes)).inserted
                {
                    networks.append(genes)
                }
            }
        }
        let costs = networks.map { limits.value(0, $0) }
        let low = max(costs.min() ?? 1, 1e-12), high = max(costs.max() ?? 1, low)
        bounds = (0..<Self.levels).map {
            // The last bound a little higher, so that rounding does not exclude the dearest.
            low * pow(high / low, Double($0) / Double(Self.levels - 1)) * (1 + 1e-9)
        }
        cells = (0..<Self.levels).flatMap { level in
            groups.map { Cell(level: level, resolutions: $0) }
        }
        try admit(networks, score)
    }

    private mutating func admit(_ networks: [Genes], _ score: GeneScore) throws {
        let scores = try score(networks)
        outcome.evaluations += networks.count
        for (genes, score) in zip(networks, scores) where score.isFinite {
            let member = Evolution.Member(genes: genes, score: score)
            let cost = limits.value(0, genes), size = Int(genes[layout.resolutionGene])
            history.append(member)
            archive.add(genes, cost: cost, score: score)
            guard let group = groups.firstIndex(where: { $0.contains(size) }) else { continue }
            for level in bounds.indices where cost <= bounds[level] {
                let place = level * groups.count + group
                if !insert(member, place) { break }
            }
        }
        history.refit(layout, every: options.surrogateInterval * 4)
    }

    /// Puts a member among a cell's best; false where it is none of them, and so none of any higher level's.
    private mutating func insert(_ member: Evolution.Member, _ place: Int) -> Bool {
        let members = cells[place].members
        if members.count >= Self.population, let last = members.last, member.score <= last.score {
            return false
        }
        let at = members.firstIndex { $0.score < member.score } ?? members.count
        cells[place].members.insert(member, at: at)
        if cells[place].members.count > Self.population { cells[place].members.removeLast() }
        return true
    }

    private mutating func breed(_ most: Int) -> [Genes] {
        var children: [Genes] = []
        for cell in cells where cell.isAlive && !cell.members.isEmpty && children.count < most {
            let parents = cell.members.map(\.genes)
            // Anywhere up to the level's bound, so that the front is dense between the bounds too.
            let high = bounds[cell.level]
            let low = cell.level > 0 ? bounds[cell.level - 1] : high
            let share = Double(variation.random.place(below: 1024)) / 1024
            let bound = high - (high - low) * share * share
            let target = limits.limiting(0, to: bound)
            let wanted = Self.children * (history.surrogate == nil ? 1 : options.screening)
            var made: [(genes: Genes, value: Double)] = []
            for _ in 0..<wanted {
                var genes = variation.child(parents, cell.resolutions, options)
                if variation.repair(&genes, target, cell.resolutions),
                    !seen.contains(layout.key(genes))
                {
                    made.append((genes, history.surrogate?.value(genes) ?? 0))
                }
            }
            let order = made.indices.sorted { (made[$0].value, $1) > (made[$1].value, $0) }
            var taken = 0
            for place in order where taken < Self.children {
                if seen.insert(layout.key(made[place].genes)).inserted {
                    children.append(made[place].genes)
                    taken += 1
                }
            }
        }
        return Array(children.prefix(most))
    }

    /// Of every level only the groups of the best networks go on.
    private mutating func keepBest(_ count: Int) {
        for level in bounds.indices {
            let places = level * groups.count..<(level + 1) * groups.count
            let order = places.sorted { (cells[$0].best, $1) > (cells[$1].best, $0) }
            for place in order.dropFirst(count) { cells[place].isAlive = false }
        }
    }
}

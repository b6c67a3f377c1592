// The evolution of a front. Scores of such predictors have many summits: networks of other depths and kernels that no
// few changes lead to, among which a single search finds one by luck. So scouts go first: ordinary searches under limits
// spread over the cost, each on its own. Then all levels of the cost breed together from what the scouts scored, every
// level keeping its best networks and, for a while, only such as differ: what one scout missed its neighbours hand on.
// NSGA-II (Deb et al., 2002) spreads one population over the front by crowding; here no part is lost to another.
import Foundation
import Networks

/// The evolution of a front.
struct FrontEvolution {
    /// The best networks below one level of the cost, of one group of resolutions.
    private struct Cell {
        let resolutions: ClosedRange<Int>
        /// Best first.
        var members: [Evolution.Member] = []
        var isAlive = true
        var best: Double { members.first?.score ?? -.infinity }

        /// Puts a member among the best; false where it is none of them, and so none of any higher level's.
        mutating func insert(_ member: Evolution.Member, _ room: Room, _ layout: GeneLayout)
            -> Bool
        {
            if members.count >= room.members, let last = members.last, member.score <= last.score {
                return false
            }
            let at = members.firstIndex { $0.score < member.score } ?? members.count
            if room.apart > 1 {
                func isNear(_ other: Evolution.Member) -> Bool {
                    layout.distance(other.genes, member.genes) < room.apart
                }
                if members[..<at].contains(where: isNear) { return false }
                let behind = members[at...].filter { !isNear($0) }
                members.replaceSubrange(at..., with: behind)
            }
            members.insert(member, at: at)
            if members.count > room.members { members.removeLast() }
            return true
        }
    }

    /// How many networks a cell keeps, and in how many genes they differ at least.
    private struct Room {
        let members, apart: Int
    }

    /// Levels of the cost, evenly spaced in its logarithm.
    private static let levels = 200
    /// Levels on either side from which a level takes parents.
    private static let reach = 2
    /// Parts of the cost that learn surrogates of their own.
    private static let segments = 16
    /// Networks scored last that a segment's surrogate is fitted to, beside the best.
    private static let recent = 1500
    /// Children scored for a cell and round.
    private static let children = 2
    /// Share of the evaluations that scouts may use, the most scouts, and the fewest evaluations worth one.
    private static let scouting = (share: 0.75, most: 32, evaluations: 2000)
    /// After which share of the other evaluations how many groups of resolutions a level keeps, and how many networks.
    private static let phases: [(share: Double, groups: Int, room: Room)] = [
        (0, 2, Room(members: 8, apart: 3)), (0.6, 2, Room(members: 4, apart: 1)),
        (0.7, 1, Room(members: 4, apart: 1)),
    ]

    private let layout: GeneLayout
    private let limits: LimitCosts
    private let anchor: Genes
    private let options: EvolutionarySearch.Options
    private let groups: [ClosedRange<Int>]
    private var variation: GeneVariation
    private var room = Self.phases[0].room
    private var bounds: [Double] = []
    /// Level-major: a cell for every group.
    private var cells: [Cell] = []
    private var surrogates: [GeneSurrogate?]
    private var histories: [[Evolution.Member]]
    /// Every network scored.
    private var known: [UInt128: Double] = [:]
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
        surrogates = Array(repeating: nil, count: Self.segments)
        histories = Array(repeating: [], count: Self.segments)
    }

    /// Sends scouts, then breeds all levels until the evaluations are used up.
    mutating func run(_ score: GeneScore) throws -> (FrontArchive, Evolution.Outcome) {
        try scout(from: try start(score), score)
        let scouted = outcome.evaluations
        let most = max(options.frontEvaluations - scouted, 0)
        let budget = min(most, Int(Double(options.frontEvaluations) * (1 - Self.scouting.share)))
        var phase = -1, fitted = -Int.max / 2
        while outcome.evaluations - scouted < budget {
            let used = Double(outcome.evaluations - scouted) / Double(budget)
            while phase + 1 < Self.phases.count && used >= Self.phases[phase + 1].share {
                phase += 1
                keepBest(Self.phases[phase].groups, Self.phases[phase].room)
            }
            if outcome.evaluations - fitted >= options.surrogateInterval * Self.segments {
                fitted = outcome.evaluations
                for segment in surrogates.indices { refit(segment) }
            }
            let networks = breed(scouted + budget - outcome.evaluations)
            if networks.isEmpty { break }
            _ = try scored(networks, score)
            outcome.generations += 1
        }
        return (archive, outcome)
    }

    /// Scores extreme networks, lays the levels from the cheapest to the dearest, and answers with the cheapest.
    private mutating func start(_ score: GeneScore) throws -> Genes {
        var networks = [anchor]
        for group in groups {
            for extreme in [layout.levels.map { UInt8($0 - 1) }, layout.levels.map { _ in 0 }] {
                var genes = extreme
                genes[layout.resolutionGene] = UInt8(
                    extreme[0] == 0 ? group.lowerBound : group.upperBound)
                layout.settle(&genes)
                if variation.repair(&genes, limits, group) { networks.append(genes) }
            }
        }
        let costs = networks.map { limits.value(0, $0) }
        let low = max(costs.min() ?? 1, 1e-12), high = max(costs.max() ?? 1, low)
        bounds = (0..<Self.levels).map {
            // The bounds a little higher, so that rounding does not exclude the dearest.
            low * pow(high / low, Double($0) / Double(Self.levels - 1)) * (1 + 1e-9)
        }
        cells = (0..<Self.levels).flatMap { _ in groups.map { Cell(resolutions: $0) } }
        _ = try scored(networks, score)
        return networks[costs.firstIndex(of: costs.min() ?? 0) ?? 0]
    }

    /// Searches under limits from a little above the cheapest to a little below the dearest, beginning with `cheapest`.
    private mutating func scout(from cheapest: Genes, _ score: GeneScore) throws {
        let all = Int(Double(options.frontEvaluations) * Self.scouting.share)
        let scouts = min(Self.scouting.most, max(1, all / Self.scouting.evaluations))
        guard let first = bounds.first, let last = bounds.last, last > first else { return }
        let low = min(first * 1.2, last), high = max(last * 0.75, low)
        for scout in 0..<scouts {
            var options = options
            options.evaluations = max(all / scouts, 1)
            options.population = max(
                2, min(options.population, options.evaluations / (4 * groups.count)))
            options.seed = options.seed &* UInt64(Self.scouting.most + 1) &+ UInt64(scout + 1)
            let limit = low * pow(high / low, Double(scout) / Double(max(scouts - 1, 1)))
            var evolution = Evolution(
                layout, limits.limiting(0, to: limit), anchor: cheapest, options)
            outcome.generations += try evolution.run { try scored($0, score) }.generations
        }
    }

    /// The scores of networks; those not known yet are scored, and put into the archive and their cells.
    private mutating func scored(_ networks: [Genes], _ score: GeneScore) throws -> [Double] {
        let keys = networks.map(layout.key)
        var fresh: [Int] = []
        for (place, key) in keys.enumerated() where known[key] == nil {
            known[key] = -.infinity
            fresh.append(place)
        }
        let scores = try score(fresh.map { networks[$0] })
        outcome.evaluations += fresh.count
        for (place, score) in zip(fresh, scores) where score.isFinite {
            known[keys[place]] = score
            admit(Evolution.Member(genes: networks[place], score: score))
        }
        return keys.map { known[$0] ?? -.infinity }
    }

    private mutating func admit(_ member: Evolution.Member) {
        let cost = limits.value(0, member.genes), size = Int(member.genes[layout.resolutionGene])
        archive.add(member.genes, cost: cost, score: member.score)
        let lowest = level(cost)
        guard lowest < bounds.count,
            let group = groups.firstIndex(where: { $0.contains(size) })
        else { return }
        let segment = lowest * Self.segments / bounds.count
        histories[segment].append(member)
        if histories[segment].count > 2 * Self.recent {
            histories[segment].removeFirst(Self.recent)
        }
        for level in lowest..<bounds.count {
            if !cells[level * groups.count + group].insert(member, room, layout) { break }
        }
    }

    /// The lowest level whose bound is at least `cost`; the number of levels where there is none.
    private func level(_ cost: Double) -> Int {
        var low = 0, high = bounds.count
        while low < high {
            let middle = (low + high) / 2
            if bounds[middle] < cost { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Fits a segment's surrogate to the best of its levels and half a segment around, and to what came last.
    private mutating func refit(_ segment: Int) {
        let length = (Self.levels + Self.segments - 1) / Self.segments
        let levels = (segment * length - length / 2)..<((segment + 1) * length + length / 2)
        var members = Array(histories[segment].suffix(Self.recent))
        var seen: Set<UInt128> = []
        for level in levels.clamped(to: bounds.indices) {
            for cell in cells[level * groups.count..<(level + 1) * groups.count] {
                members += cell.members.filter { seen.insert(layout.key($0.genes)).inserted }
            }
        }
        surrogates[segment] =
            members.count < 64 ? nil : GeneSurrogate(layout, members)
    }

    private mutating func breed(_ most: Int) -> [Genes] {
        var networks: [Genes] = []
        for level in bounds.indices where networks.count < most {
            for group in groups.indices where cells[level * groups.count + group].isAlive {
                networks += children(level, group)
            }
        }
        return Array(networks.prefix(most))
    }

    /// The most promising of several times as many children for one cell, all of them new.
    private mutating func children(_ level: Int, _ group: Int) -> [Genes] {
        let near = (level - Self.reach..<level + Self.reach + 1).clamped(to: bounds.indices)
        let parents = near.flatMap { cells[$0 * groups.count + group].members.map(\.genes) }
        if parents.isEmpty { return [] }
        // Anywhere up to the level's bound, so that the front is dense between the bounds too.
        let high = bounds[level], low = level > 0 ? bounds[level - 1] : high
        let share = Double(variation.random.place(below: 1024)) / 1024
        let target = limits.limiting(0, to: high - (high - low) * share * share)
        let surrogate = surrogates[level * Self.segments / bounds.count]
        var made: [(genes: Genes, value: Double)] = []
        for _ in 0..<Self.children * (surrogate == nil ? 1 : options.screening) {
            var genes = variation.child(parents, groups[group], options)
            if variation.repair(&genes, target, groups[group]), known[layout.key(genes)] == nil {
                made.append((genes, surrogate?.value(genes) ?? 0))
            }
        }
        let order = made.indices.sorted { (made[$0].value, $1) > (made[$1].value, $0) }
        return order.prefix(Self.children).map { made[$0].genes }
    }

    /// Of every level only the groups of the best networks go on, and of every cell as many networks as there is room.
    private mutating func keepBest(_ count: Int, _ room: Room) {
        self.room = room
        for level in bounds.indices {
            let places = level * groups.count..<(level + 1) * groups.count
            let order = places.sorted { (cells[$0].best, $1) > (cells[$1].best, $0) }
            for place in order.dropFirst(count) { cells[place].isAlive = false }
            for place in places where cells[place].members.count > room.members {
                cells[place].members.removeLast(cells[place].members.count - room.members)
            }
        }
    }
}

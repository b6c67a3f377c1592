// Finds the network of a space with the least value of one cost, and networks within several limits at once. The
// network with the least value of one cost may exceed the limit of another cost, so several limits need a search of
// their own. That search is the multi-objective knapsack problem, solved by dynamic programming (Bazgan, Hugot and
// Vanderpooten, 2009). A sweep over the parts of a network keeps the partial networks that can still meet all limits
// and that no other partial network dominates. The sweep keeps a separate set for each combination of values of the
// width genes that earlier and later parts share. Every stage has its least depth, because further layers only add
// costs.
import Networks

/// The cheapest networks of a space.
struct JointLimits {
    private let space: SearchSpace
    private let costs: LayerCosts
    private let device: DeviceTarget
    /// The parts of networks in which every stage has its least depth.
    private let parts: [NetworkParts.Part]
    /// For each part, the width genes that later parts share with this part or with earlier parts.
    private let shared: [[Int]]

    /// What one part adds to every limited sum, by state and choice of the part; nil for a forbidden choice.
    private typealias Offers = [[Double]?]

    /// The costs and genes of the first parts of a network.
    private struct Partial {
        var sums: [Double]
        /// The choice of each layer, by index in the gene lists; -1 for layers not chosen yet.
        var choices: [Int]
        /// The values of the width genes; -1 for genes not set yet.
        var widths: [Int]
    }

    /// The most partial networks that a set keeps: for up to two costs, and for more costs. A larger set is thinned
    /// evenly. With two costs a set usually has hundreds to thousands of networks.
    private static let mostOfTwo = 4000, mostOfMore = 500
    /// The relative tolerance of a limit: `LayerCosts` adds the same costs in another order and so rounds differently.
    private static let slack = 1e-9

    /// Prepares the search for networks of `space`.
    init(_ space: SearchSpace, _ costs: LayerCosts, _ device: DeviceTarget) {
        self.space = space
        self.costs = costs
        self.device = device
        let parts = costs.parts.parts.filter { $0.stage == nil || $0.leastDepth == 0 }
        self.parts = parts
        shared = parts.indices.map { place in
            let later = Set(parts[(place + 1)...].flatMap(\.widths))
            return Set(parts[...place].flatMap(\.widths)).intersection(later).sorted()
        }
    }

    /// Returns the network at `resolution` whose parts have the least sum of `weight`; with `isPeak`, the least
    /// maximum.
    func least(_ resolution: Int, isPeak: Bool = false, by weight: (LayerCosts.Tally) -> Double)
        -> SubnetConfig
    {
        let found = sweep(resolution, sums: 1, isPeak: isPeak, limits: [.infinity]) { tally in
            [weight(tally)]
        }
        return found.first ?? config(nil, resolution)
    }

    /// Returns networks at `resolution` within `limits`. The networks are Pareto-optimal in the limited sums (all
    /// limited quantities except peak memory) and are sorted by the first sum. With three or more sums some
    /// Pareto-optimal networks may be missing, because sets are thinned. An infinite limit excludes no network.
    func networks(
        _ resolution: Int, _ limits: [(quantity: Quantity, limit: Double)]
    ) -> [SubnetConfig] {
        // Peak memory is a maximum over the parts, not a sum, so its limit forbids each choice of a part that exceeds
        // the limit.
        let peak = limits.first { $0.quantity == .peakMemoryKB }?.limit ?? .infinity
        let sums = limits.filter { $0.quantity != .peakMemoryKB }
        return sweep(resolution, sums: sums.count, limits: sums.map(\.limit)) { tally in
            value(.peakMemoryKB, tally) > peak
                ? nil : sums.map { value($0.quantity, tally) }
        }
    }

    /// Extends partial networks part by part and returns the complete networks that no other network dominates. `cost`
    /// returns nil for a forbidden choice.
    private func sweep(
        _ resolution: Int, sums: Int, isPeak: Bool = false, limits: [Double],
        _ cost: (LayerCosts.Tally) -> [Double]?
    ) -> [SubnetConfig] {
        let offered: [Offers] = parts.map { part in
            (0..<part.states * part.choices).map {
                cost(costs.tally(part.first + $0, resolution))
            }
        }
        // At index i, the least sums of part i and all later parts.
        var after = [[Double](repeating: 0, count: sums)]
        for offers in offered.reversed() {
            guard let rest = after.last else { break }
            after.append(
                rest.indices.map { place in
                    let least = offers.compactMap { $0?[place] }.min() ?? .infinity
                    return isPeak ? max(rest[place], least) : rest[place] + least
                })
        }
        after.reverse()
        var groups = [
            [
                Partial(
                    sums: [Double](repeating: 0, count: sums),
                    choices: [Int](repeating: -1, count: space.layerCount),
                    widths: space.widthGenes.map { _ in -1 })
            ]
        ]
        for (number, part) in parts.enumerated() {
            var next: [(key: [Int], partials: [Partial])] = []
            for partial in groups.joined() {
                for state in 0..<part.states {
                    guard let opened = open(partial, part, state) else { continue }
                    let key = shared[number].map { opened.widths[$0] }
                    let place = next.firstIndex { $0.key == key } ?? next.count
                    if place == next.count { next.append((key, [])) }
                    for choice in choices(part) {
                        guard let offer = offered[number][state * part.choices + choice] else {
                            continue
                        }
                        let sums = zip(opened.sums, offer).map { isPeak ? max($0, $1) : $0 + $1 }
                        let rest = after[number + 1]
                        let fits = sums.indices.allSatisfy {
                            sums[$0] + (isPeak ? 0 : rest[$0]) <= limits[$0] * (1 + Self.slack)
                        }
                        guard fits else { continue }
                        var grown = opened
                        grown.sums = sums
                        if let layer = part.layer { grown.choices[layer] = choice }
                        next[place].partials.append(grown)
                    }
                }
            }
            groups = next.map { unbeaten($0.partials) }
        }
        return unbeaten(Array(groups.joined())).map { config($0, resolution) }
    }

    /// Returns `partial` with the width genes of `part` set as in `state`; nil if `partial` has other values of these
    /// genes.
    private func open(_ partial: Partial, _ part: NetworkParts.Part, _ state: Int) -> Partial? {
        if part.widths.isEmpty { return partial }
        var opened = partial
        for (gene, value) in zip(part.widths, costs.parts.values(state, of: part)) {
            if opened.widths[gene] >= 0, opened.widths[gene] != value { return nil }
            opened.widths[gene] = value
        }
        return opened
    }

    /// Returns the choices of a part: all choices, or, if genes are coupled, the one choice that follows from the least
    /// depth.
    private func choices(_ part: NetworkParts.Part) -> Range<Int> {
        guard space.coupling != nil, let layer = part.layer,
            let choice = space.stages[space.stage(of: layer)].choice(of: layer, in: space.smallest)
        else { return 0..<part.choices }
        return choice..<choice + 1
    }

    /// Returns the partial networks that no other partial network dominates, sorted by the first cost. If there are
    /// more than `mostOfTwo` or `mostOfMore`, they are thinned evenly.
    private func unbeaten(_ partials: [Partial]) -> [Partial] {
        var kept: [Partial] = []
        let sorted = partials.sorted { $0.sums.lexicographicallyPrecedes($1.sums) }
        let costs = sorted.first?.sums.count ?? 0
        for partial in sorted {
            // With two costs, the partial network kept last has the smallest second cost.
            let rivals = costs <= 2 ? kept.suffix(1) : kept[...]
            let isBeaten = rivals.contains { rival in
                zip(rival.sums, partial.sums).allSatisfy { $0 <= $1 }
            }
            if !isBeaten { kept.append(partial) }
        }
        let most = costs <= 2 ? Self.mostOfTwo : Self.mostOfMore
        if kept.count <= most { return kept }
        return (0..<most).map { kept[$0 * (kept.count - 1) / (most - 1)] }
    }

    private func config(_ partial: Partial?, _ resolution: Int) -> SubnetConfig {
        var config = space.smallest
        config.resolution = resolution
        guard let partial else { return config }
        for (layer, choice) in partial.choices.enumerated() where choice >= 0 {
            space.stages[space.stage(of: layer)].set(choice, of: layer, in: &config)
        }
        config.widths = partial.widths.map { max(0, $0) }
        return space.canonical(config)
    }

    private func value(_ quantity: Quantity, _ tally: LayerCosts.Tally) -> Double {
        costs.metrics(tally, on: device).value(of: quantity) ?? .infinity
    }
}

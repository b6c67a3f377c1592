// The cheapest networks of a space: by one cost, and within several limits at once, when the
// cheapest by one cost is expensive by another. Part by part, the partial networks that can still
// meet all limits and are not dominated in every cost are kept: the multi-objective knapsack
// problem by dynamic programming (Bazgan, Hugot and Vanderpooten, 2009). Separate sets are kept for
// each value of the width genes shared by earlier and later parts. Costs are sums, so the least
// depths suffice.
import Networks

/// The cheapest networks of a space.
struct JointLimits {
    private let space: SearchSpace
    private let costs: LayerCosts
    private let device: DeviceTarget
    /// The parts of networks of the least depths.
    private let parts: [NetworkParts.Part]
    /// After each part, the width genes that later parts share with earlier ones.
    private let shared: [[Int]]

    /// By state and choice of one part: its share of every limited sum; nil for a forbidden choice.
    private typealias Offers = [[Double]?]

    /// A partial network: its costs and its genes.
    private struct Partial {
        var sums: [Double]
        /// By index in the gene lists; -1 for genes not set yet.
        var choices: [Int]
        /// The values of the width genes; -1 for genes not set yet.
        var widths: [Int]
    }

    /// The most partial networks kept. Two costs have some hundreds to thousands; with more costs
    /// the surplus is dropped.
    private static let mostOfTwo = 4000, mostOfMore = 500
    /// Relative tolerance: these sums are added up in another order than `LayerCosts` adds them.
    private static let slack = 1e-9

    /// Considers `space` at its resolutions.
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

    /// The network at `resolution` of the least sum, or, for a peak, of the least largest `weight` of its parts.
    func least(_ resolution: Int, isPeak: Bool = false, by weight: (LayerCosts.Tally) -> Double)
        -> SubnetConfig
    {
        let found = sweep(resolution, sums: 1, isPeak: isPeak, limits: [.infinity]) { tally in
            [weight(tally)]
        }
        return found.first ?? config(nil, resolution)
    }

    /// The Pareto-optimal networks at `resolution` within `limits`, ascending by the first cost;
    /// empty if there are none. A cost with an infinite limit is only minimised. With three or more
    /// costs some may be missing.
    func networks(
        _ resolution: Int, _ limits: [(quantity: Quantity, limit: Double)]
    ) -> [SubnetConfig] {
        // Peak memory is a maximum, not a sum: it rules out single choices.
        let peak = limits.first { $0.quantity == .peakMemoryKB }?.limit ?? .infinity
        let sums = limits.filter { $0.quantity != .peakMemoryKB }
        return sweep(resolution, sums: sums.count, limits: sums.map(\.limit)) { tally in
            value(.peakMemoryKB, tally) > peak
                ? nil : sums.map { value($0.quantity, tally) }
        }
    }

    /// Extends partial networks part by part. `cost` is nil for a forbidden choice.
    private func sweep(
        _ resolution: Int, sums: Int, isPeak: Bool = false, limits: [Double],
        _ cost: (LayerCosts.Tally) -> [Double]?
    ) -> [SubnetConfig] {
        let offered: [Offers] = parts.map { part in
            (0..<part.states * part.choices).map {
                cost(costs.tally(part.first + $0, resolution))
            }
        }
        // For every part, the least sums of all later parts.
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

    /// A partial network with the width genes of a part's state; nil if they contradict those
    /// already set.
    private func open(_ partial: Partial, _ part: NetworkParts.Part, _ state: Int) -> Partial? {
        if part.widths.isEmpty { return partial }
        var opened = partial
        for (gene, value) in zip(part.widths, costs.parts.values(state, of: part)) {
            if opened.widths[gene] >= 0, opened.widths[gene] != value { return nil }
            opened.widths[gene] = value
        }
        return opened
    }

    /// The choices of a part: all, or the one that follows from the least depth if genes are
    /// coupled.
    private func choices(_ part: NetworkParts.Part) -> Range<Int> {
        guard space.coupling != nil, let layer = part.layer,
            let choice = space.stages[space.stage(of: layer)].choice(of: layer, in: space.smallest)
        else { return 0..<part.choices }
        return choice..<choice + 1
    }

    /// The partial networks that no other dominates, ascending by the first cost, at most as many
    /// as are kept.
    private func unbeaten(_ partials: [Partial]) -> [Partial] {
        var kept: [Partial] = []
        let sorted = partials.sorted { $0.sums.lexicographicallyPrecedes($1.sums) }
        let costs = sorted.first?.sums.count ?? 0
        for partial in sorted {
            // With two costs, the last one kept has the smallest second cost.
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

// Which networks meet several limits at once, where the cheapest by one cost is dear by another. Layer by layer, what can
// still meet all limits and is not beaten in every cost by another is kept: the multi-objective knapsack by dynamic
// programming (Bazgan, Hugot and Vanderpooten, 2009). Costs add up, so the least depths are enough.
import Networks

/// The cheapest networks of a space under several limits.
struct JointLimits {
    private let space: SearchSpace
    private let costs: LayerCosts
    private let device: DeviceTarget
    /// The layers of the least depths.
    private let layers: [Int]
    private let choices: Int

    /// What one layer's choices come to: by choice, the cost of each limited sum; nil for a choice that is forbidden.
    private typealias Choices = [[Double]?]

    /// A part of a network: what it comes to, and the choices that lead to it.
    private struct Part {
        var sums: [Double]
        var choices: [Int]
    }

    /// The most parts that are kept: two costs have some hundreds or thousands; of more costs, others are left out.
    private static let mostOfTwo = 4000, mostOfMore = 500
    /// Sums are made in another order than a network's own.
    private static let slack = 1e-9

    /// Asks about `space` at its resolutions.
    init(_ space: SearchSpace, _ costs: LayerCosts, _ device: DeviceTarget) {
        self.space = space
        self.costs = costs
        self.device = device
        let depth = space.depths.min() ?? 0
        layers = space.stages.indices.flatMap { stage in
            (0..<depth).map { stage * space.maxDepth + $0 }
        }
        choices = space.kernelSizes.count * space.expandRatios.count
    }

    /// Networks at `resolution` within `limits`, none of which beats another in every cost, the cheapest by the first
    /// cost first; empty where there are none. An infinite limit is a cost to be kept small. Of three costs and more
    /// some may be missing.
    func networks(
        _ resolution: Int, _ limits: [(quantity: Quantity, limit: Double)]
    ) -> [SubnetConfig] {
        if space.coupling != nil {
            // Depths decide everything.
            return [costs.least(resolution) { _ in 0 }].filter { config in
                let metrics = costs.metrics(config, on: device)
                return limits.allSatisfy {
                    (metrics.value(of: $0.quantity) ?? .infinity) <= $0.limit
                }
            }
        }
        // The most memory is no sum: it forbids choices.
        let peak = limits.first { $0.quantity == .peakMemoryKB }?.limit ?? .infinity
        let sums = limits.filter { $0.quantity != .peakMemoryKB }
        let fixed = costs.fixed(resolution)
        if value(.peakMemoryKB, fixed) > peak { return [] }
        let offered: [Choices] = layers.map { layer in
            (0..<choices).map { choice in
                let tally = costs.layer(layer, choice: choice, resolution)
                if value(.peakMemoryKB, tally) > peak { return nil }
                return sums.map { value($0.quantity, tally) }
            }
        }
        // What all layers after one come to at least.
        var after = [sums.map { _ in 0.0 }]
        for offers in offered.reversed() {
            guard let rest = after.last else { break }
            after.append(
                sums.indices.map { place in
                    rest[place] + (offers.compactMap { $0?[place] }.min() ?? .infinity)
                })
        }
        after.reverse()
        var parts = [Part(sums: sums.map { value($0.quantity, fixed) }, choices: [])]
        for (offers, rest) in zip(offered, after.dropFirst()) {
            parts = unbeaten(
                parts.flatMap { part in
                    offers.indices.compactMap { choice -> Part? in
                        guard let offer = offers[choice] else { return nil }
                        let total = zip(part.sums, offer).map(+)
                        for place in sums.indices
                        where total[place] + rest[place] > sums[place].limit * (1 + Self.slack) {
                            return nil
                        }
                        return Part(sums: total, choices: part.choices + [choice])
                    }
                })
        }
        return parts.map { config($0.choices, resolution) }
    }

    /// The parts that no other beats in every cost, by the first cost; no more than the most.
    private func unbeaten(_ parts: [Part]) -> [Part] {
        var kept: [Part] = []
        let sorted = parts.sorted { $0.sums.lexicographicallyPrecedes($1.sums) }
        let costs = sorted.first?.sums.count ?? 0
        for part in sorted {
            // Of two costs, the one kept last has the least of the second.
            let rivals = costs <= 2 ? kept.suffix(1) : kept[...]
            let isBeaten = rivals.contains { rival in
                zip(rival.sums, part.sums).allSatisfy { $0 <= $1 }
            }
            if !isBeaten { kept.append(part) }
        }
        let most = costs <= 2 ? Self.mostOfTwo : Self.mostOfMore
        if kept.count <= most { return kept }
        return (0..<most).map { kept[$0 * (kept.count - 1) / (most - 1)] }
    }

    private func config(_ choices: [Int], _ resolution: Int) -> SubnetConfig {
        var config = space.smallest
        config.resolution = resolution
        let ratios = space.expandRatios.count
        for (layer, choice) in zip(layers, choices) {
            config.kernelSizes[layer] = space.kernelSizes[choice / ratios]
            config.expandRatios[layer] = space.expandRatios[choice % ratios]
        }
        return config
    }

    private func value(_ quantity: Quantity, _ tally: LayerCosts.Tally) -> Double {
        costs.metrics(tally, on: device).value(of: quantity) ?? .infinity
    }
}

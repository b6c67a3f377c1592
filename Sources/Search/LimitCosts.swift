// What the limits of a search cost to check, as arrays: for every limited quantity the share of each layer's choice,
// at each resolution. A network's value is the sum of its layers' shares, or, for memory, their largest.
import Networks

/// The limited quantities of a search, looked up by genes.
struct LimitCosts: Sendable {
    /// One limited quantity.
    private struct Limited: Sendable {
        /// What may not be exceeded; infinite when the quantity is only asked for.
        var limit: Double
        /// Whether a network's value is the largest share, not their sum.
        let isPeak: Bool
        /// By resolution: the share of what no gene changes.
        let fixed: [Double]
        /// By resolution, layer and choice.
        let shares: [Double]
    }

    private let layout: GeneLayout
    private var limited: [Limited]

    /// The limits of `device`, over the costs of all layers.
    init(_ layout: GeneLayout, _ costs: LayerCosts, _ device: DeviceTarget) {
        self.init(
            layout, costs, device,
            quantities: device.limits.limits.map { ($0.quantity, $0.limit) })
    }

    /// Any quantities, each with its limit.
    init(
        _ layout: GeneLayout, _ costs: LayerCosts, _ device: DeviceTarget,
        quantities: [(Quantity, Double)]
    ) {
        self.layout = layout
        limited = quantities.map { quantity, limit in
            func value(_ tally: LayerCosts.Tally) -> Double {
                costs.metrics(tally, on: device).value(of: quantity) ?? .infinity
            }
            var fixed: [Double] = []
            var shares: [Double] = []
            for resolution in layout.space.resolutions {
                fixed.append(value(costs.fixed(resolution)))
                for layer in 0..<layout.layers {
                    for choice in 0..<layout.choices {
                        shares.append(value(costs.layer(layer, choice: choice, resolution)))
                    }
                }
            }
            // Sums are made in another order than a network's own: a limit met to the last bits is met.
            let slack = quantity.isCounted ? 0 : -1e-12 * abs(limit)
            return Limited(
                limit: limit + slack, isPeak: quantity == .peakMemoryKB, fixed: fixed,
                shares: shares)
        }
    }

    /// The value of the quantity at this place of the list.
    func value(_ place: Int, _ genes: Genes) -> Double { value(limited[place], genes) }

    /// Whether a network meets every limit.
    func areMet(_ genes: Genes) -> Bool {
        for quantity in limited where value(quantity, genes) > quantity.limit { return false }
        return true
    }

    /// The same quantities with another limit for the one at `place`.
    func limiting(_ place: Int, to limit: Double) -> LimitCosts {
        var copy = self
        copy.limited[place].limit = limit
        return copy
    }

    /// What knapsacks of one resolution need: which choices a limit on the largest share forbids, and the other limits,
    /// weighted and each as a share of what is left of it beside the fixed costs, as steps of `steps`. Nil where a
    /// limit is exceeded before any layer.
    func knapsackCosts(_ resolution: Int, weights: [Double], steps: Int) -> [Int32]? {
        let count = layout.layers * layout.choices
        let start = resolution * count
        var shares = [Double](repeating: 0, count: count)
        var isForbidden = [Bool](repeating: false, count: count)
        for (quantity, weight) in zip(limited, weights) where quantity.limit.isFinite {
            let left = quantity.limit - (quantity.isPeak ? 0 : quantity.fixed[resolution])
            if quantity.fixed[resolution] > quantity.limit || left <= 0 { return nil }
            for place in 0..<count {
                let share = quantity.shares[start + place]
                if quantity.isPeak {
                    if share > left { isForbidden[place] = true }
                } else {
                    shares[place] += weight * share / left
                }
            }
        }
        return (0..<count).map { place in
            isForbidden[place] ? -1 : Int32((min(shares[place], 2) * Double(steps)).rounded())
        }
    }

    /// Weights of the limits for knapsacks around a network: all on the limit that it uses most, and, where there are
    /// several, a mixture.
    func mixes(_ genes: Genes, _ random: inout GeneRandom) -> [[Double]] {
        let use = use(genes)
        let most = use.indices.max { (use[$0], $1) < (use[$1], $0) }
        var mixes = [use.indices.map { $0 == most ? 1.0 : 0 }]
        let sums = limited.indices.filter { !limited[$0].isPeak && limited[$0].limit.isFinite }
        if sums.count > 1 {
            var mix = [Double](repeating: 0, count: limited.count)
            for place in sums { mix[place] = Double(1 + random.place(below: 1000)) }
            let total = mix.reduce(0, +)
            mixes.append(mix.map { $0 / total })
        }
        return mixes
    }

    /// How much of every limit a network uses: 0 where there is none, or where it is on the largest share.
    private func use(_ genes: Genes) -> [Double] {
        let resolution = Int(genes[layout.resolutionGene])
        return limited.map { quantity in
            if quantity.isPeak || !quantity.limit.isFinite { return 0 }
            let left = quantity.limit - quantity.fixed[resolution]
            return left > 0 ? (value(quantity, genes) - quantity.fixed[resolution]) / left : 1
        }
    }

    private func value(_ quantity: Limited, _ genes: Genes) -> Double {
        let resolution = Int(genes[layout.resolutionGene])
        var value = quantity.fixed[resolution]
        let start = resolution * layout.layers
        for stage in 0..<layout.stages {
            for layer in layout.activeLayers(stage, genes) {
                let share = quantity.shares[(start + layer) * layout.choices + Int(genes[layer])]
                value = quantity.isPeak ? max(value, share) : value + share
            }
        }
        return value
    }
}

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

// The limited quantities of a search as arrays. For every quantity and resolution, the arrays have the share
// (contribution) of each choice of a layer, and the shares of the other parts that depend on genes. A network's value
// of a quantity is the sum of the shares of its parts; for peak memory it is the largest share.
import Devices
import Networks

/// The limited quantities of a search, looked up by genes.
struct LimitCosts: Sendable {
    /// One limited quantity.
    private struct Limited: Sendable {
        /// The upper limit; infinite if the quantity is only computed.
        var limit: Double
        /// Whether a network's value is the largest of the shares instead of their sum.
        let isPeak: Bool
        /// By resolution: the sum (or maximum) of the shares of the parts that no other gene affects.
        let fixed: [Double]
        /// The shares of layers by resolution, layer, state (combination of values) of the width genes that affect the
        /// layer, and choice.
        let shares: [Double]
        /// By resolution: the shares of the parts that depth or width genes affect, but no layer's gene.
        let others: [Double]
    }

    /// The costs for a knapsack at one resolution, in steps; negative for a choice or depth that alone exceeds the
    /// limit on peak memory.
    struct Steps {
        /// The costs of layers, by layer and choice.
        var layers: [Int32]
        /// The costs of parts that a depth gene affects but no layer's gene, by stage and depth.
        var depths: [Int32]
    }

    private let layout: GeneLayout
    private let parts: NetworkParts
    /// For each layer, the part that the layer's gene affects; nil if there is no such part.
    private let layerParts: [NetworkParts.Part?]
    /// The largest number of states (combinations of width values) that affect one layer.
    private let states: Int
    /// The parts that only depth genes or width genes affect. `first` is the offset of the part's entries in the block
    /// of a resolution in `Limited.others`.
    private let others: [(part: NetworkParts.Part, first: Int)]
    private var limited: [Limited]

    /// Makes the arrays of the quantities that `device` limits, from `costs` of the layout's space.
    init(_ layout: GeneLayout, _ costs: LayerCosts, _ device: DeviceTarget) {
        self.init(
            layout, costs, device,
            quantities: device.limits.limits.map { ($0.quantity, $0.limit) })
    }

    /// Makes the arrays of `quantities`, each with its limit.
    init(
        _ layout: GeneLayout, _ costs: LayerCosts, _ device: DeviceTarget,
        quantities: [(Quantity, Double)]
    ) {
        self.layout = layout
        parts = costs.parts
        var layerParts = [NetworkParts.Part?](repeating: nil, count: layout.layers)
        var others: [(part: NetworkParts.Part, first: Int)] = []
        var fixed: [NetworkParts.Part] = [], count = 0
        for part in costs.parts.parts {
            if let layer = part.layer {
                layerParts[layer] = part
            } else if part.stage != nil || !part.widths.isEmpty {
                others.append((part, count))
                count += part.states
            } else {
                fixed.append(part)
            }
        }
        let states = layerParts.compactMap { $0?.states }.max() ?? 1
        (self.layerParts, self.others, self.states) = (layerParts, others, states)
        limited = quantities.map { quantity, limit in
            func value(_ entry: Int, _ resolution: Int) -> Double {
                costs.metrics(costs.tally(entry, resolution), on: device).value(of: quantity)
                    ?? .infinity
            }
            let isPeak = quantity == .peakMemoryKB
            let size = layout.layers * states * layout.choices
            var sums: [Double] = [], shares: [Double] = [], rest: [Double] = []
            for resolution in layout.space.resolutions {
                sums.append(
                    fixed.reduce(0) {
                        let share = value($1.first, resolution)
                        return isPeak ? max($0, share) : $0 + share
                    })
                var own = [Double](repeating: 0, count: size)
                for (layer, part) in layerParts.enumerated() {
                    guard let part else { continue }
                    for state in 0..<part.states {
                        for choice in 0..<part.choices {
                            own[(layer * states + state) * layout.choices + choice] = value(
                                part.first + state * part.choices + choice, resolution)
                        }
                    }
                }
                shares += own
                for (part, _) in others {
                    rest += (0..<part.states).map { value(part.first + $0, resolution) }
                }
            }
            // `LayerCosts` adds the shares in another order and so rounds differently. The limit is lowered by more
            // than the rounding error, so that a network that meets the lowered limit also meets the exact limit by
            // `LayerCosts`.
            let slack = quantity.isCounted ? 0 : -1e-12 * abs(limit)
            return Limited(
                limit: limit + slack, isPeak: isPeak, fixed: sums, shares: shares, others: rest)
        }
    }

    /// Returns a network's value of the quantity at index `place`.
    func value(_ place: Int, _ genes: Genes) -> Double { value(limited[place], genes) }

    /// Returns whether a network meets every limit.
    func areMet(_ genes: Genes) -> Bool {
        for quantity in limited where value(quantity, genes) > quantity.limit { return false }
        return true
    }

    /// Returns a copy with another limit for the quantity at index `place`.
    func limiting(_ place: Int, to limit: Double) -> LimitCosts {
        var copy = self
        copy.limited[place].limit = limit
        return copy
    }

    /// Returns the index of the combination of values that the width genes of a part have; 0 without width genes.
    private func state(_ part: NetworkParts.Part, _ genes: Genes) -> Int {
        part.widths.isEmpty ? 0 : parts.state(part) { layout.widthIndex($0, genes) }
    }

    /// Returns the costs of choices and depths for a knapsack at a network's resolution and widths; nil if the fixed
    /// costs use up a limit. Of each limit on a sum, a choice uses a fraction of the remainder, which is the limit
    /// minus the fixed costs. The cost of the choice is the sum of these fractions, weighted by `weights`, times
    /// `steps`. The cost is negative for a choice that alone exceeds the limit on peak memory.
    func knapsackSteps(_ genes: Genes, weights: [Double], steps: Int) -> Steps? {
        let resolution = Int(genes[layout.resolutionGene])
        var layers = [Double](repeating: 0, count: layout.layers * layout.choices)
        var depths = [Double](repeating: 0, count: layout.stages * layout.depths)
        for (quantity, weight) in zip(limited, weights) where quantity.limit.isFinite {
            let fixed = fixed(quantity, genes)
            let left = quantity.limit - (quantity.isPeak ? 0 : fixed)
            if fixed > quantity.limit || left <= 0 { return nil }
            func add(_ share: Double, _ place: Int, _ sums: inout [Double]) {
                if quantity.isPeak {
                    if share > left { sums[place] = .infinity }
                } else {
                    sums[place] += weight * share / left
                }
            }
            for layer in 0..<layout.layers {
                let first = first(layer, genes)
                for choice in 0..<layout.choices {
                    add(quantity.shares[first + choice], layer * layout.choices + choice, &layers)
                }
            }
            for (part, first) in others {
                guard let stage = part.stage else { continue }
                let entry = others(resolution) + first + state(part, genes)
                for depth in part.leastDepth..<layout.depths {
                    add(quantity.others[entry], stage * layout.depths + depth, &depths)
                }
            }
        }
        func rounded(_ sum: Double) -> Int32 {
            sum == .infinity ? -1 : Int32((min(sum, 2) * Double(steps)).rounded())
        }
        return Steps(layers: layers.map(rounded), depths: depths.map(rounded))
    }

    /// Returns weights of the limits for knapsacks around a network. The first list has all weight on the limit that
    /// the network uses most. If several limits are on sums (not on peak memory), a second list has random weights for
    /// these limits.
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

    /// Returns how much of each limit a network uses: (value - fixed costs) / (limit - fixed costs), or 1 if the fixed
    /// costs use up the limit; 0 for infinite limits and for limits on peak memory.
    private func use(_ genes: Genes) -> [Double] {
        limited.map { quantity in
            if quantity.isPeak || !quantity.limit.isFinite { return 0 }
            let fixed = fixed(quantity, genes), left = quantity.limit - fixed
            return left > 0 ? (value(quantity, genes) - fixed) / left : 1
        }
    }

    /// Returns the index in `Limited.shares` of a layer's first choice.
    private func first(_ layer: Int, _ genes: Genes) -> Int {
        let start = Int(genes[layout.resolutionGene]) * layout.layers + layer
        guard states > 1, let part = layerParts[layer] else {
            return start * states * layout.choices
        }
        return (start * states + state(part, genes)) * layout.choices
    }

    /// Returns the index in `Limited.others` of a resolution's first entry.
    private func others(_ resolution: Int) -> Int {
        resolution * (others.last.map { $0.first + $0.part.states } ?? 0)
    }

    /// Returns the fixed costs of networks with the resolution and widths of `genes`: the costs that layers and depths
    /// do not affect.
    private func fixed(_ quantity: Limited, _ genes: Genes) -> Double {
        let resolution = Int(genes[layout.resolutionGene])
        var value = quantity.fixed[resolution]
        for (part, first) in others where part.stage == nil {
            let share = quantity.others[others(resolution) + first + state(part, genes)]
            value = quantity.isPeak ? max(value, share) : value + share
        }
        return value
    }

    private func value(_ quantity: Limited, _ genes: Genes) -> Double {
        let resolution = Int(genes[layout.resolutionGene])
        var value = quantity.fixed[resolution]
        if !others.isEmpty {
            for (part, first) in others where isPresent(part, genes) {
                let share = quantity.others[others(resolution) + first + state(part, genes)]
                value = quantity.isPeak ? max(value, share) : value + share
            }
        }
        let start = resolution * layout.layers
        for stage in 0..<layout.stages {
            for layer in layout.activeLayers(stage, genes) {
                let first =
                    states == 1 ? (start + layer) * layout.choices : first(layer, genes)
                let share = quantity.shares[first + Int(genes[layer])]
                value = quantity.isPeak ? max(value, share) : value + share
            }
        }
        return value
    }

    private func isPresent(_ part: NetworkParts.Part, _ genes: Genes) -> Bool {
        guard let stage = part.stage else { return true }
        return Int(genes[layout.depthGene(stage)]) >= part.leastDepth
    }
}

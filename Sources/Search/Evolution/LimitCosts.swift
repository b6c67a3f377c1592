// The limited quantities of a search as arrays: for every quantity the share of each layer's
// choice, and of every other part that genes affect, at each resolution. A network's value is the
// sum of its shares; for memory, their maximum.
import Devices
import Networks

/// The limited quantities of a search, looked up by genes.
struct LimitCosts: Sendable {
    /// One limited quantity.
    private struct Limited: Sendable {
        /// The upper limit; infinite if the quantity is only computed.
        var limit: Double
        /// Whether a network's value is the maximum of the shares instead of their sum.
        let isPeak: Bool
        /// By resolution: the share that no gene changes.
        let fixed: [Double]
        /// By resolution, layer, state of the width genes that affect it, and choice.
        let shares: [Double]
        /// By resolution: the entries of parts without layer genes that other genes affect.
        let others: [Double]
    }

    /// The costs for a knapsack at one resolution, in steps; negative for a forbidden choice.
    struct Steps {
        /// By layer and choice.
        var layers: [Int32]
        /// By stage and depth: parts without layer genes.
        var depths: [Int32]
    }

    private let layout: GeneLayout
    private let parts: NetworkParts
    /// By layer, its part; nil if its choices do not differ in any cost.
    private let layerParts: [NetworkParts.Part?]
    /// The most states of a layer's width genes.
    private let states: Int
    /// The other parts that genes affect, each with its first entry in `Limited.others`.
    private let others: [(part: NetworkParts.Part, first: Int)]
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
            // These sums are added in another order than `LayerCosts` adds them: tolerate rounding.
            let slack = quantity.isCounted ? 0 : -1e-12 * abs(limit)
            return Limited(
                limit: limit + slack, isPeak: isPeak, fixed: sums, shares: shares, others: rest)
        }
    }

    /// The value of the quantity at this index.
    func value(_ place: Int, _ genes: Genes) -> Double { value(limited[place], genes) }

    /// Whether a network meets every limit.
    func areMet(_ genes: Genes) -> Bool {
        for quantity in limited where value(quantity, genes) > quantity.limit { return false }
        return true
    }

    /// A copy with another limit for the quantity at `place`.
    func limiting(_ place: Int, to limit: Double) -> LimitCosts {
        var copy = self
        copy.limited[place].limit = limit
        return copy
    }

    /// The state of a part's width genes.
    private func state(_ part: NetworkParts.Part, _ genes: Genes) -> Int {
        part.widths.isEmpty ? 0 : parts.state(part) { layout.widthIndex($0, genes) }
    }

    /// The costs for a knapsack at a network's resolution and widths, in steps of `steps`: the
    /// weighted mean of the limits, each relative to what the fixed costs leave of it; choices that
    /// a maximum forbids are negative. Nil if the fixed costs alone exceed a limit.
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

    /// Weights of the limits for knapsacks around a network: all on the limit that it uses most
    /// and, if there are several, a random mixture.
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

    /// The share of every limit that a network uses; 0 for infinite limits and for maxima.
    private func use(_ genes: Genes) -> [Double] {
        limited.map { quantity in
            if quantity.isPeak || !quantity.limit.isFinite { return 0 }
            let fixed = fixed(quantity, genes), left = quantity.limit - fixed
            return left > 0 ? (value(quantity, genes) - fixed) / left : 1
        }
    }

    /// The first entry of a layer's choices among the shares.
    private func first(_ layer: Int, _ genes: Genes) -> Int {
        let start = Int(genes[layout.resolutionGene]) * layout.layers + layer
        guard states > 1, let part = layerParts[layer] else {
            return start * states * layout.choices
        }
        return (start * states + state(part, genes)) * layout.choices
    }

    /// The first entry of a resolution among the other parts.
    private func others(_ resolution: Int) -> Int {
        resolution * (others.last.map { $0.first + $0.part.states } ?? 0)
    }

    /// The fixed costs of networks with these widths: those that layers and depths do not affect.
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

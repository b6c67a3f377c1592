// The network of the largest sum within one limit, exactly, by dynamic programming over the layers
// with the limit quantised into steps: the multiple-choice knapsack problem (Sinha and Zoltners,
// 1979), with depths that select the active layers. The sums approximate a score near one network
// (SingleChanges.swift); their best networks may differ from it in many genes at once.
//
// Image size and widths are held: a layer's cost depends on the widths before and after it, so that it could not be added
// to the others' whatever they chose. A climb solves one for each that it looks at.
import Networks
import Tensors

/// A dynamic programme over the layers of networks of one resolution and of given widths. Its memory is used again by
/// the next.
struct Knapsack {
    /// The values of choices.
    struct Values {
        /// By layer and choice.
        var layers: [Float]
        /// By stage and depth.
        var depths: [Float]
        /// By width gene and value, concatenated.
        var widths: [Float] = []
    }

    /// The sum where no network exists.
    static let impossible: Float = -1e30

    /// Number of steps of a limit, and of further steps above it: rounded costs may exceed the
    /// limit when exact ones do not.
    static let steps = 512, beyond = 4

    private let layout: GeneLayout
    /// The best sums by cost: a row before every stage and after the last, then a row per layer.
    private let rows: SumRows
    private var costs = LimitCosts.Steps(layers: [], depths: [])
    private var values = Values(layers: [], depths: [])

    /// Prepares to solve for networks of `layout`. Errors: as `SumRows.init`.
    init(_ layout: GeneLayout) throws {
        self.layout = layout
        rows = try SumRows(
            count: layout.stages + 1 + layout.layers, width: Self.steps + Self.beyond + 1)
    }

    /// The row after this layer; the first `stages + 1` rows are those between stages.
    private func row(_ layer: Int) -> Int { layout.stages + 1 + layer }

    /// Finds the best sum for every cost; fixed costs of all networks of these widths are not
    /// included.
    mutating func solve(_ values: Values, costs: LimitCosts.Steps) {
        (self.values, self.costs) = (values, costs)
        rows.fill(0, with: Self.impossible)
        rows[0, 0] = 0
        for stage in 0..<layout.stages {
            rows.fill(stage + 1, with: Self.impossible)
            if layout.isCoupled { solveCoupled(stage) } else { solveFree(stage) }
        }
    }

    private func solveFree(_ stage: Int) {
        let depths = layout.space.stages[stage].depths.count
        let layers = layout.layers(of: stage, depth: depths - 1)
        var before = stage
        /// Ends the stage at the depths with that many layers.
        func end(_ count: Int) {
            for depth in 0..<depths where layout.activeCount(stage, depth) == count {
                let place = stage * layout.depths + depth
                add(before, costs.depths[place], values.depths[place], to: stage + 1)
            }
        }
        end(0)
        for layer in layers {
            let after = row(layer)
            rows.fill(after, with: Self.impossible)
            for choice in 0..<layout.levels[layer] {
                let index = layer * layout.choices + choice
                add(before, costs.layers[index], values.layers[index], to: after)
            }
            before = after
            end(layer + 1 - layers.lowerBound)
        }
    }

    private func solveCoupled(_ stage: Int) {
        for depth in layout.space.stages[stage].depths.indices {
            let whole = coupled(stage, depth)
            add(stage, whole.cost, whole.value, to: stage + 1)
        }
    }

    /// A stage of coupled genes at one depth.
    private func coupled(_ stage: Int, _ depth: Int) -> (cost: Int32, value: Float) {
        let place = stage * layout.depths + depth
        var cost = costs.depths[place], value = values.depths[place]
        for layer in layout.layers(of: stage, depth: depth) {
            let index = layer * layout.choices + Int(layout.coupledChoice(stage, depth))
            if cost < 0 || costs.layers[index] < 0 { return (-1, value) }
            cost += costs.layers[index]
            value += values.layers[index]
        }
        return (cost, value)
    }

    /// Updates row `target` with row `from`, shifted by `cost` and increased by `value`, where that
    /// is larger.
    private func add(_ from: Int, _ cost: Int32, _ value: Float, to target: Int) {
        if cost >= 0 { rows.raise(target, from: from, by: Int(cost), plus: value) }
    }

    /// The best sum of a network that costs exactly `cost` steps.
    func best(_ cost: Int) -> Float { rows[layout.stages, cost] }

    /// The network of the best sum at a cost that `best` says is possible, with the resolution and the widths of `like`.
    func network(_ cost: Int, like: Genes) -> Genes {
        var genes = like
        for layer in 0..<layout.layers { genes[layer] = 0 }
        var left = cost
        for stage in (0..<layout.stages).reversed() {
            let depth = depth(stage, left)
            genes[layout.layers + stage] = UInt8(depth)
            if layout.isCoupled {
                left -= Int(coupled(stage, depth).cost)
                continue
            }
            left -= Int(costs.depths[stage * layout.depths + depth])
            let layers = layout.layers(of: stage, depth: depth)
            for layer in layers.reversed() {
                let choice = choice(
                    layer, left, before: layer == layers.lowerBound ? stage : row(layer - 1))
                genes[layer] = UInt8(choice)
                left -= Int(costs.layers[layer * layout.choices + choice])
            }
        }
        layout.settle(&genes)
        return genes
    }

    private func depth(_ stage: Int, _ cost: Int) -> Int {
        var best = (sum: -Float.infinity, depth: 0)
        for depth in layout.space.stages[stage].depths.indices {
            var sum = Self.impossible
            if layout.isCoupled {
                let whole = coupled(stage, depth)
                if whole.cost >= 0, Int(whole.cost) <= cost {
                    sum = rows[stage, cost - Int(whole.cost)] + whole.value
                }
            } else {
                let place = stage * layout.depths + depth, own = Int(costs.depths[place])
                let layers = layout.layers(of: stage, depth: depth)
                if own >= 0, own <= cost {
                    sum =
                        rows[layers.isEmpty ? stage : row(layers.upperBound - 1), cost - own]
                        + values.depths[place]
                }
            }
            if sum > best.sum { best = (sum, depth) }
        }
        return best.depth
    }

    private func choice(_ layer: Int, _ cost: Int, before: Int) -> Int {
        var best = (sum: -Float.infinity, choice: 0)
        for choice in 0..<layout.levels[layer] {
            let index = layer * layout.choices + choice, price = Int(costs.layers[index])
            guard price >= 0, price <= cost else { continue }
            let sum = rows[before, cost - price] + values.layers[index]
            if sum > best.sum { best = (sum, choice) }
        }
        return best.choice
    }
}

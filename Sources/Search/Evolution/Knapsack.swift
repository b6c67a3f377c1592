// Finds the network with the largest sum of values within one limit: the multiple-choice knapsack problem (Sinha and
// Zoltners, 1979), with depths that select the active layers. Dynamic programming over the layers solves the problem
// exactly for a limit quantised into steps. The sums approximate a score near one network (SingleChanges.swift); the
// networks found may differ from that network in many genes.
//
// Image size and widths are fixed within a knapsack: a layer's cost depends on the widths before and after the layer,
// so costs could not be added independently of other choices. A climb solves a knapsack for each size and each width
// that it considers.
import Networks
import Tensors

/// A dynamic programme over the layers of networks of one resolution and of given widths. Every call of `solve` reuses
/// the same memory.
struct Knapsack {
    /// The values that a knapsack sums, one for each choice of a gene.
    struct Values {
        /// The values of layers' choices, by layer and choice.
        var layers: [Float]
        /// The values of depths, by stage and depth.
        var depths: [Float]
        /// The values of widths, by width gene and value, `widthLevels` entries per gene.
        var widths: [Float] = []
    }

    /// The sum that stands for "no network".
    static let impossible: Float = -1e30

    /// `steps` is the number of steps into which a limit is quantised. Costs up to `beyond` steps above the limit are
    /// also solved, because a sum of rounded costs may exceed the limit when the exact sum does not.
    static let steps = 512, beyond = 4

    private let layout: GeneLayout
    /// The best sums by cost: one row before every stage and one after the last stage, then one row per layer.
    private let rows: SumRows
    private var costs = LimitCosts.Steps(layers: [], depths: [])
    private var values = Values(layers: [], depths: [])

    /// Prepares to solve for networks of `layout`. Errors: those of `SumRows.init`.
    init(_ layout: GeneLayout) throws {
        self.layout = layout
        rows = try SumRows(
            count: layout.stages + 1 + layout.layers, width: Self.steps + Self.beyond + 1)
    }

    /// Returns the index of the row after a layer; the first `stages + 1` rows are the rows before and after stages.
    private func row(_ layer: Int) -> Int { layout.stages + 1 + layer }

    /// Finds the best sum for every cost; costs that no layer or depth affects are not included.
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
        /// Enters the best sums of networks with `count` active layers in this stage into the row after the stage.
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

    /// Returns the cost and the value of a whole stage, whose genes are coupled, at one depth; a negative cost means
    /// that a layer or the depth alone exceeds the limit on peak memory.
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

    /// Shifts the sums of row `from` by `cost`, adds `value`, and writes each sum into row `target` if it exceeds the
    /// sum there.
    private func add(_ from: Int, _ cost: Int32, _ value: Float, to target: Int) {
        if cost >= 0 { rows.maxPlus(target, from: from, by: Int(cost), plus: value) }
    }

    /// Returns the best sum of a network that costs exactly `cost` steps.
    func best(_ cost: Int) -> Float { rows[layout.stages, cost] }

    /// Returns the network with the best sum at `cost` and with the resolution and widths of `like`; `best(cost)` must
    /// not be `impossible`.
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
        layout.applyCoupling(&genes)
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

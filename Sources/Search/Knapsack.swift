// The network of the largest sum within one limit, exactly: a dynamic programme over the layers, with the limit cut into
// steps. Sums are what a score is near one network (SingleChanges.swift); their best networks differ from it in many
// genes at once. The multiple-choice knapsack (Sinha and Zoltners, 1979), with depths that decide which layers count.
import Networks
import Tensors

/// A dynamic programme over the layers of networks of one resolution. Its memory is used again by the next.
struct Knapsack {
    /// What choices are worth.
    struct Values {
        /// By layer and choice.
        var layers: [Float]
        /// By stage and depth.
        var depths: [Float]
    }

    /// What a sum of no network is.
    static let impossible: Float = -1e30

    /// Steps that a limit is cut into, and how many above it are looked at, because rounded costs may exceed it when
    /// the exact ones do not.
    static let steps = 512, beyond = 4

    private let layout: GeneLayout
    /// The best sum by cost: of the layers before a stage, then of it at every depth up to its last layer.
    private let rows: SumRows
    private var costs: [Int32] = []
    private var values = Values(layers: [], depths: [])

    /// Prepares to solve for networks of `layout`. Errors: as `SumRows.init`.
    init(_ layout: GeneLayout) throws {
        self.layout = layout
        rows = try SumRows(
            count: layout.stages + 1 + layout.layers, width: Self.steps + Self.beyond + 1)
    }

    /// The row after this layer; the first `stages + 1` rows are those between stages.
    private func row(_ layer: Int) -> Int { layout.stages + 1 + layer }

    /// Finds the best sums for every cost. `costs` are steps by layer and choice, negative for a choice that may not be
    /// taken; they start at 0 for what all networks share.
    mutating func solve(_ values: Values, costs: [Int32]) {
        (self.values, self.costs) = (values, costs)
        rows.fill(0, with: Self.impossible)
        rows[0, 0] = 0
        for stage in 0..<layout.stages {
            if layout.isCoupled { solveCoupled(stage) } else { solveFree(stage) }
        }
    }

    private func solveFree(_ stage: Int) {
        var before = stage
        rows.fill(stage + 1, with: Self.impossible)
        for place in 0..<layout.maxDepth {
            let layer = stage * layout.maxDepth + place, after = row(layer)
            rows.fill(after, with: Self.impossible)
            for choice in 0..<layout.choices {
                let index = layer * layout.choices + choice
                add(before, costs[index], values.layers[index], to: after)
            }
            before = after
            for (depth, layers) in layout.space.depths.enumerated() where layers == place + 1 {
                add(
                    after, 0, values.depths[stage * layout.space.depths.count + depth],
                    to: stage + 1)
            }
        }
    }

    private func solveCoupled(_ stage: Int) {
        rows.fill(stage + 1, with: Self.impossible)
        for depth in layout.space.depths.indices {
            let whole = coupled(stage, depth)
            add(stage, whole.cost, whole.value, to: stage + 1)
        }
    }

    /// A stage of coupled genes at one depth.
    private func coupled(_ stage: Int, _ depth: Int) -> (cost: Int32, value: Float) {
        var cost: Int32 = 0
        var value = values.depths[stage * layout.space.depths.count + depth]
        for place in 0..<layout.space.depths[depth] {
            let index =
                (stage * layout.maxDepth + place) * layout.choices
                + Int(layout.coupledChoice(stage, depth))
            if costs[index] < 0 { return (-1, value) }
            cost += costs[index]
            value += values.layers[index]
        }
        return (cost, value)
    }

    /// What is in one row, dearer by `cost` and better by `value`, to another where it is the best.
    private func add(_ from: Int, _ cost: Int32, _ value: Float, to target: Int) {
        if cost >= 0 { rows.raise(target, from: from, by: Int(cost), plus: value) }
    }

    /// The best sum of a network that costs exactly so many steps.
    func best(_ cost: Int) -> Float { rows[layout.stages, cost] }

    /// The network of the best sum at a cost that `best` says is possible, its resolution 0.
    func network(_ cost: Int) -> Genes {
        var genes = Genes(repeating: 0, count: layout.levels.count)
        var left = cost
        for stage in (0..<layout.stages).reversed() {
            let depth = depth(stage, left)
            genes[layout.layers + stage] = UInt8(depth)
            if layout.isCoupled {
                left -= Int(coupled(stage, depth).cost)
                continue
            }
            for place in (0..<layout.space.depths[depth]).reversed() {
                let layer = stage * layout.maxDepth + place
                let choice = choice(layer, left, before: place == 0 ? stage : row(layer - 1))
                genes[layer] = UInt8(choice)
                left -= Int(costs[layer * layout.choices + choice])
            }
        }
        layout.settle(&genes)
        return genes
    }

    private func depth(_ stage: Int, _ cost: Int) -> Int {
        var best = (sum: -Float.infinity, depth: 0)
        for (depth, layers) in layout.space.depths.enumerated() {
            var sum = Self.impossible
            if layout.isCoupled {
                let whole = coupled(stage, depth)
                if whole.cost >= 0, Int(whole.cost) <= cost {
                    sum = rows[stage, cost - Int(whole.cost)] + whole.value
                }
            } else {
                sum =
                    rows[row(stage * layout.maxDepth + layers - 1), cost]
                    + values.depths[stage * layout.space.depths.count + depth]
            }
            if sum > best.sum { best = (sum, depth) }
        }
        return best.depth
    }

    private func choice(_ layer: Int, _ cost: Int, before: Int) -> Int {
        var best = (sum: -Float.infinity, choice: 0)
        for choice in 0..<layout.choices {
            let index = layer * layout.choices + choice, price = Int(costs[index])
            guard price >= 0, price <= cost else { continue }
            let sum = rows[before, cost - price] + values.layers[index]
            if sum > best.sum { best = (sum, choice) }
        }
        return best.choice
    }
}

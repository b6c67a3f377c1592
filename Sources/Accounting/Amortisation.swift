// What a specialised network cost with its share of everything it was made from.

/// Splits the cost of attempts over the device targets that descend from them.
public struct Amortisation<Node: Hashable, Target: Hashable>: Equatable {
    /// The cost of each target; the order is that of the targets given.
    public let targets: [(target: Target, cost: Int64)]
    /// The cost of nodes that no target descends from.
    public let unallocated: Int64

    /// Splits equally, in whole units: what targets cost and the rest add up to all costs.
    ///
    /// `costs` is the cost of every node (an attempt, a stage) in order; `ancestors` gives for
    /// every target the nodes it descends from, its own included. Ancestors without a cost cost
    /// nothing. Where a cost does not divide, the odd units go to the first of the node's targets
    /// in turn, so that no target gathers them all.
    public init(costs: [(node: Node, cost: Int64)], ancestors: [(target: Target, nodes: Set<Node>)])
    {
        var sums = [Int64](repeating: 0, count: ancestors.count)
        var rest: Int64 = 0
        var turn = 0
        for (node, cost) in costs {
            let heirs = ancestors.indices.filter { ancestors[$0].nodes.contains(node) }
            if heirs.isEmpty {
                rest += cost
                continue
            }
            let parts = LargestRemainder.split(cost, weights: heirs.map { _ in 1 })
            for (position, part) in parts.enumerated() {
                sums[heirs[(position + turn) % heirs.count]] += part
            }
            turn += 1
        }
        targets = zip(ancestors, sums).map { ($0.target, $1) }
        unallocated = rest
    }

    /// Equal targets with equal costs, and equal rests.
    public static func == (left: Amortisation, right: Amortisation) -> Bool {
        left.unallocated == right.unallocated && left.targets.elementsEqual(right.targets, by: ==)
    }
}

// The amortised cost of a specialised network: its own and a share of its ancestors' costs.

/// Splits the cost of attempts over the device targets that descend from them.
public struct Amortisation<Node: Hashable, Target: Hashable>: Equatable {
    /// The cost of each target, in the order of `ancestors`.
    public let targets: [(target: Target, cost: Int64)]
    /// The cost of nodes without a descendant among the targets.
    public let unallocated: Int64

    /// Splits each cost equally among its descendants, in whole units; the parts add up exactly to
    /// all costs.
    ///
    /// `costs` is the cost of every node (an attempt, a stage) in order; `ancestors` gives for
    /// every target the nodes it descends from, its own included. Ancestors without a cost cost
    /// nothing. Remainders go to a node's targets in turn, so that no target collects them all.
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

    /// Compares targets, costs and the unallocated rest.
    public static func == (left: Amortisation, right: Amortisation) -> Bool {
        left.unallocated == right.unallocated && left.targets.elementsEqual(right.targets, by: ==)
    }
}

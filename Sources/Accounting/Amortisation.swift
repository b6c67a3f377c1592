// The amortised cost of a specialised network: its own cost and a share of the costs of its
// ancestors.

/// Splits the costs of nodes (attempts or stages) among the device targets that descend from the
/// nodes.
public struct Amortisation<Node: Hashable, Target: Hashable>: Equatable {
    /// The cost of each target, in the order of `ancestors`.
    public let targets: [(target: Target, cost: Int64)]
    /// The summed cost of the nodes from which no target descends.
    public let unallocated: Int64

    /// Splits each cost equally, in whole units, among the targets that descend from its node. The
    /// costs of the targets and `unallocated` add up exactly to all costs.
    ///
    /// `costs` has the cost of each node (an attempt, a stage) in order; `ancestors` has for each
    /// target the nodes that it descends from, including its own nodes. Nodes without an entry in
    /// `costs` cost nothing. The remainders of the divisions go to the targets in turn, so that no
    /// target gets all remainders.
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

    /// Compares the costs of the targets and the unallocated cost.
    public static func == (left: Amortisation, right: Amortisation) -> Bool {
        left.unallocated == right.unallocated && left.targets.elementsEqual(right.targets, by: ==)
    }
}

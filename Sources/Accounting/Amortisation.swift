// The amortised cost of networks for devices: what each of them cost alone, and its share of what several of them
// descend from.

/// How the cost of a stage is divided among the networks that descend from it.
public enum AmortisationSplit: String, Sendable, CaseIterable {
    /// In equal parts.
    case equal
    /// Not at all: a network is charged what it alone descends from, and the rest is shared.
    case marginal
    /// In proportion to how often the networks are used.
    case use
}

/// Divides the costs of nodes (stages) among the targets (networks for devices) that descend from them.
public struct Amortisation<Node: Hashable, Target> {
    /// A target, the nodes that it descends from, its own nodes included, and how often it is used, which only counts
    /// for `AmortisationSplit.use`.
    public struct Heir {
        /// The target.
        public let target: Target
        /// The nodes that the target descends from.
        public let nodes: Set<Node>
        /// The number of uses, at least 0.
        public let uses: Int64

        /// `nodes` are those that `target` descends from; `uses` is at least 0.
        public init(_ target: Target, nodes: Set<Node>, uses: Int64 = 1) {
            (self.target, self.nodes, self.uses) = (target, nodes, uses)
        }
    }

    /// The cost of one target.
    public struct Share {
        /// The target.
        public let target: Target
        /// The cost of the target: what it alone descends from, and its parts of what it shares with others.
        public internal(set) var cost = CostSum()
        /// The part of `cost` that is of nodes from which no other target descends.
        public internal(set) var own = CostSum()
    }

    /// The costs of the targets, in their order.
    public let targets: [Share]
    /// The cost of the nodes from which several targets descend, if it is not divided (`marginal`); otherwise nothing.
    public let shared: CostSum
    /// The nodes that are charged to no target, with their costs: no target descends from them, or all that do have no
    /// uses.
    public let unallocated: [(node: Node, cost: CostSum)]

    /// Divides `costs`, which has each node once. The costs of the targets, `shared` and `unallocated` add up exactly
    /// to the costs. Nodes of a target that have no cost cost nothing. Units that do not divide go to the targets in
    /// turn, so that no target gets all of them.
    public init(
        costs: [(node: Node, cost: CostSum)], heirs: [Heir], split: AmortisationSplit = .equal
    ) {
        var places: [Node: [Int]] = [:]
        for (place, heir) in heirs.enumerated() {
            for node in heir.nodes { places[node, default: []].append(place) }
        }
        var shares = heirs.map { Share(target: $0.target) }
        var shared = CostSum()
        var unallocated: [(node: Node, cost: CostSum)] = []
        var turn = 0
        for (node, cost) in costs {
            let having = places[node] ?? []
            let weights = having.map { split == .use ? heirs[$0].uses : 1 }
            guard weights.contains(where: { $0 > 0 }) else {
                unallocated.append((node, cost))
                continue
            }
            if having.count == 1 {
                shares[having[0]].own = shares[having[0]].own + cost
                shares[having[0]].cost = shares[having[0]].cost + cost
            } else if split == .marginal {
                shared = shared + cost
            } else {
                for (place, part) in zip(having, cost.divided(by: weights, turn: turn)) {
                    shares[place].cost = shares[place].cost + part
                }
                turn += 1
            }
        }
        (targets, self.shared, self.unallocated) = (shares, shared, unallocated)
    }

    /// The sum of the unallocated costs.
    public var unallocatedCost: CostSum { CostSum.sum(unallocated.lazy.map(\.cost)) }
}

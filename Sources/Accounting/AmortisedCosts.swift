// The costs of runs divided over the networks for devices that descend from them.

import Foundation
import Metering
import Postgres
import Schema

/// The costs of runs, divided over the networks for devices that descend from them.
public struct AmortisedCosts: Sendable {
    /// The cost of one network.
    public struct Share: Sendable {
        /// The network.
        public let network: DeviceNetwork
        /// How often the network is used; nil if the costs are not divided by uses.
        public let uses: Int64?
        /// The cost of the network.
        public let cost: CostSum
        /// The part of `cost` that only this network caused.
        public let own: CostSum
    }

    /// The cost of a stage that is charged to no network.
    public struct Rest: Sendable {
        /// The stage.
        public let place: StageOfRun
        /// Whether the cost is of attempts that failed or were cancelled; otherwise no network that is used descends
        /// from the stage.
        public let isFailed: Bool
        /// The cost.
        public let cost: CostSum
    }

    /// How the costs are divided.
    public let split: AmortisationSplit
    /// The runs whose costs are divided; nil for all runs.
    public let runs: [Int64]?
    /// Networks and costs until this time are considered: with later networks the cost of each falls.
    public let asOf: Date
    /// The version of the factor set.
    public let factors: Int
    /// The costs of the networks that descend from the runs.
    public let targets: [Share]
    /// The cost of what several networks share, if it is not divided.
    public let shared: CostSum
    /// The costs that are charged to no network.
    public let unallocated: [Rest]
    /// The sum of all costs.
    public let total: CostSum

    /// The sum of the costs that are charged to no network.
    public var unallocatedCost: CostSum { CostSum.sum(unallocated.lazy.map(\.cost)) }
    /// The other runs that made networks of `targets`; their own costs are not divided here.
    public var otherRuns: [Int64] {
        guard let runs else { return [] }
        return Set(targets.map(\.network.run)).subtracting(runs).sorted()
    }

    private struct Node: Hashable {
        /// The position of the stage's cost, which tells jobs of several kinds or devices in one stage apart.
        let index: Int
        let isFailed: Bool
    }

    /// Divides the costs `stages` of `runs` (nil: of all runs) over `networks`. `uses` has the number of uses of each
    /// network by artifact, for `AmortisationSplit.use`; a network without a number has no uses. Networks that descend
    /// from none of the stages are left out.
    public init(
        _ stages: [StageCost], of runs: [Int64]?, over networks: [DeviceNetwork],
        split: AmortisationSplit = .equal, uses: [Int64: Int64] = [:], asOf: Date, factors: Int
    ) {
        var nodes: [StageOfRun: [Node]] = [:]
        var costs: [(node: Node, cost: CostSum)] = []
        for (index, stage) in stages.enumerated() {
            nodes[stage.place, default: []].append(Node(index: index, isFailed: false))
            costs.append((Node(index: index, isFailed: false), stage.cost))
            if stage.failed != CostSum() {
                costs.append((Node(index: index, isFailed: true), stage.failed))
            }
        }
        let heirs = networks.compactMap { network -> Amortisation<Node, DeviceNetwork>.Heir? in
            let own = network.stages.flatMap { nodes[$0] ?? [] }
            guard !own.isEmpty else { return nil }
            return .init(network, nodes: Set(own), uses: uses[network.artifact] ?? 0)
        }
        let divided = Amortisation(costs: costs, heirs: heirs, split: split)
        targets = zip(heirs, divided.targets).map { heir, share in
            Share(
                network: share.target, uses: split == .use ? heir.uses : nil, cost: share.cost,
                own: share.own)
        }
        shared = divided.shared
        unallocated = divided.unallocated.compactMap { node, cost in
            cost == CostSum()
                ? nil
                : Rest(place: stages[node.index].place, isFailed: node.isFailed, cost: cost)
        }
        total = CostSum.sum(costs.lazy.map(\.cost))
        (self.split, self.runs, self.asOf, self.factors) = (split, runs, asOf, factors)
    }
}

extension CostLedger {
    /// Divides the costs of `runs`, or of all runs, over the networks for devices that descend from them, as of
    /// `moment`, by default now. `uses` returns the number of uses of each of these networks, by artifact; it is only
    /// called for `AmortisationSplit.use`. Errors: `unknownZone`, and those of `uses`.
    public func amortised(
        runs: [Int64]?, split: AmortisationSplit = .equal, asOf moment: Date? = nil,
        factors: FactorSet, uses: ([DeviceNetwork]) throws -> [Int64: Int64] = { _ in [:] }
    ) throws -> AmortisedCosts {
        let asOf = try self.moment(moment)
        let networks = try deviceNetworks(from: runs, until: asOf)
        return AmortisedCosts(
            try stageCosts(runs: runs, until: moment, factors: factors), of: runs, over: networks,
            split: split, uses: split == .use ? try uses(networks) : [:], asOf: asOf,
            factors: factors.version)
    }
}

extension AmortisedCosts {
    /// The JSON form of the divided costs.
    public struct Document: Sendable, Encodable {
        let split: String
        let runs: [Int64]?
        let as_of: Date
        let factors: Int
        let targets: [Target]
        let shared: CostSum.Document
        let unallocated: CostSum.Document
        let unallocated_stages: [Unallocated]
        let total: CostSum.Document
        let other_runs: [Int64]
    }

    /// The JSON form of the cost of a network.
    public struct Target: Sendable, Encodable {
        let share: Share
        let shareOfTotal: Double?

        private enum Key: String, CodingKey {
            case device, artifact, name, run, uses
            case own = "own_energy_uj"
            case share = "share_of_total"
        }

        /// Writes the network, then the fields of its cost.
        public func encode(to encoder: any Encoder) throws {
            try share.cost.document.encode(to: encoder)
            var fields = encoder.container(keyedBy: Key.self)
            try fields.encode(share.network.device, forKey: .device)
            try fields.encode(share.network.artifact, forKey: .artifact)
            try fields.encode(share.network.name, forKey: .name)
            try fields.encode(share.network.run, forKey: .run)
            try fields.encode(share.uses, forKey: .uses)
            try fields.encode(
                share.own.isKnown ? share.own.energy.microjoules : nil, forKey: .own)
            try fields.encode(shareOfTotal, forKey: .share)
        }
    }

    /// The JSON form of a cost that is charged to no network.
    public struct Unallocated: Sendable, Encodable {
        let rest: Rest

        private enum Key: String, CodingKey { case run, stage, reason }

        /// Writes the stage and the reason, then the fields of the cost.
        public func encode(to encoder: any Encoder) throws {
            try rest.cost.document.encode(to: encoder)
            var fields = encoder.container(keyedBy: Key.self)
            try fields.encode(rest.place.run, forKey: .run)
            try fields.encode(rest.place.stage, forKey: .stage)
            try fields.encode(rest.isFailed ? "failed" : "no_target", forKey: .reason)
        }
    }

    /// Returns the part of `cost` in the energy of all costs; nil if either energy is unknown.
    public func shareOfTotal(_ cost: CostSum) -> Double? {
        cost.isKnown && total.energy.microjoules > 0
            ? Double(cost.energy.microjoules) / Double(total.energy.microjoules) : nil
    }

    /// The divided costs as a JSON document.
    public var document: Document {
        Document(
            split: split.rawValue, runs: runs, as_of: asOf, factors: factors,
            targets: targets.map { Target(share: $0, shareOfTotal: shareOfTotal($0.cost)) },
            shared: shared.document, unallocated: unallocatedCost.document,
            unallocated_stages: unallocated.map { Unallocated(rest: $0) },
            total: total.document, other_runs: otherRuns)
    }
}

extension AmortisedCosts.Document {
    /// A row of the costs as one table: a network, or shared, unallocated or all costs.
    public struct Row: Sendable, Encodable {
        /// `target`, `shared`, `unallocated` or `total`.
        let row: String
        let target: AmortisedCosts.Target?
        let cost: CostSum.Document?

        private enum Key: String, CodingKey { case row }

        /// Writes the fields of the network or the cost, then `row`.
        public func encode(to encoder: any Encoder) throws {
            try target?.encode(to: encoder)
            try cost?.encode(to: encoder)
            var fields = encoder.container(keyedBy: Key.self)
            try fields.encode(row, forKey: .row)
        }
    }

    /// The costs as one table, whose rows before the last add up to the last.
    public var rows: [Row] {
        targets.map { Row(row: "target", target: $0, cost: nil) } + [
            Row(row: "shared", target: nil, cost: shared),
            Row(row: "unallocated", target: nil, cost: unallocated),
            Row(row: "total", target: nil, cost: total),
        ]
    }
}

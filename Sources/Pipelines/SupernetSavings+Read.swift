// Reads what one supernet saved from the evaluations of a run, and from the ledger.

import Accounting
import Artifacts
import Foundation
import Jobs
import Postgres

extension SupernetSavings {
    /// An evaluation of a network that a search chose.
    private struct Found {
        let evaluation: ArmEvaluation
        let network: ArmEvaluation.Network
        let way: Way
        /// The stage that chose the network, and the one that made the weights.
        let search, training: StageOfRun
        let aim: AccuracyRecord?
        /// Artifacts that the network descends from and that no stage of the run made.
        let elsewhere: [ArtifactID]
    }

    /// Returns the newest runs that may have measured what a supernet saves, newest first, at most `most`.
    public static func candidates(_ connection: Connection, most: Int = 5) throws -> [RunID] {
        try connection.query(.savingsRuns(most: most)).map { try $0.int64("run_id") }
    }

    /// Reads what the supernet of run `run` saved; nil unless the run cut networks that searches chose, trained the same
    /// architectures alone, and evaluated both. `evaluations` are the run's, in the order of its stages.
    static func read(
        _ connection: Connection, run: RunID, evaluations: [ArtifactID], factors: FactorSet
    ) throws -> SupernetSavings? {
        let store = ArtifactStore(connection), lineage = Lineage(connection)
        let found = try evaluations.compactMap {
            try Self.found(try store.get($0), run, lineage)
        }
        guard let first = found.first, found.contains(where: { $0.way == .cut }),
            found.contains(where: { $0.way != .cut })
        else { return nil }
        let ledger = CostLedger(connection)
        let costs = Dictionary(
            grouping: try ledger.stageCosts(runs: [run], factors: factors), by: \.place)
        let networks = try ledger.deviceNetworks(from: [run], until: try ledger.moment())
        var shared: [UInt64: Set<StageOfRun>] = [:]
        // The seeds whose supernet needed what another run made.
        var unknown: Set<UInt64> = []
        let measured = found.map { one in
            let (seed, device) = (one.evaluation.seed, one.network.name)
            var own: Set<StageOfRun> = [one.training]
            if one.way == .cut {
                // The stages that the device's network descends from: its own, and those that all devices share.
                let made = networks.last { $0.device == device && $0.stages.contains(one.search) }
                own = []
                for place in made?.stages ?? [] {
                    guard let cost = costs[place]?.first, cost.kind != "import-dataset" else {
                        continue
                    }
                    if cost.device == device { own.insert(place) }
                    if cost.device == nil { shared[seed, default: []].insert(place) }
                }
                if !one.elsewhere.isEmpty { unknown.insert(seed) }
            } else if !one.elsewhere.isEmpty {
                own = []
            }
            return Measured(
                seed: seed, device: device, way: one.way, name: one.evaluation.arm,
                macs: one.network.macs, top1: one.network.top1,
                heldOutTop1: one.network.heldOutTop1,
                epochs: one.way == .cut ? nil : one.evaluation.netEpochs,
                cost: part(own, costs), aim: one.aim)
        }
        return SupernetSavings(
            measured,
            fixed: shared.filter { !unknown.contains($0.key) }.compactMapValues {
                part($0, costs)
            },
            testImages: first.evaluation.testImages,
            heldOutImages: found.lazy.compactMap(\.evaluation.heldOutImages).first,
            elsewhere: Set(found.flatMap(\.elsewhere)).sorted())
    }

    /// Returns the cost of stages, failed attempts included; nil without stages.
    private static func part(
        _ places: Set<StageOfRun>, _ costs: [StageOfRun: [StageCost]]
    ) -> Part? {
        let parts = places.flatMap { costs[$0] ?? [] }.map { Part($0.total) }
        guard let first = parts.first else { return nil }
        return parts.dropFirst().reduce(first, +)
    }

    /// Returns what `artifact`, an evaluation, says of a network that a search of the run chose; nil if no search chose
    /// it, or if its weights were trained in another run.
    private static func found(_ artifact: Artifact, _ run: RunID, _ lineage: Lineage) throws
        -> Found?
    {
        let inputs = try lineage.inputs(
            of: artifact, hidden: ArtifactRole.datasetShard.rawValue)
        func input(_ role: ArtifactRole) -> Artifact? {
            inputs.last { $0.role == role.rawValue }?.artifact
        }
        guard let choice = input(.choice)?.producer, choice.run == run,
            let supernet = input(.supernet), let training = supernet.producer,
            try ArmComparison.phases(of: artifact, run, lineage).stages != nil
        else { return nil }
        let evaluation = try JSONText.decode(
            ArmEvaluation.self, from: artifact.metadataJSON, what: "artifact \(artifact.id)")
        let metadata = try JSONText.decode(
            SupernetMetadata.self, from: supernet.metadataJSON, what: "artifact \(supernet.id)")
        guard let network = evaluation.networks.first else { return nil }
        let way: Way = metadata.alone != true ? .cut : metadata.aim == nil ? .alone : .aimed
        return Found(
            evaluation: evaluation, network: network, way: way,
            search: StageOfRun(run: choice.run, stage: choice.stage),
            training: StageOfRun(run: training.run, stage: training.stage), aim: metadata.aim,
            elsewhere: try elsewhere(artifact, supernet, way, run, lineage))
    }

    /// Returns the artifacts that no stage of the run made, of those that the network of `evaluation` descends from; its
    /// weights are those of `supernet`. Images count for no way. The architecture of a training alone, and the accuracy
    /// at which it ends, are given.
    private static func elsewhere(
        _ evaluation: Artifact, _ supernet: Artifact, _ way: Way, _ run: RunID, _ lineage: Lineage
    ) throws -> [ArtifactID] {
        var given: Set<ArtifactRole> = [.dataset, .testImages, .datasetShard, .importRecord]
        if way != .cut { given.formUnion([.choice, .evaluation]) }
        let roles = Set(given.map(\.rawValue))
        let graph = try lineage.graph(
            .up, of: [evaluation.id],
            Lineage.Scope(
                limit: 1_000_000, hidden: ArtifactRole.datasetShard.rawValue, isDetailed: false))
        let inputs = Dictionary(
            grouping: graph.edges.filter { !roles.contains($0.role) }, by: \.output)
        let own = Set(graph.artifacts.filter { $0.producer?.run == run }.map(\.id))
        var reached: Set<ArtifactID> = [], next = [way == .cut ? evaluation.id : supernet.id]
        var found: [ArtifactID] = []
        while let one = next.popLast() {
            guard reached.insert(one).inserted else { continue }
            if own.contains(one) {
                next += (inputs[one] ?? []).map(\.input)
            } else {
                found.append(one)
            }
        }
        return found
    }
}

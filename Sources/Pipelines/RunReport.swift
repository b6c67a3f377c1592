// The report of a run: its networks with predicted and measured figures, and the costs of every
// stage and device. The JSON fields are a stable interface for scripts.

import Accounting
import Artifacts
import Foundation
import Jobs
import Networks
import Postgres
import Search

/// The report of one run.
public struct RunReport: Encodable, Sendable {
    /// One materialised network.
    public struct NetworkRow: Encodable, Sendable {
        /// The artifact of the network's weights.
        public let artifact: ArtifactID
        /// The network's figures.
        public let figures: NetworkFigures
        /// The number of bytes that the network's blob takes in the store; 0 if unknown.
        public let storedBytes: Int
        /// The search result that the network was made from; it contains the front. Nil if no search chose the network.
        public let choice: ArtifactID?
        /// The front that the network was chosen from; nil if the search stored no front or the search result cannot be
        /// read.
        public let front: ParetoFront?
        /// The cost of all stages of the network's device in this run; nil for the largest and smallest networks.
        public let branch: BranchCost?
        /// The stage that made the network; nil if unknown.
        public var stage: String?
        /// Whether another stage of the run made a network for the same purpose, as with several seeds.
        var isOneOfSeveral = false
        /// The latency table by which the search chose the network; nil if the search read none.
        public var latencyTable: TableInUse?

        /// The name of the network in the report: its device and whether it was fine-tuned, with the stage if several
        /// stages made one for it.
        public var name: String { figures.label + suffix }
        /// The device, with the stage if several stages made a network for it.
        public var device: String { figures.device + suffix }

        private var suffix: String {
            isOneOfSeveral ? stage.map { " (\($0))" } ?? "" : ""
        }
    }

    /// A stage that did not succeed.
    public struct Problem: Encodable, Sendable, Equatable {
        /// The stage.
        public let stage: String
        /// The state of the stage.
        public let state: StageStatus.State
        /// The reason why the stage did not succeed.
        public let reason: String
    }

    /// A search result that cannot be read; the report lacks its front.
    public struct Unreadable: Encodable, Sendable, Equatable {
        /// The artifact.
        public let artifact: ArtifactID
        /// The problem.
        public let reason: String
        /// How to fix the problem; nil if unknown.
        public let remedy: String?

        private enum CodingKeys: CodingKey { case artifact, reason, remedy }

        /// Writes the fields of `ofa report --json`.
        public func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: CodingKeys.self)
            try fields.encode(artifact.rawValue, forKey: .artifact)
            try fields.encode(reason, forKey: .reason)
            try fields.encode(remedy, forKey: .remedy)
        }
    }

    /// The run.
    public let run: RunSummary
    /// The duration of the run in seconds, until now if it is running.
    public let seconds: Double
    /// The networks extracted for devices, in the order in which they were made.
    public let networks: [NetworkRow]
    /// The largest and smallest networks of supernets that the run measured, named `largest` or `smallest`, and with the
    /// stage if several stages measured one.
    public let ends: [(name: String, row: NetworkRow)]
    /// The largest and the smallest network; nil if the run measured none, or several.
    public var largest: NetworkRow? { only(\.isLargest) }
    /// See `largest`.
    public var smallest: NetworkRow? { only(\.isSmallest) }

    private func only(_ isEnd: KeyPath<NetworkFigures, Bool>) -> NetworkRow? {
        let found = ends.filter { $0.row.figures[keyPath: isEnd] }
        return found.count == 1 ? found[0].row : nil
    }
    /// The comparison of the run's ways of training; nil if the run has no stage of kind `evaluate` that completed.
    public let comparison: ArmComparison?
    /// What one supernet saved against networks that the run trained alone; nil if it trained none that a search chose.
    public let savings: SupernetSavings?
    /// The artifacts that `comparison` and `savings` were made from.
    let evaluations: [ArtifactID]
    /// The cost of every stage, including failed attempts.
    public let cost: CostReport
    /// The cost of every device that has stages in this run.
    public let branches: [BranchCost]
    /// The stages that failed or were cancelled.
    public let problems: [Problem]
    /// Search results whose bytes are damaged or missing, so that the report lacks their fronts.
    public let unreadable: [Unreadable]

    /// The earlier run whose supernet the networks were extracted from; nil if the supernet is this run's own.
    public var source: RunID? { branches.first { $0.isAdded }?.source }

    /// Collects the report of a run.
    public init(_ connection: Connection, run id: RunID, factors: FactorSet) throws {
        let status = try JobQueue(connection).runStatus(id)
        run = status.run
        seconds = (run.endedAt ?? Date()).timeIntervalSince(run.createdAt)
        problems = status.stages.filter { [.failed, .cancelled].contains($0.state) }.map {
            Problem(
                stage: $0.name, state: $0.state,
                reason: $0.problem ?? "a stage it needs failed")
        }
        let ledger = CostLedger(connection)
        cost = try ledger.report(run: id, by: .stage, factors: factors)
        branches = try ledger.branches(run: id, factors: factors).filter { $0.run == id }
        let (rows, unreadable) = try Self.rows(connection, id, branches)
        self.unreadable = unreadable
        (comparison, evaluations) = try ArmComparison.read(
            connection, run: id, stages: status.stages.map(\.name), cost: cost)
        savings = try SupernetSavings.read(
            connection, run: id, evaluations: evaluations, factors: factors)
        let named = Self.named(rows)
        func isEnd(_ row: NetworkRow) -> Bool { row.figures.isLargest || row.figures.isSmallest }
        ends = (named.filter(\.figures.isLargest) + named.filter(\.figures.isSmallest)).map {
            ($0.name, $0)
        }
        networks = named.filter { !isEnd($0) }
    }

    /// Returns the last network of every stage, and marks those for the same device.
    static func named(_ rows: [NetworkRow]) -> [NetworkRow] {
        let last = rows.enumerated().filter { place, row in
            row.stage == nil || !rows[(place + 1)...].contains { $0.stage == row.stage }
        }.map(\.element)
        let counts = Dictionary(grouping: last, by: \.figures.label).mapValues(\.count)
        return last.map { row in
            var row = row
            row.isOneOfSeveral = counts[row.figures.label, default: 0] > 1
            return row
        }
    }

    private static func rows(_ connection: Connection, _ run: RunID, _ branches: [BranchCost])
        throws -> ([NetworkRow], [Unreadable])
    {
        var unreadable: [Unreadable] = []
        let store = ArtifactStore(connection)
        let blobs = BlobStore(connection)
        let choices = try store.list(run: run, kind: ArtifactRole.choice.rawValue)
        let lineage = Lineage(connection)
        let rows = try store.list(run: run, kind: ArtifactRole.subnet.rawValue)
            .sorted { $0.id < $1.id }
            .map { artifact in
                let figures = try JSONText.decode(
                    NetworkFigures.self, from: artifact.metadataJSON,
                    what: "artifact \(artifact.id)")
                // `choice` is the search result that the network was made from. Another attempt may have made another
                // search result for the same device.
                let inputs = Set(
                    try lineage.up(artifact.id, limit: 20).edges.filter { $0.output == artifact.id }
                        .map(\.input))
                let choice = choices.first { inputs.contains($0.id) }
                var row = NetworkRow(
                    artifact: artifact.id, figures: figures,
                    storedBytes: try blobs.info(artifact.digest)?.storedBytes ?? 0,
                    choice: choice?.id,
                    front: try choice.flatMap { try front($0, blobs, &unreadable) },
                    branch: figures.target == nil && figures.predictedAccuracy == nil
                        ? nil : branches.first { $0.device == figures.device },
                    stage: artifact.producer?.stage)
                row.latencyTable = try choice.flatMap { try TableInUse(of: $0, lineage) }
                return row
            }
        return (rows, unreadable)
    }

    private static func front(
        _ choice: Artifact, _ blobs: BlobStore, _ unreadable: inout [Unreadable]
    ) throws -> ParetoFront? {
        do {
            return try JSONText.decode(
                Choice.self, from: String(decoding: try blobs.get(choice.digest), as: UTF8.self),
                what: "artifact \(choice.id) (\(choice.kind))"
            ).front
        } catch let error as ArtifactsError where error.isOfBytes {
            unreadable.append(
                Unreadable(artifact: choice.id, reason: error.reason, remedy: error.remedy))
            return nil
        }
    }

    private enum Key: String, CodingKey {
        case run, name, state, seconds, source_run, largest_test_accuracy, smallest_test_accuracy,
            ends, networks, cost, total, branches, problems, unreadable, comparison, savings
    }

    /// The largest or smallest network of a supernet, with the field names of `ofa report --json`.
    private struct EndDocument: Encodable {
        let network: String
        let stage: String?
        let artifact: Int64
        let test_accuracy: Double
        let macs, params: Int

        init(_ row: NetworkRow) {
            network = row.figures.device
            stage = row.stage
            artifact = row.artifact.rawValue
            test_accuracy = row.figures.testAccuracy
            (macs, params) = (row.figures.macs, row.figures.params)
        }
    }

    /// Writes the fields of `ofa report --json`.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(run.id, forKey: .run)
        try fields.encode(run.name, forKey: .name)
        try fields.encode(run.state, forKey: .state)
        try fields.encode(seconds, forKey: .seconds)
        try fields.encode(source, forKey: .source_run)
        try fields.encode(largest?.figures.testAccuracy, forKey: .largest_test_accuracy)
        try fields.encode(smallest?.figures.testAccuracy, forKey: .smallest_test_accuracy)
        try fields.encode(
            ends.map { EndDocument($0.row) }, forKey: .ends)
        try fields.encode(networks, forKey: .networks)
        try fields.encode(comparison, forKey: .comparison)
        try fields.encode(savings, forKey: .savings)
        let document = cost.document
        try fields.encode(document.rows, forKey: .cost)
        try fields.encode(document.total, forKey: .total)
        try fields.encode(branches.map(\.document), forKey: .branches)
        try fields.encode(problems, forKey: .problems)
        try fields.encode(unreadable, forKey: .unreadable)
    }
}

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
    /// The artifacts that `comparison` was made from.
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
            ends, networks, cost, total, branches, problems, unreadable, comparison
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
        let document = cost.document
        try fields.encode(document.rows, forKey: .cost)
        try fields.encode(document.total, forKey: .total)
        try fields.encode(branches.map(\.document), forKey: .branches)
        try fields.encode(problems, forKey: .problems)
        try fields.encode(unreadable, forKey: .unreadable)
    }
}

extension RunReport.NetworkRow {
    private enum Key: String, CodingKey {
        case device, stage, artifact, arch, predicted_accuracy, test_accuracy, latency_ms,
            table_latency_ms, macs, params
        case flash_bytes, peak_activation_bytes, blob_bytes, assumption
        case bits, predicted_bits, float_test_accuracy, float_held_out_accuracy, quantisation_loss,
            quantisation
        case accuracy_uncertainty, accuracy_difference, test_accuracy_error, test_images
        case expected_test_accuracy, expected_test_accuracy_error, expected_difference
        case held_out_accuracy, held_out_accuracy_error, held_out_difference, held_out_images
        case latency_difference, latency_table_error, latency_ms_low, latency_ms_high, energy_mj
        case limits, choice, front, branch, second_search, class_names, fine_tuning
        case threads, latency_table, latency_table_threads, latency_table_is_outdated
    }

    /// A second search with the field names of `ofa report --json`.
    private struct SecondSearchDocument: Encodable {
        let bound_ms, first_latency_ms: Double
        let outcome: SecondSearch.Outcome

        init(_ second: SecondSearch) {
            bound_ms = second.boundMs
            first_latency_ms = second.firstLatencyMs
            outcome = second.outcome
        }
    }

    /// A fine-tuning with the field names of `ofa report --json`.
    private struct FineTuningDocument: Encodable {
        struct Figures: Encodable {
            let held_out_accuracy: Double
            let held_out_accuracy_error: Double?
            let held_out_loss: Double?

            private enum CodingKeys: CodingKey {
                case held_out_accuracy, held_out_accuracy_error, held_out_loss
            }

            func encode(to encoder: any Encoder) throws {
                var fields = encoder.container(keyedBy: CodingKeys.self)
                try fields.encode(held_out_accuracy, forKey: .held_out_accuracy)
                try fields.encode(held_out_accuracy_error, forKey: .held_out_accuracy_error)
                try fields.encode(held_out_loss, forKey: .held_out_loss)
            }
        }

        let source: Int64
        let epochs, learning_rate: Double
        let steps, skipped_steps, held_out_images: Int
        let before: Figures
        let after: Figures?
        let failure: String?
        let kept: FineTuning.Side

        init(_ tuning: FineTuning) {
            func figures(_ figures: FineTuning.Figures) -> Figures {
                Figures(
                    held_out_accuracy: figures.accuracy,
                    held_out_accuracy_error: tuning.error(figures), held_out_loss: figures.loss)
            }
            source = tuning.source
            (epochs, learning_rate) = (tuning.epochs, tuning.learningRate)
            (steps, skipped_steps) = (tuning.steps, tuning.skippedSteps)
            held_out_images = tuning.heldOutImages
            (before, after) = (figures(tuning.before), tuning.after.map(figures))
            (failure, kept) = (tuning.failure, tuning.kept)
        }

        func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: CodingKeys.self)
            try fields.encode(source, forKey: .source)
            try fields.encode(epochs, forKey: .epochs)
            try fields.encode(learning_rate, forKey: .learning_rate)
            try fields.encode(steps, forKey: .steps)
            try fields.encode(skipped_steps, forKey: .skipped_steps)
            try fields.encode(held_out_images, forKey: .held_out_images)
            try fields.encode(before, forKey: .before)
            try fields.encode(after, forKey: .after)
            try fields.encode(failure, forKey: .failure)
            try fields.encode(kept, forKey: .kept)
        }

        private enum CodingKeys: CodingKey {
            case source, epochs, learning_rate, steps, skipped_steps, held_out_images
            case before, after, failure, kept
        }
    }

    /// A front as pairs of cost and predicted accuracy.
    private struct FrontDocument: Encodable {
        let over: ParetoFront.Axis
        let points: [[Double]]

        init(_ front: ParetoFront) {
            over = front.axis
            points = front.networks.compactMap { network in
                front.axis.value(network.metrics).map { [$0, network.predictedAccuracy] }
            }
        }
    }

    /// Writes the fields of `ofa report --json`.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(figures.device, forKey: .device)
        try fields.encode(stage, forKey: .stage)
        try fields.encode(artifact.rawValue, forKey: .artifact)
        try fields.encode(figures.arch, forKey: .arch)
        try fields.encode(figures.predictedAccuracy, forKey: .predicted_accuracy)
        try fields.encode(figures.accuracyUncertainty, forKey: .accuracy_uncertainty)
        try fields.encode(figures.testAccuracy, forKey: .test_accuracy)
        try fields.encode(figures.testError, forKey: .test_accuracy_error)
        try fields.encode(figures.testImages, forKey: .test_images)
        try fields.encode(figures.accuracyDifference, forKey: .accuracy_difference)
        try fields.encode(figures.expectedTestAccuracy, forKey: .expected_test_accuracy)
        try fields.encode(figures.expectedTestError, forKey: .expected_test_accuracy_error)
        try fields.encode(figures.expectedDifference, forKey: .expected_difference)
        try fields.encode(figures.heldOutAccuracy, forKey: .held_out_accuracy)
        try fields.encode(figures.heldOutError, forKey: .held_out_accuracy_error)
        try fields.encode(figures.heldOutImages, forKey: .held_out_images)
        try fields.encode(figures.heldOutDifference, forKey: .held_out_difference)
        try fields.encode(figures.latencyMs, forKey: .latency_ms)
        try fields.encode(figures.tableLatencyMs, forKey: .table_latency_ms)
        try fields.encode(figures.latencyDifference, forKey: .latency_difference)
        try fields.encode(figures.latencyError, forKey: .latency_table_error)
        try fields.encode(figures.latencyMsLow, forKey: .latency_ms_low)
        try fields.encode(figures.latencyMsHigh, forKey: .latency_ms_high)
        try fields.encode(figures.energyMJ, forKey: .energy_mj)
        try fields.encode(figures.macs, forKey: .macs)
        try fields.encode(figures.params, forKey: .params)
        try fields.encode(figures.flashBytes, forKey: .flash_bytes)
        try fields.encode(figures.peakActivationBytes, forKey: .peak_activation_bytes)
        try fields.encode(storedBytes, forKey: .blob_bytes)
        try fields.encode(figures.assumption, forKey: .assumption)
        try fields.encode(figures.bits, forKey: .bits)
        try fields.encode(
            figures.predictedAccuracy.map { _ in figures.predictedBits ?? 32 },
            forKey: .predicted_bits)
        try fields.encode(figures.floatTestAccuracy, forKey: .float_test_accuracy)
        try fields.encode(figures.floatHeldOutAccuracy, forKey: .float_held_out_accuracy)
        try fields.encode(figures.quantisationLoss, forKey: .quantisation_loss)
        try fields.encode(figures.eightBits?.document, forKey: .quantisation)
        try fields.encode(figures.limitRows, forKey: .limits)
        try fields.encode(figures.again.map(SecondSearchDocument.init), forKey: .second_search)
        try fields.encode(
            figures.fineTuning.map(FineTuningDocument.init), forKey: .fine_tuning)
        try fields.encode(choice?.rawValue, forKey: .choice)
        try fields.encode(front.map(FrontDocument.init), forKey: .front)
        try fields.encode(branch?.document, forKey: .branch)
        try fields.encode(threads, forKey: .threads)
        try fields.encode(latencyTable?.artifact.rawValue, forKey: .latency_table)
        try fields.encode(latencyTable?.summary.knownThreads, forKey: .latency_table_threads)
        try fields.encode(latencyTable?.summary.knownOutdated, forKey: .latency_table_is_outdated)
        if let names = figures.classNames { try fields.encode(names, forKey: .class_names) }
    }
}

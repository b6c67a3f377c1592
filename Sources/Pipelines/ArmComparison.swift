// Compares arms, which are ways of training, by the test accuracies of the same networks over several seeds.

import Artifacts
import Foundation
import Jobs
import Postgres

/// The accuracies of several networks, each trained in several ways.
public struct ArmComparison: Encodable, Sendable, Equatable {
    /// The accuracy of one network in one arm, over the seeds.
    public struct Cell: Encodable, Sendable, Equatable {
        /// Top-1 accuracies in 0…1, by ascending seed.
        public let values: [Double]
        /// Their mean.
        public var mean: Double { values.reduce(0, +) / Double(values.count) }
        /// Their sample standard deviation; nil for a single seed.
        public var deviation: Double? {
            guard values.count > 1 else { return nil }
            let mean = mean
            let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
            return (squares / Double(values.count - 1)).squareRoot()
        }

        private enum CodingKeys: CodingKey { case values, mean, deviation }

        /// Writes the fields of `ofa report --json`.
        public func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: CodingKeys.self)
            try fields.encode(values, forKey: .values)
            try fields.encode(mean, forKey: .mean)
            try fields.encode(deviation, forKey: .deviation)
        }
    }

    /// A measured network.
    public struct Network: Encodable, Sendable, Equatable {
        /// The name in the pipeline file.
        public let name: String
        /// Multiply-accumulates of one image.
        public let macs: Int
    }

    /// One way of training.
    public struct Arm: Encodable, Sendable, Equatable {
        /// The name in the pipeline file.
        public let name: String
        /// The seeds, ascending.
        public let seeds: [UInt64]
        /// The net-epochs of one seed, over all supernets of the arm; nil if unknown or different from seed to seed.
        public let netEpochs: Double?
        /// The accuracies in the order of the comparison's networks; nil for networks that were not measured.
        public let cells: [Cell?]

        private enum CodingKeys: String, CodingKey {
            case name, seeds, cells
            case netEpochs = "net_epochs"
        }

        /// Writes the fields of `ofa report --json`.
        public func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: CodingKeys.self)
            try fields.encode(name, forKey: .name)
            try fields.encode(seeds, forKey: .seeds)
            try fields.encode(netEpochs, forKey: .netEpochs)
            try fields.encode(cells, forKey: .cells)
        }
    }

    /// The networks, largest first.
    public let networks: [Network]
    /// The arms, in the order of the pipeline file.
    public let arms: [Arm]
    /// The number of test images.
    public let testImages: Int

    private enum CodingKeys: String, CodingKey {
        case networks, arms
        case testImages = "test_images"
    }

    /// Compares `evaluations`, in the order of the pipeline's stages; nil if there are none.
    init?(_ evaluations: [ArmEvaluation]) {
        guard let first = evaluations.first else { return nil }
        testImages = first.testImages
        var known: [String: Int] = [:], names: [String] = []
        for evaluation in evaluations {
            if !names.contains(evaluation.arm) { names.append(evaluation.arm) }
            for network in evaluation.networks { known[network.name] = network.macs }
        }
        let networks = known.map { Network(name: $0.key, macs: $0.value) }.sorted {
            ($1.macs, $0.name) < ($0.macs, $1.name)
        }
        self.networks = networks
        arms = names.map { name in
            let own = evaluations.filter { $0.arm == name }.sorted { $0.seed < $1.seed }
            let seeds = Set(own.map(\.seed)).sorted()
            let budgets = seeds.map { seed in
                own.filter { $0.seed == seed }.reduce(Double?(0)) { sum, one in
                    sum.flatMap { sum in one.netEpochs.map { sum + $0 } }
                }
            }
            let budget = budgets[0].flatMap { first in
                budgets.allSatisfy { $0.map { abs($0 - first) <= 1e-6 * first } ?? false }
                    ? first : nil
            }
            return Arm(
                name: name, seeds: seeds, netEpochs: budget,
                cells: networks.map { network in
                    let values = own.flatMap { evaluation in
                        evaluation.networks.filter { $0.name == network.name }.map(\.top1)
                    }
                    return values.isEmpty ? nil : Cell(values: values)
                })
        }
    }

    /// Reads the evaluations of a run whose stages are `stages`, in order. Returns the comparison, nil without
    /// evaluations, and the artifacts that it was made from.
    static func read(_ connection: Connection, run: RunID, stages: [String]) throws -> (
        comparison: ArmComparison?, artifacts: [ArtifactID]
    ) {
        let places = Dictionary(
            stages.enumerated().map { ($0.element, $0.offset) }
        ) { first, _ in first }
        let made = try ArtifactStore(connection).list(
            run: run, kind: ArtifactRole.evaluation.rawValue
        ).sorted {
            (places[$0.producer?.stage ?? ""] ?? .max, $0.id)
                < (places[$1.producer?.stage ?? ""] ?? .max, $1.id)
        }
        // Of several attempts of a stage, the last counts.
        var last: [String: Artifact] = [:]
        for artifact in made { last[artifact.producer?.stage ?? artifact.name] = artifact }
        let kept = made.filter { last[$0.producer?.stage ?? $0.name]?.id == $0.id }
        let evaluations = try kept.map {
            try JSONText.decode(
                ArmEvaluation.self, from: $0.metadataJSON, what: "artifact \($0.id)")
        }
        return (ArmComparison(evaluations), kept.map(\.id))
    }

    /// The comparison as a table: the titles of the columns, and a row for each arm.
    public var table: (head: [String], rows: [[String]]) {
        let head = ["Arm", "Net-epochs", "Seeds"] + networks.map(\.name)
        let rows = arms.map { arm in
            [
                arm.name, arm.netEpochs.map { ReportText.decimal($0, 2) } ?? "",
                "\(arm.seeds.count)",
            ]
                + arm.cells.map { cell in
                    guard let cell else { return "" }
                    let spread = cell.deviation.map { " ± " + ReportText.decimal(100 * $0, 2) }
                    return ReportText.decimal(100 * cell.mean, 2) + (spread ?? "")
                }
        }
        return (head, rows)
    }

    /// One sentence about the table.
    public var caption: String {
        let spread =
            arms.contains { $0.seeds.count > 1 }
            ? "mean ± sample standard deviation over the seeds" : "of one seed"
        let error = 100 * (0.93 * 0.07 / Double(max(testImages, 1))).squareRoot()
        return
            "Top-1 accuracy on \(ReportText.grouped(testImages)) test images, in percent: \(spread)."
            + " The sampling error of the images is about \(ReportText.decimal(error, 2)) points at 93 %; all arms share"
            + " the images. Net-epochs are passes over the training images, summed over the networks of a step."
    }
}

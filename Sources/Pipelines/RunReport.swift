// What came out of a run: its networks and what every stage cost. The JSON fields are a contract with scripts.

import Accounting
import Artifacts
import Foundation
import Jobs
import Networks
import Postgres

/// The report of one run.
public struct RunReport: Encodable, Sendable {
    /// One materialised network.
    public struct NetworkRow: Encodable, Sendable {
        /// The artifact of its weights.
        public let artifact: ArtifactID
        /// What was found out about it.
        public let figures: NetworkFigures
        /// Bytes of its blob in the database.
        public let storedBytes: Int

        private enum Key: String, CodingKey {
            case device, artifact, arch, predicted_accuracy, test_accuracy, latency_ms,
                table_latency_ms, macs, params
            case flash_bytes, peak_activation_bytes, blob_bytes, assumption
        }

        /// Writes the fields of `ofa report --json`.
        public func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: Key.self)
            try fields.encode(figures.device, forKey: .device)
            try fields.encode(artifact.rawValue, forKey: .artifact)
            try fields.encode(figures.arch, forKey: .arch)
            try fields.encode(figures.predictedAccuracy, forKey: .predicted_accuracy)
            try fields.encode(figures.testAccuracy, forKey: .test_accuracy)
            try fields.encode(figures.latencyMs, forKey: .latency_ms)
            try fields.encode(figures.tableLatencyMs, forKey: .table_latency_ms)
            try fields.encode(figures.macs, forKey: .macs)
            try fields.encode(figures.params, forKey: .params)
            try fields.encode(figures.flashBytes, forKey: .flash_bytes)
            try fields.encode(figures.peakActivationBytes, forKey: .peak_activation_bytes)
            try fields.encode(storedBytes, forKey: .blob_bytes)
            try fields.encode(figures.assumption, forKey: .assumption)
        }
    }

    /// The run.
    public let run: RunSummary
    /// From its start to its end, or to now.
    public let seconds: Double
    /// The networks cut for devices, in the order they were made.
    public let networks: [NetworkRow]
    /// The supernet's largest and smallest networks, where the run measured them.
    public let largest, smallest: NetworkRow?
    /// What every stage cost, failed attempts included.
    public let cost: CostReport

    /// Collects the report of a run.
    public init(_ connection: Connection, run id: RunID, factors: FactorSet) throws {
        let queue = JobQueue(connection)
        let summary = try queue.run(id)
        run = summary
        seconds = (summary.endedAt ?? Date()).timeIntervalSince(summary.createdAt)
        let blobs = BlobStore(connection)
        let rows = try ArtifactStore(connection).list(run: id, kind: ArtifactRole.subnet.rawValue)
            .map { artifact in
                NetworkRow(
                    artifact: artifact.id,
                    figures: try JSONText.decode(
                        NetworkFigures.self, from: artifact.metadataJSON,
                        what: "artifact \(artifact.id)"),
                    storedBytes: try blobs.info(artifact.digest)?.storedBytes ?? 0)
            }.sorted { $0.artifact < $1.artifact }
        largest = rows.last { $0.figures.isLargest }
        smallest = rows.last { $0.figures.isSmallest }
        networks = rows.filter { !$0.figures.isLargest && !$0.figures.isSmallest }
        cost = try CostLedger(connection).report(run: id, by: .stage, factors: factors)
    }

    private enum Key: String, CodingKey {
        case run, name, state, seconds, largest_test_accuracy, smallest_test_accuracy, networks,
            cost, total
    }

    /// Writes the fields of `ofa report --json`.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(run.id, forKey: .run)
        try fields.encode(run.name, forKey: .name)
        try fields.encode(run.state, forKey: .state)
        try fields.encode(seconds, forKey: .seconds)
        try fields.encode(largest?.figures.testAccuracy, forKey: .largest_test_accuracy)
        try fields.encode(smallest?.figures.testAccuracy, forKey: .smallest_test_accuracy)
        try fields.encode(networks, forKey: .networks)
        let document = cost.document
        try fields.encode(document.rows, forKey: .cost)
        try fields.encode(document.total, forKey: .total)
    }
}

// The latency tables by which the networks of a run were chosen.

import Artifacts

extension RunReport {
    /// A latency table that a search read.
    public struct TableInUse: Sendable, Equatable {
        /// The table.
        public let artifact: ArtifactID
        /// What is recorded of it.
        public let summary: LatencyTableSummary

        /// Takes a table and its metadata.
        init(_ artifact: ArtifactID, _ summary: LatencyTableSummary) {
            (self.artifact, self.summary) = (artifact, summary)
        }

        /// Finds the table that the search stage which made `choice` read; nil if it read none.
        init?(of choice: Artifact, _ lineage: Lineage) throws {
            let above = try lineage.up(choice.id, limit: 20)
            let read = Set(above.edges.filter { $0.output == choice.id }.map(\.input))
            let table = above.artifacts.first {
                read.contains($0.id) && $0.kind == ArtifactRole.latencyTable.rawValue
            }
            guard let table else { return nil }
            self.init(table.id, try LatencyTableSummary(of: table))
        }
    }
}

extension RunReport.NetworkRow {
    /// The number of threads that run the network on its device.
    public var threads: Int { figures.target?.threads ?? 1 }

    /// How the latencies of `latencyTable` differ from those of today's measurement on the device's threads, as a
    /// sentence without its full stop; nil if they do not, or if that is not recorded.
    public var tableDifference: String? {
        latencyTable.flatMap { table in
            table.summary.difference(threads: threads).map {
                "its latency table (artifact \(table.artifact)) \($0)"
            }
        }
    }
}

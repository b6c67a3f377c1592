// From what an artifact was made, and what was made from it.

import Postgres
import Schema

/// The lineage recorded in one database.
public struct Lineage {
    /// Which way a walk goes.
    public enum Direction: String, Sendable, Codable {
        /// To what the artifact was made from.
        case up
        /// To what was made from the artifact.
        case down
    }

    /// Artifacts a walk returns at most, unless told otherwise.
    public static let usualLimit = 1000

    private let connection: Connection

    /// The lineage of this connection's database.
    public init(_ connection: Connection) {
        self.connection = connection
    }

    /// The artifact and everything it was made from, as far as `limit` artifacts.
    public func up(_ artifact: ArtifactID, limit: Int = usualLimit) throws -> LineageGraph {
        try walk(.up, artifact, limit) { .lineageUp(artifact: artifact.rawValue, most: $0) }
    }

    /// The artifact and everything made from it, as far as `limit` artifacts.
    public func down(_ artifact: ArtifactID, limit: Int = usualLimit) throws -> LineageGraph {
        try walk(.down, artifact, limit) { .lineageDown(artifact: artifact.rawValue, most: $0) }
    }

    private func walk(
        _ direction: Direction, _ root: ArtifactID, _ limit: Int, _ request: (Int) -> Request
    ) throws -> LineageGraph {
        // One more than the limit tells whether there is more.
        let rows = try connection.query(request(limit + 1))
        let reached = try rows.map { try Artifact($0) }
        guard let first = reached.first(where: { $0.id == root }) else {
            throw ArtifactsError(
                .notFound, "there is no artifact \(root)", remedy: "`ofa artifacts list` shows them"
            )
        }
        let kept = [first] + reached.filter { $0.id != root }.prefix(max(0, limit - 1))
        let edges = try connection.query(.lineageEdges(artifacts: kept.map(\.id.rawValue)))
        return LineageGraph(
            direction: direction, artifacts: kept,
            edges: try edges.map { row in
                LineageGraph.Edge(
                    input: ArtifactID(rawValue: try row.int64("input_id")),
                    output: ArtifactID(rawValue: try row.int64("output_id")),
                    role: try row.text("role"))
            }, isTruncated: reached.count > kept.count)
    }
}

/// A piece of lineage: artifacts, and what was read to make what.
public struct LineageGraph: Sendable, Equatable {
    /// One artifact read in a role to make another.
    public struct Edge: Sendable, Hashable, Codable {
        /// What was read.
        public var input: ArtifactID
        /// What was made.
        public var output: ArtifactID
        /// As what it was read.
        public var role: String

        /// Makes an edge.
        public init(input: ArtifactID, output: ArtifactID, role: String) {
            self.input = input
            self.output = output
            self.role = role
        }
    }

    /// Which way was walked.
    public let direction: Lineage.Direction
    /// The artifacts, the one asked about first.
    public let artifacts: [Artifact]
    /// The edges among them.
    public let edges: [Edge]
    /// True when the limit cut the walk off.
    public let isTruncated: Bool

    /// Makes a graph; the first artifact is its root.
    public init(
        direction: Lineage.Direction, artifacts: [Artifact], edges: [Edge], isTruncated: Bool
    ) {
        precondition(!artifacts.isEmpty, "a lineage has at least the artifact asked about")
        self.direction = direction
        self.artifacts = artifacts
        self.edges = edges
        self.isTruncated = isTruncated
    }

    /// The attempts that made these artifacts, the earliest first.
    public var attempts: [Artifact.Producer] {
        var seen = Set<Int64>()
        return artifacts.compactMap(\.producer).filter { seen.insert($0.token).inserted }
            .sorted { $0.token < $1.token }
    }
}

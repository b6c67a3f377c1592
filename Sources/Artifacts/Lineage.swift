// The ancestors and descendants of an artifact.

import Postgres
import Schema

/// The lineage recorded in one database.
public struct Lineage {
    /// The direction of a walk through the graph.
    public enum Direction: String, Sendable, Codable {
        /// From an artifact to its ancestors.
        case up
        /// From an artifact to its descendants.
        case down
    }

    /// The default limit on the number of artifacts of a walk.
    public static let usualLimit = 1000

    private let connection: Connection

    /// Uses the database of `connection`.
    public init(_ connection: Connection) {
        self.connection = connection
    }

    /// Returns the artifact and its ancestors, at most `limit` artifacts in all. Errors:
    /// `notFound`.
    public func up(_ artifact: ArtifactID, limit: Int = usualLimit) throws -> LineageGraph {
        try walk(.up, artifact, limit) { .lineageUp(artifact: artifact.rawValue, most: $0) }
    }

    /// Returns the artifact and its descendants, at most `limit` artifacts in all. Errors:
    /// `notFound`.
    public func down(_ artifact: ArtifactID, limit: Int = usualLimit) throws -> LineageGraph {
        try walk(.down, artifact, limit) { .lineageDown(artifact: artifact.rawValue, most: $0) }
    }

    private func walk(
        _ direction: Direction, _ root: ArtifactID, _ limit: Int, _ request: (Int) -> Request
    ) throws -> LineageGraph {
        // One row more than the limit shows whether the walk is truncated.
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

/// A lineage graph: artifacts and the edges among these artifacts.
public struct LineageGraph: Sendable, Equatable {
    /// An edge from an input to an output: the attempt that made the output read the input in a
    /// role.
    public struct Edge: Sendable, Hashable, Codable {
        /// The artifact that was read.
        public var input: ArtifactID
        /// The artifact that was made.
        public var output: ArtifactID
        /// The role of the input.
        public var role: String

        /// `input` was read in `role` to make `output`.
        public init(input: ArtifactID, output: ArtifactID, role: String) {
            self.input = input
            self.output = output
            self.role = role
        }
    }

    /// The direction of the walk.
    public let direction: Lineage.Direction
    /// The artifacts; the first is the root, at which the walk began.
    public let artifacts: [Artifact]
    /// The edges among `artifacts`.
    public let edges: [Edge]
    /// True if the limit truncated the walk.
    public let isTruncated: Bool

    /// Makes a graph; the first of `artifacts` is its root.
    public init(
        direction: Lineage.Direction, artifacts: [Artifact], edges: [Edge], isTruncated: Bool
    ) {
        precondition(!artifacts.isEmpty, "a lineage has at least the artifact asked about")
        self.direction = direction
        self.artifacts = artifacts
        self.edges = edges
        self.isTruncated = isTruncated
    }

    /// The graph without the artifacts of `kind`, but with its root, and with at most `limit`
    /// artifacts.
    public func without(kind: String, limit: Int) -> LineageGraph {
        let left = artifacts[..<1] + artifacts.dropFirst().filter { $0.kind != kind }
        let kept = Array(left.prefix(limit)), ids = Set(kept.map(\.id))
        return LineageGraph(
            direction: direction, artifacts: kept,
            edges: edges.filter { ids.contains($0.input) && ids.contains($0.output) },
            isTruncated: isTruncated || kept.count < left.count)
    }

    /// The attempts that made these artifacts, earliest first.
    public var attempts: [Artifact.Producer] {
        var seen = Set<Int64>()
        return artifacts.compactMap(\.producer).filter { seen.insert($0.token).inserted }
            .sorted { $0.token < $1.token }
    }
}

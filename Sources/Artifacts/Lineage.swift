// The ancestors and descendants of artifacts. LineagePaths.swift has the paths between two artifacts.

import Foundation
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
        /// From artifacts to their ancestors and to their descendants.
        case both
    }

    /// What a walk returns.
    public struct Scope: Sendable {
        /// The largest number of artifacts.
        public var limit: Int
        /// A role of inputs that is also a kind of artifacts. A walk only counts artifacts of this role or kind, and
        /// does not continue from them; nil for none.
        public var hidden: String?
        /// Whether to read the metadata of artifacts that stages made; otherwise it is `{}`.
        public var isDetailed: Bool

        /// By default, a walk returns at most `usualLimit` artifacts of all kinds, with metadata.
        public init(limit: Int = usualLimit, hidden: String? = nil, isDetailed: Bool = true) {
            self.limit = limit
            self.hidden = hidden
            self.isDetailed = isDetailed
        }
    }

    /// The default limit on the number of artifacts of a walk.
    public static let usualLimit = 1000

    let connection: Connection

    /// Uses the database of `connection`.
    public init(_ connection: Connection) {
        self.connection = connection
    }

    /// Returns the artifact and its nearest ancestors, at most `limit` artifacts in all. Errors:
    /// `notFound`.
    public func up(_ artifact: ArtifactID, limit: Int = usualLimit) throws -> LineageGraph {
        try graph(.up, of: [artifact], Scope(limit: limit))
    }

    /// Returns the artifact and its nearest descendants, at most `limit` artifacts in all. Errors:
    /// `notFound`.
    public func down(_ artifact: ArtifactID, limit: Int = usualLimit) throws -> LineageGraph {
        try graph(.down, of: [artifact], Scope(limit: limit))
    }

    /// Returns the artifacts `roots` and their nearest ancestors, descendants or both. Errors:
    /// `notFound`.
    public func graph(_ direction: Direction, of roots: [ArtifactID], _ scope: Scope) throws
        -> LineageGraph
    {
        // One artifact more than the limit shows whether the walk is truncated.
        let most = max(scope.limit, roots.count) + 1, ids = roots.map(\.rawValue)
        func walk(_ request: Request) throws -> [Reached] {
            try plannedQuery(request).map { try Reached($0) }
        }
        var above: [Reached] = [], below: [Reached] = []
        if direction != .down {
            above = try walk(
                .lineageUp(
                    artifacts: ids, hidden: scope.hidden, most: most, detailed: scope.isDetailed))
        }
        if direction != .up {
            below = try walk(
                .lineageDown(
                    artifacts: ids, most: most, hidden: scope.hidden,
                    detailed: scope.isDetailed))
        }
        let reached = Self.shared(above, below, most: most)
        let kept = try keeping(scope.limit, of: reached, roots: roots)
        let keptIDs = kept.artifacts.map(\.artifact.id.rawValue)
        return LineageGraph(
            direction: direction, rootCount: roots.count, artifacts: kept.artifacts.map(\.artifact),
            edges: try edges(direction, among: keptIDs, hidden: scope.hidden, most: most),
            collected: Dictionary(
                uniqueKeysWithValues: kept.artifacts.compactMap { one in
                    one.collectedAt.map { (one.artifact.id, $0) }
                }),
            hidden: try hiddenCount(direction, kept.artifacts.map(\.artifact), scope, roots),
            isTruncated: kept.isTruncated)
    }

    /// An artifact that an attempt read, and its role.
    public struct Source: Sendable, Equatable {
        /// The artifact.
        public let artifact: Artifact
        /// The role in which it was read.
        public let role: String
    }

    /// Returns the inputs of the attempt that made `artifact`, by role and number,
    /// without those in the role `hidden`; none for a user-supplied artifact.
    public func inputs(of artifact: Artifact, hidden: String? = nil) throws -> [Source] {
        guard let token = artifact.producer?.token else { return [] }
        let all = Int(Int32.max)
        return try connection.query(.lineageInputs(token: token, hidden: hidden, most: all)).map {
            Source(artifact: try Artifact($0), role: try $0.text("input_role"))
        }
    }

    /// An artifact of a walk.
    struct Reached {
        let artifact: Artifact
        /// When the bytes were collected; nil if they were not.
        let collectedAt: Date?

        init(_ row: Row) throws {
            artifact = try Artifact(row)
            collectedAt = try row.optionalDate("collected_at")
        }
    }

    /// Returns the edges among artifacts. A walk down begins with its roots whatever their kind, so it hides no role.
    private func edges(
        _ direction: Direction, among artifacts: [Int64], hidden: String?, most: Int
    ) throws -> [LineageGraph.Edge] {
        try plannedQuery(
            .lineageEdges(
                artifacts: artifacts, most: most, hidden: direction == .down ? nil : hidden)
        ).map { row in
            LineageGraph.Edge(
                input: ArtifactID(rawValue: try row.int64("input_id")),
                output: ArtifactID(rawValue: try row.int64("output_id")),
                role: try row.text("role"))
        }
    }

    /// Returns ancestors and descendants, nearest first: ancestors first, or in turn if `most` artifacts have no room
    /// for all.
    private static func shared(_ above: [Reached], _ below: [Reached], most: Int) -> [Reached] {
        guard above.count + below.count > most, !above.isEmpty, !below.isEmpty else {
            return above + below
        }
        return (0..<max(above.count, below.count)).flatMap { place in
            above.dropFirst(place).prefix(1) + below.dropFirst(place).prefix(1)
        }
    }

    /// Returns the roots, then the other artifacts in their order, at most `limit` in all unless
    /// there are more roots; and whether artifacts were left out.
    private func keeping(_ limit: Int, of reached: [Reached], roots: [ArtifactID]) throws
        -> (artifacts: [Reached], isTruncated: Bool)
    {
        let known = Dictionary(reached.map { ($0.artifact.id, $0) }) { first, _ in first }
        var seen = Set<ArtifactID>()
        var kept: [Reached] = []
        for root in roots where seen.insert(root).inserted {
            guard let one = known[root] else {
                throw ArtifactsError(
                    .notFound, "there is no artifact \(root)",
                    remedy: "`ofa artifacts list` shows them")
            }
            kept.append(one)
        }
        for one in reached where seen.insert(one.artifact.id).inserted {
            if kept.count >= limit { return (kept, true) }
            kept.append(one)
        }
        return (kept, false)
    }

    private func hiddenCount(
        _ direction: Direction, _ artifacts: [Artifact], _ scope: Scope, _ roots: [ArtifactID]
    ) throws -> Int {
        guard let hidden = scope.hidden else { return 0 }
        // In a walk down, the inputs of the roots are no descendants.
        let makers = direction == .down ? artifacts.filter { !roots.contains($0.id) } : artifacts
        let tokens = Set(makers.compactMap(\.producer?.token)).sorted()
        return try connection.queryOne(.lineageHidden(tokens: tokens, hidden: hidden))
            .int("hidden")
    }

    /// Runs one request with all plans but index look-ups disabled.
    func plannedQuery(_ request: Request) throws -> [Row] {
        // In the caller's transaction no plan is disabled, because the setting would last until that transaction ends.
        if connection.isInTransaction { return try connection.query(request) }
        return try connection.pipeline([Request(.lineagePlan), request])[1]
    }
}

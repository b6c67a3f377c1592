// The lineage graph of one or several artifacts: artifacts, edges, and which bytes were collected.

import Foundation

/// A lineage graph: artifacts and the edges among these artifacts.
public struct LineageGraph: Sendable, Equatable {
    /// An edge from an artifact that was read, in some role, to an artifact that was made from it.
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
    /// The number of roots, at which the walk began.
    public let rootCount: Int
    /// The artifacts; the first `rootCount` are the roots.
    public let artifacts: [Artifact]
    /// The edges among `artifacts`.
    public let edges: [Edge]
    /// The artifacts whose bytes were collected (deleted), with the time of the collection. The
    /// artifact remains as a tombstone.
    public let collected: [ArtifactID: Date]
    /// The number of artifacts that the walk only counted (`Lineage.Scope.hidden`).
    public let hidden: Int
    /// True if the limit truncated the walk.
    public let isTruncated: Bool

    /// Makes a graph; the first `rootCount` of `artifacts` are its roots, at least one.
    public init(
        direction: Lineage.Direction, rootCount: Int = 1, artifacts: [Artifact], edges: [Edge],
        collected: [ArtifactID: Date] = [:], hidden: Int = 0, isTruncated: Bool = false
    ) {
        precondition(rootCount > 0 && !artifacts.isEmpty, "a lineage has at least one root")
        self.direction = direction
        self.rootCount = min(rootCount, artifacts.count)
        self.artifacts = artifacts
        self.edges = edges
        self.collected = collected
        self.hidden = hidden
        self.isTruncated = isTruncated
    }

    /// The artifacts at which the walk began.
    public var roots: ArraySlice<Artifact> { artifacts[..<rootCount] }

    /// The attempts that made these artifacts, earliest first.
    public var attempts: [Artifact.Producer] {
        var seen = Set<Int64>()
        return artifacts.compactMap(\.producer).filter { seen.insert($0.token).inserted }
            .sorted { $0.token < $1.token }
    }

    /// Returns `collected on 2026-11-30` if the bytes of the artifact were collected; else nil.
    func collection(of artifact: Artifact) -> String? {
        collected[artifact.id].map { "collected on " + $0.formatted(.iso8601.year().month().day()) }
    }
}

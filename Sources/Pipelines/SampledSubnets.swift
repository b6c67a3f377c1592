// The subnets that a stage sampled, with their accuracies and costs, for charts.

import Artifacts
import Foundation
import Networks
import Postgres

/// Subnets whose accuracies were measured on held-out images.
public struct SampledSubnets: Sendable, Equatable {
    /// A measured subnet.
    public struct Subnet: Sendable, Equatable {
        /// Multiply-accumulates of one image.
        public let macs: Int
        /// Top-1 accuracy in 0...1 on held-out images.
        public let accuracy: Double
        /// The genes in words, such as `128 px, depths 2 2 3, kernels 3 to 7, expand 3 to 6`.
        public let words: String
    }

    /// The artifact with the accuracies.
    public let artifact: ArtifactID
    /// The stage that measured them; nil if a user supplied them.
    public let stage: String?
    /// The number of held-out images.
    public let images: Int
    /// Whether the subnets were measured in eight bits.
    public let areEightBits: Bool
    /// The subnets, in the order in which they were chosen.
    public let subnets: [Subnet]

    /// Reads the accuracies in an artifact of kind `accuracy-samples` and counts the subnets' costs; nil if the samples are
    /// of an older version, which did not store the space. Errors: those of the store, and `invalidArtifact`.
    public init?(_ artifact: Artifact, over connection: Connection) throws {
        let bytes = try BlobStore(connection).get(artifact.digest)
        let content = try JSONText.decode(
            AccuracySamples.self, from: String(decoding: bytes, as: UTF8.self),
            what: "artifact \(artifact.id) (\(artifact.kind))")
        guard let space = content.definition else { return nil }
        self.artifact = artifact.id
        stage = artifact.producer?.stage
        images = content.images
        areEightBits = content.bits == 8
        subnets = try content.samples.map {
            Subnet(
                macs: try NetworkCost(space, $0.config).macs, accuracy: $0.accuracy,
                words: Self.words($0.config))
        }
    }

    /// Returns the artifacts with the accuracies that a run measured, oldest first. A stage that goes on after another
    /// one holds the subnets of both.
    public static func artifacts(run: Int64, over connection: Connection) throws -> [Artifact] {
        try ArtifactStore(connection).list(run: run, kind: ArtifactRole.samples.rawValue)
    }

    private static func words(_ config: SubnetConfig) -> String {
        func range(_ values: [some Comparable]) -> String {
            guard let least = values.min(), let most = values.max() else { return "" }
            return least == most ? "\(least)" : "\(least) to \(most)"
        }
        var parts = ["\(config.resolution) px"]
        if !config.depths.isEmpty {
            parts.append("depths " + config.depths.map(String.init).joined(separator: " "))
        }
        if !config.kernelSizes.isEmpty { parts.append("kernels \(range(config.kernelSizes))") }
        if !config.expandRatios.isEmpty { parts.append("expand \(range(config.expandRatios))") }
        if !config.widths.isEmpty {
            parts.append("widths " + config.widths.map(String.init).joined(separator: " "))
        }
        return parts.joined(separator: ", ")
    }
}

extension NetworkFigures {
    /// Reads the figures in the metadata of an artifact of kind `subnet`. Errors: `invalidArtifact`.
    public init(_ artifact: Artifact) throws {
        self = try JSONText.decode(
            NetworkFigures.self, from: artifact.metadataJSON, what: "artifact \(artifact.id)")
    }
}

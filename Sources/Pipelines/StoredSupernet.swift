// Reads a supernet from its artifact, outside of a stage.

import Artifacts
import Datasets
import Foundation
import Interchange
import Networks
import Postgres

/// A supernet read from an artifact.
public struct StoredSupernet {
    /// The artifact.
    public let artifact: Artifact
    /// The search space.
    public let space: SearchSpace
    /// The weights.
    public let weights: Weights
    /// The normalisation of the images that the supernet was trained on; nil if not recorded.
    public let normalization: PixelNormalization?
    /// The genes and image sizes that the supernet was trained for; nil if not recorded.
    public let trained: TrainedDomain?
    /// The names of the classes of the data set that the supernet was trained on; empty if it had none, or if its list
    /// of classes is no longer stored.
    public let classNames: [ByteName]

    private struct Fields: Decodable {
        let space: String?
        let definition: SearchSpace?
        let normalization: PixelNormalization?
        let trained: TrainedDomain?
    }

    /// Reads the supernet of `artifact`. Errors: `invalidArtifact` for an artifact of another kind or without a space;
    /// errors of reading blobs, safetensors and weights.
    public init(_ artifact: Artifact, _ connection: Connection) throws {
        guard artifact.kind == ArtifactRole.supernet.rawValue else {
            throw PipelineError(
                .invalidArtifact,
                "artifact \(artifact.id) is a \(artifact.kind), not a network or a supernet",
                remedy: "ofa artifacts list --kind subnet shows networks")
        }
        let fields = try JSONText.decode(
            Fields.self, from: artifact.metadataJSON, what: "artifact \(artifact.id)")
        guard let space = try fields.definition ?? fields.space.map(SearchSpace.named) else {
            throw PipelineError(
                .invalidArtifact, "artifact \(artifact.id) does not record its search space")
        }
        self.artifact = artifact
        self.space = space
        normalization = fields.normalization
        trained = fields.trained
        let bytes = try BlobStore(connection).get(artifact.digest)
        weights = try InterchangeError.naming("artifact \(artifact.id)") {
            let file = try Safetensors.decode(bytes: bytes)
            let weights = Weights(try Weights.layout(supernetOf: space))
            try weights.load(file.tensors.mapValues { ($0.shape, $0.values) })
            return weights
        }
        classNames = try Self.classNames(of: artifact, connection)
    }

    /// Returns the names of the classes of the data set of the last phase of the supernet `artifact`; empty if it had none,
    /// or if its list of classes is no longer stored.
    static func classNames(of artifact: Artifact, _ connection: Connection) throws -> [ByteName] {
        let read = try Lineage(connection).inputs(
            of: artifact, hidden: ArtifactRole.datasetShard.rawValue)
        let data = read.last { $0.role == ArtifactRole.dataset.rawValue }?.artifact
        do {
            return try data.flatMap { try ImportedImages.manifest(of: $0, connection) }?.classes
                ?? []
        } catch let error as ArtifactsError
            where error.code == .notFound || error.code == .collected
        { return [] }
    }
}

// Stores user-supplied supernets as artifacts. Their metadata say what those of a train stage say to the stages that read
// them: the space, the trained domain and the normalisation of the images.

import Artifacts
import Datasets
import Networks
import Postgres

/// Stores supernets in the database.
public enum SupernetStore {
    /// The normalisation of images that published ImageNet networks were trained with.
    public static let imageNet = PixelNormalization(
        mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225])

    /// The metadata of a user-supplied supernet.
    private struct Metadata: Encodable {
        let space: String
        let definition: SearchSpace
        let phase = "imported"
        let normalization: PixelNormalization
        let trained: TrainedDomain
        let source: ArtifactSource
    }

    /// Stores the supernet of `space` with these weights, which were read from `source`; returns its artifact. `trained`
    /// are the genes and image sizes that it was trained for.
    public static func add(
        _ weights: Weights, of space: SearchSpace, normalization: PixelNormalization,
        trained: TrainedDomain, source: ArtifactSource, name: String, over connection: Connection
    ) throws -> Artifact {
        let bytes = try weights.safetensors(metadata: ["space": space.name])
        let metadata = try JSONText.encode(
            Metadata(
                space: space.name, definition: space, normalization: normalization,
                trained: trained, source: source))
        return try connection.transaction { connection in
            let store = ArtifactStore(connection), kind = ArtifactRole.supernet.rawValue
            let digest = try BlobStore(connection).put(bytes, elementSize: 4, kind: kind)
            return try store.get(
                try store.insert(
                    Artifact.New(
                        broughtAs: kind, name: name, digest: digest, metadataJSON: metadata)))
        }
    }
}

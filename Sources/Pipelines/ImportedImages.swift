// Reads imported data sets outside of a stage: their manifest, and their images.

import Artifacts
import Datasets
import Foundation
import Postgres

/// The images of artifacts of kind `dataset` or `test-images`.
public enum ImportedImages {
    /// The manifest of a picture set; nil for an image shard and for other kinds of artifacts.
    ///
    /// Errors: those of `BlobStore.get`; `invalidArtifact`.
    public static func manifest(
        of artifact: Artifact, _ connection: Connection
    ) throws -> PictureSetManifest? {
        guard isOfImages(artifact) else { return nil }
        let metadata = try JSONText.decode(
            DatasetMetadata.self, from: artifact.metadataJSON, what: "artifact \(artifact.id)")
        guard metadata.form != nil else { return nil }
        let bytes = try BlobStore(connection).get(artifact.digest)
        return try JSONText.decode(
            PictureSetManifest.self, from: String(decoding: bytes, as: UTF8.self),
            what: "artifact \(artifact.id) (\(artifact.kind))")
    }

    /// Whether an artifact is a data set or test images.
    public static func isOfImages(_ artifact: Artifact) -> Bool {
        [ArtifactRole.dataset, .testImages].map(\.rawValue).contains(artifact.kind)
    }

    private static func check(_ artifact: Artifact) throws(PipelineError) {
        guard !isOfImages(artifact) else { return }
        throw PipelineError(
            .invalidArtifact,
            "artifact \(artifact.id) is a \(artifact.kind), not a data set or test images",
            remedy: "ofa artifacts list --kind dataset shows those")
    }

    /// Opens the images of `artifact`; shards are memory-mapped from files in `cache`. Before each shard of pictures,
    /// `progress` gets the number of shards opened so far and the number of all shards.
    ///
    /// Errors: `invalidArtifact` for other kinds of artifacts; errors of `manifest` and of reading shards.
    public static func open(
        _ artifact: Artifact, _ connection: Connection, cache: BlobCache,
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> any ImageSource {
        try check(artifact)
        let store = BlobStore(connection)
        guard let manifest = try manifest(of: artifact, connection) else {
            return try cache.shard(of: artifact.digest, from: store)
        }
        var shards: [PictureShard] = []
        for shard in manifest.shards {
            progress(shards.count, manifest.shards.count)
            shards.append(
                try cache.opened(try Digest(hex: shard.digest), from: store) {
                    try PictureShard($0)
                })
        }
        return try PictureSet(manifest, shards: shards)
    }

    /// Returns an image shard's layout, its number of images of each class, and its pixel statistics.
    ///
    /// Errors: `invalidArtifact` for other kinds of artifacts; errors of reading the shard.
    public static func shardSummary(
        _ artifact: Artifact, _ connection: Connection, cache: BlobCache
    ) throws -> (layout: ImageShard.Layout, counts: [Int], normalization: PixelNormalization) {
        try check(artifact)
        let shard = try cache.shard(of: artifact.digest, from: BlobStore(connection))
        var counts = Array(repeating: 0, count: shard.layout.classes)
        for label in shard.labels { counts[Int(label)] += 1 }
        return (
            shard.layout, counts,
            PixelNormalization(shard, images: Array(0..<shard.layout.count))
        )
    }
}

// Stores user-supplied accuracy predictors as artifacts, and reads predictors.

import Artifacts
import Networks
import Postgres
import Search

/// Stores and reads predictors in the database.
public enum PredictorStore {
    /// The metadata of a user-supplied predictor.
    private struct Metadata: Encodable {
        let space, method: String
        let resolutions: [Int]
        let quality: FitQuality?
        let source: ArtifactSource?
        /// 8 for accuracies in eight bits; nil for floats.
        let bits: Int?
    }

    /// Stores a user-supplied predictor, which was read or fitted from the file `source`, as an artifact without a
    /// producing job; returns the artifact.
    public static func add(
        _ predictor: AccuracyPredictor, name: String, source: ArtifactSource? = nil,
        over connection: Connection
    ) throws -> ArtifactID {
        let bytes = try predictor.encoded()
        let metadata = try JSONText.encode(
            Metadata(
                space: predictor.space, method: predictor.methodName,
                resolutions: predictor.fittedResolutions, quality: predictor.quality,
                source: source, bits: predictor.bits == 8 ? 8 : nil))
        return try connection.transaction { connection in
            let digest = try BlobStore(connection).put(
                bytes, elementSize: 4, kind: ArtifactRole.predictor.rawValue)
            return try ArtifactStore(connection).insert(
                Artifact.New(
                    broughtAs: ArtifactRole.predictor.rawValue, name: name, digest: digest,
                    metadataJSON: metadata))
        }
    }

    /// Returns the predictor encoded in `bytes`, which are the bytes of `artifact`. The trained domain of the
    /// predictor's supernet is taken from the artifact's metadata if `bytes` have none, as in older versions.
    static func read(_ artifact: Artifact, _ bytes: [UInt8]) throws -> AccuracyPredictor {
        var predictor = try AccuracyPredictor(bytes: bytes, source: "artifact \(artifact.id)")
        predictor.trained = try predictor.trained ?? trained(artifact)
        return predictor
    }

    /// The metadata of a predictor that says its bits.
    private struct Bits: Decodable {
        let bits: Int?
    }

    /// Returns the bits of the accuracies that a predictor was fitted on: 8, or 32 for floats.
    static func bits(of artifact: Artifact) throws -> Int {
        try DeviceSearch.metadata(Bits.self, artifact).bits ?? 32
    }

    /// Returns the trained domain of the predictor's supernet; nil if the artifact's metadata do not record it.
    public static func trained(_ artifact: Artifact) throws -> TrainedDomain? {
        try DeviceSearch.metadata(SupernetOrigin.self, artifact).trained
    }
}

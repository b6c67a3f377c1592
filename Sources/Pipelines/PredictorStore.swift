// Accuracy predictors as artifacts: imports of user-supplied ones, and reading.

import Artifacts
import Networks
import Postgres
import Search

/// Predictors in the database.
public enum PredictorStore {
    /// Stores a user-supplied predictor. It has no producing job.
    public static func add(
        _ predictor: AccuracyPredictor, name: String, over connection: Connection
    ) throws -> ArtifactID {
        let bytes = try predictor.encoded()
        return try connection.transaction { connection in
            let digest = try BlobStore(connection).put(
                bytes, elementSize: 4, kind: ArtifactRole.predictor.rawValue)
            return try ArtifactStore(connection).insert(
                Artifact.New(
                    broughtAs: ArtifactRole.predictor.rawValue, name: name, digest: digest))
        }
    }

    /// The predictor of an artifact with the trained domain of its supernet, which older versions
    /// stored in the metadata only.
    static func read(_ artifact: Artifact, _ bytes: [UInt8]) throws -> AccuracyPredictor {
        var predictor = try AccuracyPredictor(bytes: bytes, source: "artifact \(artifact.id)")
        predictor.trained = try predictor.trained ?? trained(artifact)
        return predictor
    }

    /// The trained domain of the predictor's supernet; nil if the artifact does not record it.
    public static func trained(_ artifact: Artifact) throws -> TrainedDomain? {
        try DeviceSearch.metadata(SupernetOrigin.self, artifact).trained
    }
}

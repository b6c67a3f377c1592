// Accuracy predictors as artifacts: those that people bring, and how any is read.

import Artifacts
import Networks
import Postgres
import Search

/// Predictors in the database.
public enum PredictorStore {
    /// Stores a predictor that a person brought; it belongs to whoever names it.
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

    /// The predictor of an artifact, in its bytes, with what its supernet was trained for: older versions wrote that
    /// beside the bytes only.
    static func read(_ artifact: Artifact, _ bytes: [UInt8]) throws -> AccuracyPredictor {
        var predictor = try AccuracyPredictor(bytes: bytes, source: "artifact \(artifact.id)")
        predictor.trained = try predictor.trained ?? trained(artifact)
        return predictor
    }

    /// What the supernet of a predictor's networks was trained for; nil where the artifact does not say.
    public static func trained(_ artifact: Artifact) throws -> TrainedDomain? {
        try DeviceSearch.metadata(SupernetOrigin.self, artifact).trained
    }
}

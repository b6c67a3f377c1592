// Accuracy predictors that people bring, as artifacts.

import Artifacts
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
            let digest = try BlobStore(connection).put(bytes, elementSize: 4)
            return try ArtifactStore(connection).insert(
                Artifact.New(
                    broughtAs: ArtifactRole.predictor.rawValue, name: name, digest: digest))
        }
    }
}

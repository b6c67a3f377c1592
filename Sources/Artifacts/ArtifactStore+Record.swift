// Artifacts as statements for the transaction that completes their job, so that many jobs end in one round trip.

import Postgres
import Schema

extension ArtifactStore {
    /// The statement that records an artifact with what its attempt read, once the attempt has completed; nothing when it
    /// was fenced.
    ///
    /// Two outputs of an attempt need names or roles of their own. Errors: `badInput` for names and metadata outside the
    /// rules, and for an artifact without an attempt.
    public static func record(_ given: Artifact.New, inputs: [Artifact.Input]) throws -> Request {
        let new = try given.checked()
        guard let producer = new.producer else {
            throw ArtifactsError(
                .badInput, "artifact '\(new.name)' has no attempt",
                remedy: "give its run, job, token and stage")
        }
        return .artifactRecord(
            kind: new.kind, name: new.name, role: new.role, digest: new.digest.bytes,
            metadata: new.metadataJSON, run: producer.run, job: producer.job,
            token: producer.token, stage: producer.stage, inputs: inputs.map(\.artifact.rawValue),
            inputRoles: inputs.map(\.role))
    }
}

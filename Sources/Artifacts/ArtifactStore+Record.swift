// Records the outputs, inputs and small blobs of attempts in one statement of the transaction that
// completes their jobs, so that many jobs end in one round trip.

import Postgres
import Schema

extension ArtifactStore {
    /// Returns the statement that stores `blobs` and records the outputs and inputs of a completed
    /// attempt. The statement records nothing for an attempt that did not complete or was fenced
    /// (had lost its lease). Requests of several attempts can be merged (`Request.together`).
    ///
    /// Two outputs of an attempt must differ in name or role. Errors: `badInput` for kinds, names,
    /// roles and metadata outside the rules, and for an artifact without an attempt.
    public static func record(
        _ given: [Artifact.New], inputs: [Artifact.Input] = [], blobs: [WaitingBlob] = []
    ) throws -> Request {
        var made: [Artifact.New] = []
        var producers: [Artifact.Producer] = []
        for artifact in given {
            guard let producer = artifact.producer else {
                throw ArtifactsError(
                    .badInput, "artifact '\(artifact.name)' has no attempt",
                    remedy: "give its run, job, token and stage")
            }
            made.append(try artifact.checked())
            producers.append(producer)
        }
        let read = producers.first.map { producer in inputs.map { (producer.token, $0) } } ?? []
        let chunks = blobs.flatMap { blob in blob.chunks.map { (blob.digest, $0) } }
        return .artifactsRecord(
            blobs: blobs.map(\.digest.bytes), rawBytes: blobs.map { Int64($0.bytes.count) },
            storedBytes: blobs.map { Int64($0.storedBytes) }, chunks: blobs.map(\.chunks.count),
            filters: blobs.map(\.coding.filter.rawValue),
            codecs: blobs.map(\.coding.codec.rawValue),
            chunkBlobs: chunks.map(\.0.bytes), ordinals: chunks.map(\.1.entry.ordinal),
            chunkRawBytes: chunks.map(\.1.entry.rawBytes), sha256: chunks.map(\.1.entry.sha256),
            data: chunks.map(\.1.data), kinds: made.map(\.kind), names: made.map(\.name),
            roles: made.map(\.role), digests: made.map(\.digest.bytes),
            metadata: made.map(\.metadataJSON), runs: producers.map(\.run),
            jobs: producers.map(\.job), tokens: producers.map(\.token),
            stages: producers.map(\.stage), inputTokens: read.map(\.0),
            inputs: read.map(\.1.artifact.rawValue), inputRoles: read.map(\.1.role))
    }
}

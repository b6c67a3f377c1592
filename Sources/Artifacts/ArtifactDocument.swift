// The JSON form of an artifact.

import Foundation

/// The JSON form of an artifact.
public struct ArtifactDocument: Sendable, Codable, Equatable {
    /// The number of the artifact.
    public var id: Int64
    /// The kind of the artifact.
    public var kind: String
    /// The name of the artifact, for people.
    public var name: String
    /// The role of the artifact among the outputs of its attempt.
    public var role: String
    /// The digest of the artifact's bytes.
    public var digest: Digest
    /// The metadata that the producer of the artifact gave.
    public var metadata: JSONValue
    /// The run that made the artifact.
    public var run: Int64?
    /// The job that made the artifact.
    public var job: Int64?
    /// The attempt (lease token) that made the artifact.
    public var attempt: Int64?
    /// The stage that made the artifact.
    public var stage: String?
    /// When the artifact was recorded, in ISO 8601.
    public var createdAt: Date
    /// The size of the decoded bytes; absent if the blob was not looked up or does not exist.
    public var rawBytes: Int?
    /// The size of the stored bytes; like `filter`, `codec` and `store`, absent if the bytes are
    /// not stored.
    public var blobBytes: Int?
    /// The blob's filter.
    public var filter: String?
    /// The blob's codec.
    public var codec: String?
    /// The digest of the blob that a recipe or a delta needs; absent if the bytes are stored whole.
    public var parent: Digest?
    /// Where the bytes are stored: `database` or `folder`.
    public var store: String?
    /// When the bytes were collected (deleted), in ISO 8601.
    public var collectedAt: Date?
    /// Why the bytes are pinned (kept from deletion).
    public var pinned: String?

    enum CodingKeys: String, CodingKey {
        case id, kind, name, role, digest, metadata, run, job, attempt, stage, filter, codec, store,
            parent, pinned
        case createdAt = "created_at"
        case rawBytes = "raw_bytes"
        case blobBytes = "blob_bytes"
        case collectedAt = "collected_at"
    }

    /// Makes the document of an artifact. Without `blob`, the fields about how its bytes are stored are absent.
    public init(_ artifact: Artifact, blob: BlobInfo? = nil, pinned: String? = nil) throws {
        id = artifact.id.rawValue
        kind = artifact.kind
        name = artifact.name
        role = artifact.role
        digest = artifact.digest
        metadata = JSONValue(stored: artifact.metadataJSON)
        run = artifact.producer?.run
        job = artifact.producer?.job
        attempt = artifact.producer?.token
        stage = artifact.producer?.stage
        createdAt = artifact.createdAt
        rawBytes = blob?.rawBytes
        self.pinned = pinned
        collectedAt = blob?.collectedAt
        guard let blob, collectedAt == nil else { return }
        store = blob.place.rawValue
        blobBytes = blob.storedBytes
        filter = blob.coding.filter.rawValue
        codec = blob.coding.codec.rawValue
        parent = blob.parent
    }
}

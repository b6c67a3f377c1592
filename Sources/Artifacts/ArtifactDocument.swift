// An artifact as it is shown to programs: one JSON object.

import Foundation

/// The JSON form of an artifact.
public struct ArtifactDocument: Sendable, Codable, Equatable {
    /// Its number.
    public var id: Int64
    /// What it is.
    public var kind: String
    /// What people call it.
    public var name: String
    /// As what its attempt put it out.
    public var role: String
    /// The digest of its bytes.
    public var digest: Digest
    /// What its makers say of it.
    public var metadata: JSONValue
    /// The run that made it.
    public var run: Int64?
    /// The job that made it.
    public var job: Int64?
    /// The attempt (lease token) that made it.
    public var attempt: Int64?
    /// The stage that made it.
    public var stage: String?
    /// When it was recorded, in ISO 8601.
    public var createdAt: Date
    /// Bytes as they are decoded; absent when not asked for, or when the bytes are not here.
    public var rawBytes: Int?
    /// Bytes in the database.
    public var blobBytes: Int?
    /// The blob's filter.
    public var filter: String?
    /// The blob's codec.
    public var codec: String?
    /// Where the bytes lie: `database` or `folder`.
    public var store: String?
    /// When the bytes were collected, in ISO 8601.
    public var collectedAt: Date?
    /// Why the bytes are pinned.
    public var pinned: String?

    enum CodingKeys: String, CodingKey {
        case id, kind, name, role, digest, metadata, run, job, attempt, stage, filter, codec, store,
            pinned
        case createdAt = "created_at"
        case rawBytes = "raw_bytes"
        case blobBytes = "blob_bytes"
        case collectedAt = "collected_at"
    }

    /// The document of an artifact, with what is known of its blob.
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
    }
}

// The JSON form of an artifact.

import Foundation

/// The JSON form of an artifact.
public struct ArtifactDocument: Sendable, Codable, Equatable {
    /// Its number.
    public var id: Int64
    /// What it is.
    public var kind: String
    /// Its name, for people.
    public var name: String
    /// Its role among the attempt's outputs.
    public var role: String
    /// The digest of its bytes.
    public var digest: Digest
    /// Metadata of its producer.
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
    /// Decoded size in bytes; absent if not requested or if the bytes are not stored.
    public var rawBytes: Int?
    /// Stored size in bytes.
    public var blobBytes: Int?
    /// The blob's filter.
    public var filter: String?
    /// The blob's codec.
    public var codec: String?
    /// Where the bytes are stored: `database` or `folder`.
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

    /// The document of an artifact; without `blob`, the fields of its bytes are absent.
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

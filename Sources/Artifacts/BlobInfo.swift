// Properties of a stored blob that are known without reading it.

import Foundation
import Postgres

/// Where the bytes of a blob are stored.
public enum BlobPlace: String, Sendable, Codable, CaseIterable {
    /// In the database.
    case database
    /// In a file of the database's folder.
    case folder
}

/// The retention class of a blob.
public enum BlobClass: String, Sendable, Codable {
    /// Kept until a user collects them: weights, data, tables.
    case lasting
    /// Kept as long as the checkpoint that references them.
    case checkpoint
}

/// Properties of a stored blob.
public struct BlobInfo: Sendable, Equatable {
    /// Its retention class.
    public let blobClass: BlobClass
    /// Where its bytes are stored.
    public let place: BlobPlace
    /// Decoded size in bytes.
    public let rawBytes: Int
    /// Stored size in bytes.
    public let storedBytes: Int
    /// Its filter and codec.
    public let coding: BlobCoding
    /// Number of chunks.
    public let chunks: Int
    /// When it was first stored.
    public let createdAt: Date
    /// When its bytes were collected; nil while they are stored.
    public let collectedAt: Date?

    /// Reads the columns of a blob; `column` names its creation time.
    init(_ row: Row, digest: Digest, createdAt column: String = "created_at") throws {
        guard let blobClass = BlobClass(rawValue: try row.text("class")),
            let place = BlobPlace(rawValue: try row.text("store")),
            let filter = BlobCoding.Filter(rawValue: try row.text("filter")),
            let codec = BlobCoding.Codec(rawValue: try row.text("codec"))
        else {
            throw ArtifactsError(
                .codec, "blob \(digest.short) was written by a newer ofa",
                remedy: "read it with that version"
            )
        }
        self.blobClass = blobClass
        self.place = place
        rawBytes = try row.int("raw_bytes")
        storedBytes = try row.int("stored_bytes")
        coding = BlobCoding(filter: filter, codec: codec)
        chunks = try row.int("chunks")
        createdAt = try row.date(column)
        collectedAt = try row.optionalDate("collected_at")
    }
}

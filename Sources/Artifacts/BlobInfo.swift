// What is known of a stored blob without reading it.

import Foundation
import Postgres

/// Where the bytes of a blob lie.
public enum BlobPlace: String, Sendable, Codable, CaseIterable {
    /// In the database.
    case database
    /// In a file of the database's folder.
    case folder
}

/// How long bytes are meant to be kept.
public enum BlobClass: String, Sendable, Codable {
    /// Kept until a person has them collected: weights, data, tables.
    case lasting
    /// As long as the checkpoint they belong to.
    case checkpoint
}

/// What is known of a stored blob.
public struct BlobInfo: Sendable, Equatable {
    /// How long it is meant to be kept.
    public let blobClass: BlobClass
    /// Where its bytes lie.
    public let place: BlobPlace
    /// Bytes as they are decoded.
    public let rawBytes: Int
    /// Bytes as they are stored.
    public let storedBytes: Int
    /// How it is written.
    public let coding: BlobCoding
    /// Rows it takes.
    public let chunks: Int
    /// When it was first put.
    public let createdAt: Date
    /// When its bytes were collected; nil while they are here.
    public let collectedAt: Date?

    /// Reads the columns of a blob; its own time of making may have another name.
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

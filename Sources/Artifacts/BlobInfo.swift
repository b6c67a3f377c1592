// The properties of a stored blob that are known without reading its bytes.

import Foundation
import Postgres

/// Where the bytes of a blob are stored.
public enum BlobPlace: String, Sendable, Codable, CaseIterable {
    /// In the database.
    case database
    /// In a file of the folder store.
    case folder
}

/// The retention class of a blob.
public enum BlobClass: String, Sendable, Codable {
    /// A blob that is kept while an artifact references it, until a user collects the artifact:
    /// weights, data, tables.
    case lasting
    /// A blob that is kept as long as a checkpoint references it.
    case checkpoint
}

/// Properties of a stored blob.
public struct BlobInfo: Sendable, Equatable {
    /// The retention class of the blob.
    public let blobClass: BlobClass
    /// Where the bytes are stored.
    public let place: BlobPlace
    /// The size of the decoded bytes.
    public let rawBytes: Int
    /// The size of the stored bytes.
    public let storedBytes: Int
    /// The filter and the codec.
    public let coding: BlobCoding
    /// The number of chunks, including the trailer.
    public let chunks: Int
    /// The parent from which a recipe or a delta makes the bytes of this blob; nil if the bytes are stored whole or not
    /// at all.
    public let parent: Digest?
    /// When the row of the blob was inserted.
    public let createdAt: Date
    /// When the bytes were collected; nil while they are stored.
    public let collectedAt: Date?

    /// Reads the columns of a blob; `column` is the name of the column with the blob's creation
    /// time. Errors: `codec` if a newer program wrote the blob.
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
        parent = try row.optionalBytes("parent").map { try Digest(bytes: $0) }
        createdAt = try row.date(column)
        collectedAt = try row.optionalDate("collected_at")
    }
}

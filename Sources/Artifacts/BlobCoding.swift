// The encoding of a blob's chunks: a filter, then a codec. A blob's digest is that of the decoded
// bytes, so the digest depends on neither the filter nor the codec.

import Foundation

/// The filter and codec of a blob.
public struct BlobCoding: Sendable, Equatable {
    /// The transformation before compression.
    public enum Filter: String, Sendable, Codable {
        /// No transformation.
        case none
        /// The bit shuffle of 4-byte elements.
        case bitshuffle
        /// A delta: XOR with the decoded bytes of the parent, then the bit shuffle.
        case xor
        /// A recipe: the stored bytes are instructions that make the bytes of the blob from those of the parent.
        case recipe

        /// Whether this filter shuffles bits.
        var shuffles: Bool { self == .bitshuffle || self == .xor }
    }

    /// How the filtered bytes are compressed.
    public enum Codec: String, Sendable, Codable {
        /// No compression.
        case none
        /// One LZ4 frame for each chunk.
        case lz4
    }

    /// The number of decoded bytes of a chunk; the last chunk of a blob may have fewer.
    public static let chunkBytes = 1 << 20

    /// The transformation before compression.
    public let filter: Filter
    /// How the filtered bytes are compressed.
    public let codec: Codec

    /// `filter` is applied before `codec`.
    public init(filter: Filter, codec: Codec) {
        self.filter = filter
        self.codec = codec
    }

    /// Returns the coding under which the first chunk of a blob is smallest; no compression if no
    /// coding makes it smaller.
    ///
    /// The size of the trailer (a last frame with metadata) counts, so a very small blob is not
    /// compressed. All chunks of a blob have the same coding, so that they form one stream, which
    /// `lz4 -d` can read. Errors: `badInput` if `elementSize` is less than 1.
    public static func best(
        forFirstChunk chunk: [UInt8], elementSize: Int
    ) throws -> BlobCoding {
        guard elementSize >= 1 else {
            throw ArtifactsError(
                .badInput, "elements of \(elementSize) bytes",
                remedy: "give 1 for plain bytes, 4 for float32"
            )
        }
        var best = BlobCoding(filter: .none, codec: .none)
        var size = chunk.count
        let filters: [Filter] =
            elementSize == BitShuffle.elementSize ? [.none, .bitshuffle] : [.none]
        for filter in filters {
            let coding = BlobCoding(filter: filter, codec: .lz4)
            let trailer = try coding.trailer(digest: Digest.of([]))?.count ?? 0
            let encoded = try coding.encode(chunk).count + trailer
            if encoded < size {
                best = coding
                size = encoded
            }
        }
        return best
    }

    /// Encodes a chunk. For a delta, `chunk` must be the XOR with the parent's chunk. Errors: `codec`.
    public func encode(_ chunk: [UInt8]) throws(ArtifactsError) -> [UInt8] {
        switch codec {
        case .none: return chunk
        case .lz4:
            return try LZ4Frame.compress(filter.shuffles ? BitShuffle.shuffle(chunk) : chunk)
        }
    }

    /// Decodes a chunk to `count` bytes. For a delta, the result is the XOR with the parent's chunk. `isVerified` says
    /// that the stored bytes were compared with their digest. Errors: `corrupt` if the chunk is damaged.
    public func decode(
        _ stored: [UInt8], count: Int, isVerified: Bool = false
    ) throws(ArtifactsError) -> [UInt8] {
        switch codec {
        case .none:
            guard stored.count == count else {
                throw ArtifactsError(
                    .corrupt, "it holds \(stored.count) bytes, \(count) were expected")
            }
            return stored
        case .lz4:
            let bytes = try LZ4Frame.decompress(stored, count: count, isVerified: isVerified)
            return filter.shuffles ? BitShuffle.unshuffle(bytes) : bytes
        }
    }

    /// The JSON content of the trailing frame, which allows decoding the stream without the
    /// database.
    struct Trailer: Codable, Equatable {
        /// The filter's name.
        let filter: Filter
        /// The size of an element in bytes.
        let typesize: Int
        /// The type of the elements: unsigned integers of `typesize` bytes, because the meaning of
        /// the elements is unknown here.
        let dtype: String
        /// The digest of the decoded bytes of the blob.
        let sha256: Digest
        /// The digest of the parent's decoded bytes; nil if the blob has no parent.
        let parent: Digest?
    }

    /// Returns the skippable frame that ends the stream of a blob; nil for an uncompressed blob.
    func trailer(digest: Digest, parent: Digest? = nil) throws -> [UInt8]? {
        guard codec == .lz4 else { return nil }
        let size = filter.shuffles ? BitShuffle.elementSize : 1
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let json = try encoder.encode(
            Trailer(
                filter: filter, typesize: size, dtype: "uint\(size * 8)", sha256: digest,
                parent: parent))
        return LZ4Frame.skippable(Array(json))
    }
}

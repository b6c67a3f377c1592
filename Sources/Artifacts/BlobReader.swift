// Reads the decoded bytes of one blob piece by piece, however they are stored: whole, as a delta or
// as a recipe. Each stored chunk is verified; the caller compares all bytes with the digest.

import Foundation
import Postgres

/// Reads a blob from its first byte to its last.
final class BlobReader {
    /// The properties of the blob.
    private(set) var info: BlobInfo
    private let digest: Digest
    private let store: BlobStore
    private var chunks: ChunkReader
    private var ordinal = 0
    /// The chunk that is being decoded. A process that exits after an error must have no thread left, because libcrypto
    /// frees its state at exit: so each thread is waited for.
    private var ahead: Ahead<[UInt8]>?
    /// The chunks of a blob of at least this many bytes are decoded on threads of their own.
    private static let longBytes = 1 << 16
    /// The digest of the returned bytes.
    private let sum = Sum()

    /// The digest of the bytes so far.
    private final class Sum: @unchecked Sendable {
        // Safe because the reader waits for the thread of `ahead` before it begins another or uses the stream.
        var stream = DigestStream()
    }
    /// The reader of the parent of a delta.
    private var parent: BlobReader?
    /// The bytes that a recipe made, and how many of them were returned.
    private var made: (bytes: [UInt8], returned: Int)?

    /// Begins at the first byte. Errors: `notFound`, `collected`.
    init(_ digest: Digest, _ store: BlobStore) throws {
        self.digest = digest
        self.store = store
        info = try Self.info(digest, store)
        chunks = ChunkReader(digest, store)
    }

    /// Returns the properties of a blob whose bytes are stored. Errors: `notFound`, `collected`.
    static func info(_ digest: Digest, _ store: BlobStore) throws -> BlobInfo {
        guard let info = try store.info(digest) else {
            throw ArtifactsError(
                .notFound, "its bytes are not here: there is no blob \(digest.short)")
        }
        if let date = info.collectedAt {
            throw ArtifactsError(
                .collected, "its bytes were collected on \(date.formatted(.iso8601))")
        }
        return info
    }

    /// Returns the next bytes, at most those of one chunk; nil at the end. Errors: `corrupt`,
    /// `collected`, `file`; `codec` for a recipe that this program cannot read.
    func next() throws -> [UInt8]? {
        switch info.coding.filter {
        case .none, .bitshuffle: return try stored()
        case .xor: return summed(try stored().map { try original($0) })
        case .recipe:
            if made == nil {
                do { made = (try make(), 0) } catch let error as ArtifactsError {
                    // If the blob was collected or stored in another form meanwhile, it is read anew.
                    let now = try Self.info(digest, store)
                    guard now != info else { throw error }
                    info = now
                    chunks = ChunkReader(digest, store)
                    ahead?.join()
                    (ahead, ordinal) = (nil, 0)
                    return try next()
                }
            }
            guard let (bytes, start) = made else { return nil }
            let end = min(start + BlobCoding.chunkBytes, bytes.count)
            made = (bytes, end)
            return summed(start < end ? Array(bytes[start..<end]) : nil)
        }
    }

    /// Returns the SHA-256 digest of all bytes, after `next` has returned the last.
    func digestOfAll() -> Digest {
        var all = DigestStream()
        swap(&all, &sum.stream)
        return all.digest()
    }

    private func summed(_ bytes: [UInt8]?) -> [UInt8]? {
        if let bytes { sum.stream.update(bytes) }
        return bytes
    }

    deinit { ahead?.join() }

    /// Returns the next chunk that is not the trailer, decoded, but before a delta or a recipe is applied; nil after
    /// the last chunk.
    private func stored() throws -> [UInt8]? {
        while let bytes = try chunk() {
            // The trailer has no bytes.
            if !bytes.isEmpty { return bytes }
        }
        return nil
    }

    /// Returns the next decoded chunk. Before, the chunk after it is fetched, and its decoding begins: the server, the
    /// decoding thread and this thread work at the same time, each on another chunk.
    private func chunk() throws -> [UInt8]? {
        if ahead == nil, let first = try fetch() { ahead = decoding(first) }
        guard let current = ahead else { return nil }
        ahead = nil
        let next: ChunkReader.Stored?
        do { next = try fetch() } catch {
            // If both chunks are damaged, the error is about the first.
            _ = try current.value()
            throw error
        }
        // The digest takes one chunk after the other.
        let bytes = try current.value()
        ahead = next.map { decoding($0) }
        return bytes
    }

    /// Fetches the next chunk; nil after the last.
    private func fetch() throws -> ChunkReader.Stored? {
        guard ordinal < info.chunks else { return nil }
        defer { ordinal += 1 }
        return try chunks.fetch(ordinal, of: info.chunks)
    }

    /// Begins to verify and decode a chunk.
    private func decoding(_ stored: ChunkReader.Stored) -> Ahead<[UInt8]> {
        // The digest of a delta or a recipe is that of the bytes that are made from these.
        let isSummed = [.none, .bitshuffle].contains(info.coding.filter)
        return Ahead(isLong: info.rawBytes >= Self.longBytes) { [info, digest, sum] in
            try stored.verify(of: digest)
            let bytes = try stored.decoded(info.coding, of: digest)
            if isSummed { sum.stream.update(bytes) }
            return bytes
        }
    }

    /// Returns the blob's bytes for a chunk of a delta: the XOR of the chunk and the parent's bytes.
    private func original(_ delta: [UInt8]) throws -> [UInt8] {
        try ofParent { digest in
            let reader = try parent ?? BlobReader(digest, store)
            parent = reader
            guard let base = try reader.next(), base.count == delta.count else {
                throw BlobStore.corrupt(digest, "its length is not that of its delta")
            }
            return LZ4Frame.xor(delta, base)
        }
    }

    /// Returns the bytes that the recipe makes.
    private func make() throws -> [UInt8] {
        guard let maker = store.maker else {
            throw ArtifactsError(
                .codec, "blob \(digest.short) is a recipe, which this program cannot follow",
                remedy: "read it with ofa")
        }
        var recipe = [UInt8]()
        while let bytes = try stored() { recipe += bytes }
        let base = try ofParent { try store.unnamed($0) }
        return try maker(recipe, base)
    }

    /// Passes the parent's digest to `body`. If the bytes of the parent are damaged or missing, the
    /// bytes of this blob are damaged.
    private func ofParent<Value>(_ body: (Digest) throws -> Value) throws -> Value {
        guard let parent = info.parent else {
            throw BlobStore.corrupt(digest, "its row names no parent")
        }
        do { return try body(parent) } catch let error as ArtifactsError where error.isOfBytes {
            // If this blob was collected meanwhile too, the error is `collected`.
            _ = try Self.info(digest, store)
            throw BlobStore.corrupt(
                digest, "it is made from blob \(parent.short), of which \(error.reason)")
        }
    }
}

// Stores blobs in terms of another blob, their parent: as a recipe that makes the bytes from those of
// the parent, or as a delta (XOR). The row of the blob names the parent, which garbage collection then
// keeps. The digest remains that of the bytes, so that readers do not notice.
//
// A blob gets a parent only when it has no stored bytes, so no blob is an ancestor of itself.

import Postgres
import Schema

/// Instructions that make the bytes of a blob from those of another blob.
public struct BlobRecipe: Sendable {
    /// Makes the bytes of a blob from a recipe and the parent's bytes. Errors: `codec` for a recipe
    /// of another version.
    public typealias Maker = @Sendable (_ recipe: [UInt8], _ parent: [UInt8]) throws -> [UInt8]

    /// The instructions, in a format that only the maker knows.
    public let bytes: [UInt8]
    /// The digest of the blob that the recipe needs.
    public let parent: Digest

    /// `bytes` are instructions for the maker of the store.
    public init(_ bytes: [UInt8], parent: Digest) {
        self.bytes = bytes
        self.parent = parent
    }
}

/// A blob in encoded form that is made from its parent.
private struct DerivedBlob: StorableBlob {
    let digest, parent: Digest
    let rawBytes: Int
    let coding: BlobCoding
    let blobClass: BlobClass
    private var encoded: [(entry: ChunkEntry, data: [UInt8])] = []

    /// Begins without chunks.
    init(
        _ digest: Digest, rawBytes: Int, from parent: Digest, _ filter: BlobCoding.Filter,
        _ blobClass: BlobClass
    ) {
        self.digest = digest
        self.parent = parent
        self.rawBytes = rawBytes
        self.blobClass = blobClass
        coding = BlobCoding(filter: filter, codec: .lz4)
    }

    /// Encodes and adds a chunk.
    mutating func append(_ piece: [UInt8]) throws {
        append(try coding.encode(piece), rawBytes: piece.count)
    }

    /// Adds the trailer.
    mutating func end() throws {
        append(try coding.trailer(digest: digest, parent: parent) ?? [], rawBytes: 0)
    }

    private mutating func append(_ data: [UInt8], rawBytes: Int) {
        encoded.append((ChunkEntry(encoded.count, rawBytes: rawBytes, data), data))
    }

    var chunks: Int { encoded.count }
    var storedBytes: Int { encoded.reduce(0) { $0 + $1.data.count } }

    func claim(_ place: BlobPlace, storedBytes: Int) -> Request {
        .blobClaimDerived(
            digest: digest.bytes, blobClass: blobClass.rawValue, store: place.rawValue,
            rawBytes: Int64(rawBytes), storedBytes: Int64(storedBytes), chunks: chunks,
            filter: coding.filter.rawValue, codec: coding.codec.rawValue, parent: parent.bytes)
    }

    func forEachChunk(_ body: (ChunkEntry, [UInt8]) throws -> Void) throws {
        for (entry, data) in encoded { try body(entry, data) }
    }
}

extension BlobStore {
    /// A recipe is stored if it has at most a twentieth of the bytes that it makes.
    static let recipeShare = 20
    /// The largest number of deltas that are applied to read a blob.
    public static let deltaDepth = 4

    /// Stores bytes as `put` does, or the recipe instead, if its parent is stored and the recipe has
    /// at most 5 % of the bytes. `recipe` must make `bytes`.
    @discardableResult
    public func put(
        _ bytes: [UInt8], elementSize: Int, kind: String, recipe: BlobRecipe
    ) throws -> Digest {
        let digest = Digest.of(bytes)
        var derived = DerivedBlob(
            digest, rawBytes: bytes.count, from: recipe.parent, .recipe, Self.blobClass(of: kind))
        for start in stride(from: 0, to: recipe.bytes.count, by: BlobCoding.chunkBytes) {
            try derived.append(Array(recipe.bytes[start...].prefix(BlobCoding.chunkBytes)))
        }
        try derived.end()
        if derived.storedBytes * Self.recipeShare <= bytes.count,
            try store(derived, kind: kind)
        {
            return digest
        }
        return try put(bytes, elementSize: elementSize, kind: kind)
    }

    /// Stores bytes of 4-byte elements as `put` does, or as a delta to the blob `base` if that saves
    /// at least 10 % of the stored bytes and at most four deltas then make the bytes.
    @discardableResult
    public func put(_ bytes: [UInt8], kind: String, base: Digest) throws -> Digest {
        let digest = Digest.of(bytes)
        if let derived = try delta(bytes, digest, Self.blobClass(of: kind), base: base),
            try store(derived, kind: kind)
        {
            return digest
        }
        return try put(bytes, elementSize: BitShuffle.elementSize, kind: kind)
    }

    /// Returns the number of deltas and recipes that are applied to read a blob.
    func depth(of digest: Digest) throws -> Int {
        try connection.queryOne(.blobDepth(digest: digest.bytes)).int("depth")
    }

    /// Returns a delta to `base`; nil if it saves too little, is too deep or has another length.
    private func delta(
        _ bytes: [UInt8], _ digest: Digest, _ blobClass: BlobClass, base: Digest
    ) throws -> DerivedBlob? {
        guard base != digest, let known = try info(base), known.collectedAt == nil,
            known.rawBytes == bytes.count, try depth(of: base) < Self.deltaDepth
        else { return nil }
        let plain = BlobCoding(filter: .bitshuffle, codec: .lz4)
        var derived = DerivedBlob(digest, rawBytes: bytes.count, from: base, .xor, blobClass)
        var start = 0, whole = 0
        do {
            let reader = try BlobReader(base, self)
            while let other = try reader.next(), start + other.count <= bytes.count {
                let chunk = Array(bytes[start..<start + other.count])
                whole += try plain.encode(chunk).count
                try derived.append(LZ4Frame.xor(chunk, other))
                start += other.count
            }
        } catch let error as ArtifactsError where error.isOfBytes {
            return nil  // A damaged base is no base.
        }
        guard start == bytes.count else { return nil }
        try derived.end()
        return derived.storedBytes * 10 <= whole * 9 ? derived : nil
    }

    /// Stores a derived blob. Returns false if the blob has stored bytes, which may be damaged, or if
    /// the bytes of the parent are not stored.
    private func store(_ derived: DerivedBlob, kind: String) throws -> Bool {
        while true {
            let (row, rule) = try look(derived.digest)
            guard try row?.optionalDate("collected_at") != nil || row == nil,
                let parent = try info(derived.parent), parent.collectedAt == nil
            else { return false }
            let takes = rule?.takes(kind: kind, bytes: derived.storedBytes) == true
            if try store(derived, isNew: row == nil, into: takes ? rule : nil) { return true }
        }
    }

    /// Returns the class of the blobs of a kind of artifacts.
    static func blobClass(of kind: String) -> BlobClass {
        kind == checkpointKind ? .checkpoint : .lasting
    }
}

// Stores blobs in terms of another blob, their parent: as a recipe that makes the bytes from those of the parent, or as
// a delta (XOR). The row of the blob names the parent, which garbage collection then keeps. The digest of the blob is
// still that of its decoded bytes, so readers see no difference.
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

/// A blob that may become the parent of a delta, with its bytes.
public struct DeltaBase: Sendable {
    /// The digest of `bytes`.
    public let digest: Digest
    /// The bytes of the blob.
    public let bytes: [UInt8]

    /// `digest` must be that of `bytes`.
    public init(_ digest: Digest, _ bytes: [UInt8]) {
        self.digest = digest
        self.bytes = bytes
    }
}

/// A blob in encoded form that is made from its parent.
private struct DerivedBlob: StorableBlob {
    let digest, parent: Digest
    let rawBytes: Int
    let coding: BlobCoding
    let blobClass: BlobClass
    private var encoded: [(entry: ChunkEntry, data: [UInt8])] = []
    private(set) var storedBytes = 0

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
        storedBytes += data.count
    }

    var chunks: Int { encoded.count }

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

    /// Stores bytes as `put` does. Bytes that are not stored yet are stored as the recipe if the recipe's parent is
    /// stored, the recipe has at most 5 % of the bytes, and a trial shows that it makes exactly these bytes. Errors:
    /// `corrupt` if the parent is damaged; the error names an artifact with the parent's bytes.
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
            try info(digest).map({ $0.collectedAt != nil }) ?? true,
            try makes(digest, recipe), try store(derived, kind: kind)
        {
            return digest
        }
        return try put(bytes, elementSize: elementSize, kind: kind)
    }

    /// Returns whether the recipe makes the bytes with this digest; false if its parent is gone.
    private func makes(_ digest: Digest, _ recipe: BlobRecipe) throws -> Bool {
        guard let maker else { return false }
        let parent: [UInt8]
        do { parent = try get(recipe.parent) } catch let error as ArtifactsError
            where [.notFound, .collected, .codec].contains(error.code)
        {
            return false
        }
        do { return try Digest.of(maker(recipe.bytes, parent)) == digest } catch is ArtifactsError {
            return false
        }
    }

    /// Stores bytes of 4-byte elements as `put` does, or as a delta to `base` if `base` is stored whole and the delta
    /// has at most 90 % of its stored bytes. If `base` is kept only because the delta needs it, the delta saves written
    /// bytes, but no space.
    @discardableResult
    public func put(_ bytes: [UInt8], kind: String, base: DeltaBase) throws -> Digest {
        let digest = Digest.of(bytes)
        if let derived = try delta(bytes, digest, Self.blobClass(of: kind), base: base),
            try store(derived, kind: kind)
        {
            return digest
        }
        return try put(bytes, elementSize: BitShuffle.elementSize, kind: kind)
    }

    /// Returns a delta to `base`; nil if it saves too little, or if `base` has another length or is
    /// not stored whole.
    private func delta(
        _ bytes: [UInt8], _ digest: Digest, _ blobClass: BlobClass, base: DeltaBase
    ) throws -> DerivedBlob? {
        guard base.digest != digest, base.bytes.count == bytes.count,
            let known = try info(base.digest), known.collectedAt == nil, known.parent == nil
        else { return nil }
        var derived = DerivedBlob(digest, rawBytes: bytes.count, from: base.digest, .xor, blobClass)
        for start in stride(from: 0, to: bytes.count, by: BlobCoding.chunkBytes) {
            let range = start..<min(start + BlobCoding.chunkBytes, bytes.count)
            try derived.append(LZ4Frame.xor(Array(bytes[range]), Array(base.bytes[range])))
            guard derived.storedBytes * 10 <= known.storedBytes * 9 else { return nil }
        }
        try derived.end()
        return derived.storedBytes * 10 <= known.storedBytes * 9 ? derived : nil
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

    /// Returns the retention class of blobs with artifacts of this kind.
    static func blobClass(of kind: String) -> BlobClass {
        kind == checkpointKind ? .checkpoint : .lasting
    }
}

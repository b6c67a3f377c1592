// Stores bytes under their digest: once, atomically, and safely while garbage is collected.
//
// If the bytes exist already, the row of their blob is updated (BlobTouch). The update waits if a
// garbage collection has locked the row. If the bytes are gone afterwards, they are stored again.

import Foundation
import Intake
import Postgres
import Schema

/// Bytes that are to be stored, and that can be read several times.
private struct BlobSource {
    let count: Int
    /// Whether the bytes may change between two reads, like those of a file.
    let mayChange: Bool
    let read: (Range<Int>) throws -> [UInt8]

    /// The byte ranges of the chunks.
    var ranges: [Range<Int>] {
        stride(from: 0, to: count, by: BlobCoding.chunkBytes).map { start in
            start..<min(start + BlobCoding.chunkBytes, count)
        }
    }

    func digest() throws -> Digest {
        var stream = DigestStream()
        for range in ranges { stream.update(try read(range)) }
        return stream.digest()
    }
}

/// One blob that is to be stored whole: source, digest and coding.
private struct BlobPut: StorableBlob {
    let source: BlobSource
    let digest: Digest
    let coding: BlobCoding
    let blobClass: BlobClass
    /// Whether the bytes replace stored bytes that are damaged or unreadable.
    let replaces: Bool
    private let trailer: [UInt8]?

    init(
        _ source: BlobSource, _ digest: Digest, _ coding: BlobCoding, _ blobClass: BlobClass,
        replaces: Bool
    ) throws {
        self.source = source
        self.digest = digest
        self.coding = coding
        self.blobClass = blobClass
        self.replaces = replaces
        trailer = try coding.trailer(digest: digest)
    }

    /// The number of chunks, including the trailer.
    var chunks: Int { source.ranges.count + (trailer == nil ? 0 : 1) }

    func claim(_ place: BlobPlace, storedBytes: Int) -> Request {
        .blobClaim(
            digest: digest.bytes, blobClass: blobClass.rawValue, store: place.rawValue,
            rawBytes: Int64(source.count), storedBytes: Int64(storedBytes), chunks: chunks,
            filter: coding.filter.rawValue, codec: coding.codec.rawValue, anew: replaces)
    }

    /// Encodes the chunks in order and passes each encoded chunk to `body`. Errors: `file`, after
    /// the last chunk, if the bytes of a file no longer match the digest.
    func forEachChunk(_ body: (ChunkEntry, [UInt8]) throws -> Void) throws {
        var again = DigestStream()
        for (ordinal, range) in source.ranges.enumerated() {
            let raw = try source.read(range)
            if source.mayChange { again.update(raw) }
            let data = try coding.encode(raw)
            try body(ChunkEntry(ordinal, rawBytes: raw.count, data), data)
        }
        if let trailer {
            try body(ChunkEntry(source.ranges.count, rawBytes: 0, trailer), trailer)
        }
        let found = again.digest()
        guard !source.mayChange || found == digest else {
            throw ArtifactsError(
                .file,
                "the bytes of blob \(digest.short) changed while they were stored: "
                    + "nothing was kept, put it again"
            )
        }
    }
}

/// A blob in the form in which it is to be stored.
protocol StorableBlob {
    /// The digest of the decoded bytes.
    var digest: Digest { get }
    /// The retention class.
    var blobClass: BlobClass { get }
    /// The number of chunks, including the trailer.
    var chunks: Int { get }
    /// Returns the statement that inserts the row of the blob, or updates and locks the row.
    func claim(_ place: BlobPlace, storedBytes: Int) -> Request
    /// Passes the encoded chunks to `body` in order.
    func forEachChunk(_ body: (ChunkEntry, [UInt8]) throws -> Void) throws
}

/// Properties of a stored chunk.
struct ChunkEntry {
    let ordinal, rawBytes, storedBytes: Int
    let sha256: [UInt8]

    init(_ ordinal: Int, rawBytes: Int, _ data: [UInt8]) {
        self.ordinal = ordinal
        self.rawBytes = rawBytes
        storedBytes = data.count
        sha256 = Digest.of(data).bytes
    }

    /// Returns the statement that inserts the row of the chunk; `data` is nil if the folder store
    /// has the bytes.
    func insert(_ digest: Digest, _ blobClass: String, data: [UInt8]?) -> Request {
        .blobChunkInsert(
            digest: digest.bytes, blobClass: blobClass, ordinal: ordinal, rawBytes: rawBytes,
            storedBytes: storedBytes, sha256: sha256, data: data)
    }
}

/// A small blob that is not stored yet: `ArtifactStore.record` stores it together with its
/// artifact.
public struct WaitingBlob: Sendable {
    /// The digest of the bytes.
    public let digest: Digest
    /// The bytes themselves.
    public let bytes: [UInt8]
    let coding: BlobCoding
    let chunks: [(entry: ChunkEntry, data: [UInt8])]

    /// The largest size of a waiting blob, in bytes. The limit is small, because one batch may
    /// contain the blobs of many attempts.
    static let mostBytes = 16 << 10

    var storedBytes: Int { chunks.reduce(0) { $0 + $1.data.count } }
}

extension BlobStore {
    /// The kind with which checkpoints are stored; blobs of this kind get the class `checkpoint`.
    public static let checkpointKind = "checkpoint"
    /// How many chunks one round trip sends if it sends their data, and how many if their data are in
    /// the folder store.
    static let pipelinedChunks = 4, pipelinedRows = 500

    /// Stores bytes and returns their digest. If the bytes exist and are intact, only the row of
    /// their blob is updated; damaged bytes, and bytes in a form that this program cannot read, are
    /// replaced.
    ///
    /// `elementSize` is 4 for float32 and other 4-byte elements, 1 for anything else. `kind` is the
    /// kind of the artifact. The kind and the size decide where the bytes are stored (`StoreRule`).
    /// This runs in the open transaction, if there is one, or else in transactions of its own.
    @discardableResult
    public func put(_ bytes: [UInt8], elementSize: Int, kind: String = "") throws -> Digest {
        try put(
            BlobSource(count: bytes.count, mayChange: false) { Array(bytes[$0]) },
            elementSize: elementSize, kind: kind)
    }

    /// Stores bytes as `put` does. A small blob that is not stored yet, and that belongs in the
    /// database, is returned instead, to be stored with its artifact; this saves a round trip and a
    /// commit. Checkpoints are always stored at once.
    public func putOrWait(
        _ bytes: [UInt8], elementSize: Int, kind: String
    ) throws -> (digest: Digest, waiting: WaitingBlob?) {
        let source = BlobSource(count: bytes.count, mayChange: false) { Array(bytes[$0]) }
        guard bytes.count <= WaitingBlob.mostBytes, kind != Self.checkpointKind else {
            return (try put(source, elementSize: elementSize, kind: kind), nil)
        }
        let digest = Digest.of(bytes)
        let (row, rule) = try look(digest)
        guard row == nil, rule?.takes(kind: kind, bytes: bytes.count) != true else {
            return (try put(source, elementSize: elementSize, kind: kind), nil)
        }
        let coding = try BlobCoding.best(forFirstChunk: bytes, elementSize: elementSize)
        var chunks: [(ChunkEntry, [UInt8])] = []
        try BlobPut(source, digest, coding, .lasting, replaces: false)
            .forEachChunk { chunks.append(($0, $1)) }
        return (digest, WaitingBlob(digest: digest, bytes: bytes, coding: coding, chunks: chunks))
    }

    /// Returns the row of a blob and the rule of the folder store, if they exist.
    func look(_ digest: Digest) throws -> (row: Row?, rule: StoreRule?) {
        let looked = try connection.pipeline([
            .blobGet(digest: digest.bytes), Request(.storeGet),
        ])
        return (looked[0].first, try looked[1].first.map { try StoreRule($0) })
    }

    /// Stores the bytes of a file as `put` does, without holding more than a few chunks of it in
    /// memory. Errors: `file`.
    @discardableResult
    public func put(file path: String, elementSize: Int, kind: String = "") throws -> Digest {
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw ArtifactsError(
                .file, "\(path) cannot be opened",
                remedy: "does the file exist, and may you read it?")
        }
        do {
            defer { file.closeFile() }
            let count = Int(try file.seekToEnd())
            let source = BlobSource(count: count, mayChange: true) { range in
                try file.seek(toOffset: UInt64(range.lowerBound))
                return [UInt8](try file.read(upToCount: range.count) ?? Data())
            }
            return try put(source, elementSize: elementSize, kind: kind)
        } catch let error as CocoaError {
            throw ArtifactsError(.file, "\(path) cannot be read: \(FileBytes.reason(error))")
        }
    }

    private func put(_ source: BlobSource, elementSize: Int, kind: String) throws -> Digest {
        let digest = try source.digest()
        let blobClass = Self.blobClass(of: kind)
        while true {
            let (row, rule) = try look(digest)
            let state = try row == nil ? State.missing : state(of: digest)
            if state == .whole {
                if try touch(digest, blobClass) { return digest }
                continue
            }
            // A damaged or unreadable blob is stored again, so that rerunning a stage heals the
            // outputs of that stage.
            let replaces =
                switch state {
                case .damaged, .unreadable: true
                case .whole, .missing, .collected: false
                }
            let coding = try BlobCoding.best(
                forFirstChunk: try source.ranges.first.map(source.read) ?? [],
                elementSize: elementSize)
            let put = try BlobPut(source, digest, coding, blobClass, replaces: replaces)
            let takes = rule?.takes(kind: kind, bytes: source.count) == true
            if try store(put, isNew: row == nil, into: takes ? rule : nil) { return digest }
        }
    }

    /// Stores a blob in the folder of `rule` or, if that is nil, in the database; `isNew` says that
    /// the blob had no row. Returns false if another transaction has just stored the same bytes.
    func store(_ put: some StorableBlob, isNew: Bool, into rule: StoreRule?) throws -> Bool {
        if let rule {
            return try store(put, try BlobFolder(id: rule.id, path: rule.path))
        }
        let isSmall = put.chunks <= Self.pipelinedChunks
        return try isNew && isSmall && !connection.isInTransaction
            ? storeAtOnce(put) : store(put)
    }

    /// Records that existing bytes were put again; returns false if the bytes were collected meanwhile.
    private func touch(_ digest: Digest, _ blobClass: BlobClass) throws -> Bool {
        let touched = Request.blobTouch(digest: digest.bytes, blobClass: blobClass.rawValue)
        guard blobClass == .lasting, try info(digest)?.blobClass == .checkpoint else {
            return try connection.execute(touched) > 0
        }
        return try inTransaction { connection in
            guard try connection.execute(touched) > 0 else { return false }
            try connection.execute(.blobPromote(digest: digest.bytes))
            return true
        }
    }

    // MARK: Into the database

    /// Stores a small new blob in the database in one round trip; returns false if another
    /// transaction has just stored it.
    private func storeAtOnce(_ put: some StorableBlob) throws -> Bool {
        var stored = 0
        var rows: [Request] = []
        try put.forEachChunk { entry, data in
            stored += data.count
            rows.append(entry.insert(put.digest, put.blobClass.rawValue, data: data))
        }
        do {
            let claimed = try connection.transactionPipeline(
                [put.claim(.database, storedBytes: stored)] + rows)
            return !claimed[0].isEmpty
        } catch let error as PostgresError where ["23503", "23505"].contains(error.sqlState) {
            return false  // Another transaction has stored the chunks of this blob.
        }
    }

    /// Stores a blob in the database; returns false if another transaction has just stored the same
    /// bytes.
    private func store(_ put: some StorableBlob) throws -> Bool {
        try inTransaction { connection in
            guard let blobClass = try claim(put, .database) else { return false }
            var stored = 0
            var waiting: [Request] = []
            try put.forEachChunk { entry, data in
                stored += data.count
                waiting.append(entry.insert(put.digest, blobClass, data: data))
                if waiting.count == Self.pipelinedChunks {
                    _ = try connection.pipeline(waiting)
                    waiting = []
                }
            }
            waiting.append(.blobSize(digest: put.digest.bytes, storedBytes: Int64(stored)))
            _ = try connection.pipeline(waiting)
            return true
        }
    }

    /// Inserts the row of the blob, or locks the row and deletes the blob's old chunks; returns the
    /// blob's class. Returns nil if another transaction has just stored the bytes.
    private func claim(_ put: some StorableBlob, _ place: BlobPlace) throws -> String? {
        guard let row = try connection.query(put.claim(place, storedBytes: 0)).first else {
            return nil
        }
        if try !row.bool("fresh") {
            try connection.execute(.blobChunksDelete(digest: put.digest.bytes))
        }
        return try row.text("class")
    }

    // MARK: Into the folder

    /// Stores a blob in the folder store: the file is complete and renamed before the row is
    /// committed. Returns false if another transaction has just stored the same bytes.
    private func store(_ put: some StorableBlob, _ folder: BlobFolder) throws -> Bool {
        let part = try folder.part()
        defer { part.discard() }
        var entries: [ChunkEntry] = []
        try put.forEachChunk { entry, data in
            try part.write(data)
            entries.append(entry)
        }
        try part.flush()
        return try inTransaction { connection in
            try connection.execute(.fileLock(key: put.digest.lockKey))
            guard let blobClass = try claim(put, .folder) else { return false }
            try folder.publish(part, as: put.digest)
            let rows = entries.map { $0.insert(put.digest, blobClass, data: nil) }
            for start in stride(from: 0, to: rows.count, by: Self.pipelinedRows) {
                _ = try connection.pipeline(Array(rows[start...].prefix(Self.pipelinedRows)))
            }
            try connection.execute(
                .blobSize(digest: put.digest.bytes, storedBytes: Int64(part.bytes)))
            return true
        }
    }
}

extension Digest {
    /// The key of the advisory lock that protects the file of the blob with this digest.
    var lockKey: Int64 {
        Int64(bitPattern: bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) })
    }
}

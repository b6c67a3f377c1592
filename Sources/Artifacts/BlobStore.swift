// Bytes in the database: put once under their digest, checked at every read.
//
// Chunk by chunk both ways, so that a blob of any size needs a few megabytes here. Blobs are not
// facts: a worker that lost its lease may put one, only the artifact row that names it makes it
// count.

import Foundation
import Intake
import Postgres
import Schema

/// What is known of a stored blob.
public struct BlobInfo: Sendable, Equatable {
    /// Bytes as they are decoded.
    public let rawBytes: Int
    /// Bytes in the database.
    public let storedBytes: Int
    /// How it is written.
    public let coding: BlobCoding
    /// Rows it takes.
    public let chunks: Int
    /// When it was put.
    public let createdAt: Date
}

/// The content-addressed store of blobs in one database.
public struct BlobStore {
    private let connection: Connection

    /// The store of this connection's database.
    public init(_ connection: Connection) {
        self.connection = connection
    }

    /// Stores bytes and answers their digest; when they are there already, and whole, nothing happens. Damaged ones
    /// are replaced.
    ///
    /// `elementSize` is 4 for float32 and other 4-byte elements, 1 for anything else. Runs in its
    /// own transaction, or in the connection's where one is open.
    @discardableResult
    public func put(_ bytes: [UInt8], elementSize: Int) throws -> Digest {
        try put(count: bytes.count, elementSize: elementSize) { Array(bytes[$0]) }
    }

    /// Stores the bytes of a file without holding more than a chunk of it.
    @discardableResult
    public func put(file path: String, elementSize: Int) throws -> Digest {
        let file = try Self.opened(path)
        do {
            defer { file.closeFile() }
            let count = Int(try file.seekToEnd())
            return try put(count: count, elementSize: elementSize) { range in
                try file.seek(toOffset: UInt64(range.lowerBound))
                return [UInt8](try file.read(upToCount: range.count) ?? Data())
            }
        } catch let error as CocoaError {
            throw ArtifactsError(.file, "\(path) cannot be read: \(FileBytes.reason(error))")
        }
    }

    private static func opened(_ path: String) throws(ArtifactsError) -> FileHandle {
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw ArtifactsError(
                .file, "\(path) cannot be opened",
                remedy: "does the file exist, and may you read it?")
        }
        return file
    }

    /// Reads twice: once to name the bytes, once to store them if they are not there.
    private func put(
        count: Int, elementSize: Int, read: (Range<Int>) throws -> [UInt8]
    ) throws -> Digest {
        let ranges = stride(from: 0, to: count, by: BlobCoding.chunkBytes).map { start in
            start..<min(start + BlobCoding.chunkBytes, count)
        }
        var stream = DigestStream()
        for range in ranges { stream.update(try read(range)) }
        let digest = stream.digest()
        // What is damaged is put again: so a stage that is run again heals what it made.
        let state = try state(of: digest)
        if state == .whole { return digest }

        let coding = try BlobCoding.best(
            forFirstChunk: try ranges.first.map(read) ?? [], elementSize: elementSize)
        let trailer = try coding.trailer(digest: digest)
        try inTransaction { connection in
            if state != .missing { try connection.execute(.blobRemove, [.bytes(digest.bytes)]) }
            let inserted = try connection.execute(
                .blobInsert,
                [
                    .bytes(digest.bytes), .int(count),
                    .int(ranges.count + (trailer == nil ? 0 : 1)),
                    .text(coding.filter.rawValue), .text(coding.codec.rawValue),
                ])
            guard inserted == 1 else { return }
            var again = DigestStream()
            for (ordinal, range) in ranges.enumerated() {
                let raw = try read(range)
                again.update(raw)
                try insert(digest, ordinal, rawBytes: raw.count, try coding.encode(raw))
            }
            if let trailer { try insert(digest, ranges.count, rawBytes: 0, trailer) }
            guard again.digest() == digest else {
                throw ArtifactsError(
                    .file,
                    "the bytes of blob \(digest.short) changed while they were stored: "
                        + "nothing was kept, put it again"
                )
            }
        }
        return digest
    }

    private func insert(_ digest: Digest, _ ordinal: Int, rawBytes: Int, _ data: [UInt8]) throws {
        try connection.execute(
            .blobChunkInsert,
            [
                .bytes(digest.bytes), .int(ordinal), .int(rawBytes), .bytes(Digest.of(data).bytes),
                .bytes(data),
            ])
    }

    private func inTransaction(_ body: (Connection) throws -> Void) throws {
        if connection.isInTransaction {
            try body(connection)
        } else {
            try connection.transaction(body)
        }
    }

    /// What is known of a blob; nil when there is none.
    public func info(_ digest: Digest) throws -> BlobInfo? {
        guard let row = try connection.query(.blobGet, [.bytes(digest.bytes)]).first else {
            return nil
        }
        guard let filter = BlobCoding.Filter(rawValue: try row.text("filter")),
            let codec = BlobCoding.Codec(rawValue: try row.text("codec"))
        else {
            throw ArtifactsError(
                .codec, "blob \(digest.short) was written by a newer ofa",
                remedy: "read it with that version"
            )
        }
        return BlobInfo(
            rawBytes: try row.int("raw_bytes"), storedBytes: try row.int("stored_bytes"),
            coding: BlobCoding(filter: filter, codec: codec), chunks: try row.int("chunks"),
            createdAt: try row.date("created_at"))
    }

    /// The bytes of a blob; an error when there is none, or when they are not what was put.
    public func get(_ digest: Digest) throws -> [UInt8] {
        var bytes = [UInt8]()
        try read(digest) { bytes += $0 }
        return bytes
    }

    /// Reads a blob chunk by chunk; each is checked before it is handed on, the whole at the end.
    ///
    /// Errors: `notFound` and `corrupt`, naming the artifact whose bytes they are.
    public func read(_ digest: Digest, _ each: ([UInt8]) throws -> Void) throws {
        do {
            try readUnnamed(digest, each)
        } catch let error as ArtifactsError where [.corrupt, .notFound].contains(error.code) {
            throw try named(error, digest)
        }
    }

    /// The error with the artifact in front and how its bytes come back.
    private func named(_ error: ArtifactsError, _ digest: Digest) throws -> ArtifactsError {
        let row: Row?
        do {
            row = try connection.query(
                .artifactByDigest, [.bytes(digest.bytes), .bytes(digest.bytes), .int(1)]
            ).first
        } catch is PostgresError {
            // The transaction failed when the bytes were read: what is known already must do.
            return error
        }
        guard let row else { return error }
        let id = try row.int64("id")
        let isBrought = try row.optionalInt64("run_id") == nil
        return ArtifactsError(
            error.code,
            "artifact \(id) (\(try row.text("kind")) \(try row.text("name"))): \(error.reason)",
            remedy: isBrought
                ? "bring the same file again, or restore a backup"
                : "ofa artifacts heal \(id) makes them again, or says what does")
    }

    private func readUnnamed(_ digest: Digest, _ each: ([UInt8]) throws -> Void) throws {
        guard let info = try info(digest) else {
            throw ArtifactsError(
                .notFound, "its bytes are not here: there is no blob \(digest.short)")
        }
        var stream = DigestStream(), count = 0
        for ordinal in 0..<info.chunks {
            let raw = try chunk(digest, ordinal, info)
            stream.update(raw)
            count += raw.count
            try each(raw)
        }
        guard count == info.rawBytes else {
            throw Self.corrupt(digest, "it has \(count) bytes, its row says \(info.rawBytes)")
        }
        let found = stream.digest()
        guard found == digest else {
            throw Self.corrupt(
                digest, "its chunks together have another digest (\(found.short))")
        }
    }

    /// Writes the bytes of a blob to a file, checked; answers how many. A damaged blob leaves no file.
    @discardableResult
    public func get(_ digest: Digest, toFile path: String) throws -> Int {
        let part = path + ".part"
        guard FileManager.default.createFile(atPath: part, contents: nil),
            let file = FileHandle(forWritingAtPath: part)
        else {
            throw ArtifactsError(
                .file, "\(path) cannot be written", remedy: "does its folder exist?")
        }
        var count = 0
        do {
            defer { file.closeFile() }
            try read(digest) { bytes in
                try file.write(contentsOf: bytes)
                count += bytes.count
            }
        } catch {
            // What went wrong first is what to report; the part is only in the way.
            unlink(part)
            throw error
        }
        guard rename(part, path) == 0 else {
            unlink(part)
            throw ArtifactsError(.file, "\(path) cannot be written", remedy: "is it a folder?")
        }
        return count
    }

    /// What became of stored bytes.
    public enum State: Sendable, Equatable {
        /// They are what was put.
        case whole
        /// They are not; what is wrong with them.
        case damaged(String)
        /// They are not here.
        case missing
    }

    /// Reads a blob and tells whether it is what was put.
    public func state(of digest: Digest) throws -> State {
        do {
            try readUnnamed(digest) { _ in }
            return .whole
        } catch let error as ArtifactsError where error.code == .corrupt {
            return .damaged(error.reason)
        } catch let error as ArtifactsError where error.code == .notFound {
            return .missing
        }
    }

    /// Keeps a blob from being removed until the transaction ends; false where it is not here.
    public func hold(_ digest: Digest) throws -> Bool {
        try !connection.query(.blobHold, [.bytes(digest.bytes)]).isEmpty
    }

    /// Removes those of these blobs, by their hexadecimal digests, that nothing names any more. In a transaction, after
    /// what named them is gone.
    public func removeUnreferenced(_ hexDigests: [String]) throws {
        let known = hexDigests.filter { $0.wholeMatch(of: /[0-9a-f]{64}/) != nil }
        guard !known.isEmpty else { return }
        precondition(connection.isInTransaction, "blobs are removed with what named them")
        _ = try connection.query(.blobLock, [.textArray(known)])
        try connection.execute(.blobRemoveUnreferenced, [.textArray(known)])
    }

    /// Reads a blob and checks it; the error names the first damaged chunk.
    public func verify(_ digest: Digest) throws {
        try read(digest) { _ in }
    }

    private func chunk(_ digest: Digest, _ ordinal: Int, _ info: BlobInfo) throws -> [UInt8] {
        let place = "chunk \(ordinal + 1) of \(info.chunks)"
        let found: Row?
        do {
            found = try connection.query(.blobChunkGet, [.bytes(digest.bytes), .int(ordinal)])
                .first
        } catch let error as PostgresError where error.sqlState?.hasPrefix("XX0") == true {
            // The server's own page or its copy outside of the row is damaged.
            throw Self.corrupt(digest, "\(place): \(error.reason)")
        }
        guard let row = found else { throw Self.corrupt(digest, "\(place) is missing") }
        let data = try row.bytes("data")
        guard Digest.of(data).bytes == (try row.bytes("sha256")) else {
            throw Self.corrupt(digest, "\(place) is not what was stored (\(data.count) bytes)")
        }
        let rawBytes = try row.int("raw_bytes")
        if info.coding.codec == .lz4, rawBytes == 0 {
            guard LZ4Frame.skippablePayload(data) != nil else {
                throw Self.corrupt(digest, "\(place) is no trailer")
            }
            return []
        }
        do throws(ArtifactsError) {
            return try info.coding.decode(data, count: rawBytes)
        } catch {
            throw Self.corrupt(digest, "\(place): \(error.reason)")
        }
    }

    private static func corrupt(_ digest: Digest, _ what: String) -> ArtifactsError {
        ArtifactsError(
            .corrupt, "its bytes are damaged: of blob \(digest.short), \(what)",
            remedy: "restore a backup")
    }
}

// Reads the chunks of one blob in order, from the database or from a file of the folder store, and
// verifies each chunk.

import Foundation
import Postgres
import Schema

/// Reads a blob from its first chunk to its last.
final class ChunkReader {
    /// A chunk in stored form, not verified yet.
    struct Stored: Sendable {
        /// The stored bytes of the chunk.
        let data: [UInt8]
        /// The size of the decoded bytes.
        let rawBytes: Int
        /// The SHA-256 that the stored bytes should have, from the row of the chunk.
        let sha256: [UInt8]
        /// The number of the chunk and, if the folder store has it, its file; for error messages.
        let place: String

        /// Compares the stored bytes with their SHA-256. Errors: `corrupt`.
        func verify(of digest: Digest) throws {
            guard Digest.of(data).bytes == sha256 else {
                throw BlobStore.corrupt(
                    digest, "\(place) is not what was stored (\(data.count) bytes)")
            }
        }

        /// Returns the decoded bytes of a verified chunk; none for the trailer (the last frame,
        /// with metadata). Errors: `corrupt`.
        func decoded(_ coding: BlobCoding, of digest: Digest) throws -> [UInt8] {
            if coding.codec == .lz4, rawBytes == 0 {
                guard LZ4Frame.skippablePayload(data) != nil else {
                    throw BlobStore.corrupt(digest, "\(place) is no trailer")
                }
                return []
            }
            do throws(ArtifactsError) {
                return try coding.decode(data, count: rawBytes, isVerified: true)
            } catch {
                throw BlobStore.corrupt(digest, "\(place): \(error.reason)")
            }
        }
    }

    private let digest: Digest
    private let store: BlobStore
    private var file: (handle: FileHandle, path: String)?
    private var offset = 0
    /// The next chunk's row, which the server already looks up.
    private var asked: (ordinal: Int, answer: LaterAnswer)?

    /// Prepares to read the blob with `digest` from its first chunk on.
    init(_ digest: Digest, _ store: BlobStore) {
        self.digest = digest
        self.store = store
    }

    /// Returns the next chunk in stored form, which must be chunk `ordinal`, and verifies it.
    /// Errors: as for `fetch`.
    func stored(_ ordinal: Int, of chunks: Int) throws -> Stored {
        let stored = try fetch(ordinal, of: chunks)
        try stored.verify(of: digest)
        return stored
    }

    /// Returns the next chunk in stored form, which must be chunk `ordinal`, without verifying it.
    /// Errors: `corrupt`, `collected`, `file`.
    func fetch(_ ordinal: Int, of chunks: Int) throws -> Stored {
        let place = "chunk \(ordinal + 1) of \(chunks)"
        let row = try self.row(ordinal, place)
        if ordinal + 1 < chunks { asked = (ordinal + 1, try ask(ordinal + 1)) }
        let size = try row.int("stored_bytes")
        defer { offset += size }
        let data: [UInt8], isFile: Bool
        if let inDatabase = try row.optionalBytes("data") {
            (data, isFile) = (inDatabase, false)
        } else if let inFile = try fileBytes(size) {
            (data, isFile) = (inFile, true)
        } else if let moved = try self.row(ordinal, place).optionalBytes("data") {
            // The blob was moved into the database meanwhile.
            (data, isFile) = (moved, false)
        } else {
            throw BlobStore.corrupt(digest, "its file \(try path()) is missing")
        }
        return Stored(
            data: data, rawBytes: try row.int("raw_bytes"), sha256: try row.bytes("sha256"),
            place: place + fileWords(isFile))
    }

    private func row(_ ordinal: Int, _ place: String) throws -> Row {
        let found: Row?
        do {
            found = try answer(ordinal).first
        } catch let error as PostgresError where error.sqlState?.hasPrefix("XX0") == true {
            // The server found one of its own pages or TOAST chunks damaged.
            throw BlobStore.corrupt(digest, "\(place): \(error.reason)")
        }
        guard let found else {
            // The blob was collected while it was read, or the chunk is lost.
            _ = try BlobReader.info(digest, store)
            throw BlobStore.corrupt(digest, "\(place) is missing")
        }
        return found
    }

    /// Waits for the rows of a chunk that was asked for, or asks for it.
    private func answer(_ ordinal: Int) throws -> [Row] {
        let early = asked.flatMap { $0.ordinal == ordinal ? $0.answer : nil }
        asked = nil
        guard let early else { return try ask(ordinal).rows() }
        do { return try early.rows() } catch let error as PostgresError
            where error.sqlState == "57014" && !store.connection.isInTransaction
        {
            // The bytes before took longer to use than a statement may take, and the server ended the one that waited.
            return try ask(ordinal).rows()
        }
    }

    private func ask(_ ordinal: Int) throws -> LaterAnswer {
        try store.connection.ask(.blobChunkGet(digest: digest.bytes, ordinal: ordinal))
    }

    /// Returns the next `count` bytes of the file; nil if there is no file.
    private func fileBytes(_ count: Int) throws -> [UInt8]? {
        if file == nil {
            guard let folder = try store.folder()?.files else {
                throw ArtifactsError(
                    .file, "blob \(digest.short) lies in a folder, and this database has none",
                    remedy: "set it with ofa db store set")
            }
            guard let handle = try folder.reader(of: digest) else { return nil }
            file = (handle, folder.file(of: digest))
        }
        guard let file else { return nil }
        do {
            try file.handle.seek(toOffset: UInt64(offset))
            return [UInt8](try file.handle.read(upToCount: count) ?? Data())
        } catch {
            throw ArtifactsError(
                .file, "\(file.path) cannot be read: \(error.localizedDescription)")
        }
    }

    private func path() throws -> String {
        try store.folder()?.files.file(of: digest) ?? digest.hex
    }

    private func fileWords(_ isFile: Bool) -> String {
        isFile ? file.map { " in file \($0.path)" } ?? "" : ""
    }
}

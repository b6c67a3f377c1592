// Reads the chunks of one blob in order, from the database or from a file of the folder store, and
// verifies each chunk.

import Foundation
import Postgres
import Schema

/// Reads a blob from its first chunk to its last.
final class ChunkReader {
    /// A chunk in stored form.
    struct Stored {
        /// The stored bytes of the chunk.
        let data: [UInt8]
        /// The size of the decoded bytes.
        let rawBytes: Int
        /// Whether the bytes came from the folder store.
        let isFile: Bool
    }

    private let digest: Digest
    private let store: BlobStore
    private var file: (handle: FileHandle, path: String)?
    private var offset = 0
    private var decoder: LZ4Decoder?

    /// Prepares to read the blob with `digest` from its first chunk on.
    init(_ digest: Digest, _ store: BlobStore) {
        self.digest = digest
        self.store = store
    }

    /// Returns the decoded bytes of the next chunk, which must be chunk `ordinal`. Errors:
    /// `corrupt`, `collected`, `file`.
    func next(_ ordinal: Int, _ info: BlobInfo) throws -> [UInt8] {
        try decoded(try stored(ordinal, of: info.chunks), ordinal, info)
    }

    /// Returns the decoded bytes of a stored chunk; none for the trailer (the last frame, with
    /// metadata). Errors: `corrupt`.
    func decoded(_ stored: Stored, _ ordinal: Int, _ info: BlobInfo) throws -> [UInt8] {
        let place = "chunk \(ordinal + 1) of \(info.chunks)" + fileWords(stored.isFile)
        if info.coding.codec == .lz4, stored.rawBytes == 0 {
            guard LZ4Frame.skippablePayload(stored.data) != nil else {
                throw BlobStore.corrupt(digest, "\(place) is no trailer")
            }
            return []
        }
        do throws(ArtifactsError) {
            // The stored bytes match their digest, so the checksums of frames add nothing.
            if info.coding.codec == .lz4, decoder == nil {
                decoder = try LZ4Decoder(skipsChecksums: true)
            }
            return try info.coding.decode(stored.data, count: stored.rawBytes, with: decoder)
        } catch {
            throw BlobStore.corrupt(digest, "\(place): \(error.reason)")
        }
    }

    /// Returns the next chunk in stored form, which must be chunk `ordinal`. Errors: `corrupt`,
    /// `collected`, `file`.
    func stored(_ ordinal: Int, of chunks: Int) throws -> Stored {
        let place = "chunk \(ordinal + 1) of \(chunks)"
        let row = try self.row(ordinal, place)
        let stated = try row.bytes("sha256"), rawBytes = try row.int("raw_bytes")
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
        guard Digest.of(data).bytes == stated else {
            throw BlobStore.corrupt(
                digest,
                "\(place)\(fileWords(isFile)) is not what was stored (\(data.count) bytes)")
        }
        return Stored(data: data, rawBytes: rawBytes, isFile: isFile)
    }

    private func row(_ ordinal: Int, _ place: String) throws -> Row {
        let found: Row?
        do {
            found = try store.connection.query(
                .blobChunkGet(digest: digest.bytes, ordinal: ordinal)
            ).first
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

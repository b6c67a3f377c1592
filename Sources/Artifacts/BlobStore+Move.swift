// Moves the bytes of a blob between the database and the folder store. The transaction that changes
// the row of the blob commits only after the copy is complete and verified; then the old copy is
// deleted. If the process is killed in between, the bytes are in one place or in both; the next
// `collectFiles` removes a superfluous file.

import Foundation
import Postgres
import Schema

extension BlobStore {
    /// Moves the bytes of a blob to `place`; returns false if they are there already or not stored
    /// at all, or if they were stored anew during the move. `body` runs in the transaction that
    /// changes the row. Errors: `badInput` if there is no folder store.
    public func move(
        _ digest: Digest, to place: BlobPlace,
        alongside body: (Connection) throws -> Void = { _ in }
    ) throws -> Bool {
        guard let info = try info(digest), info.collectedAt == nil, info.place != place else {
            return false
        }
        switch place {
        case .folder: return try moveToFolder(digest, info, body)
        case .database: return try moveToDatabase(digest, body)
        }
    }

    private func moveToFolder(
        _ digest: Digest, _ info: BlobInfo, _ body: (Connection) throws -> Void
    ) throws -> Bool {
        guard let folder = try folder()?.files else {
            throw ArtifactsError(
                .badInput, "this database has no folder",
                remedy: "set one with ofa db store set folder --path PATH")
        }
        let part = try folder.part()
        defer { part.discard() }
        // The chunks are copied in stored form, and their decoded bytes must match the digest.
        var chunks: [(bytes: Int, digest: Digest)] = []
        try copy(digest, info) { _, data in
            try part.write(data)
            chunks.append((data.count, Digest.of(data)))
        }
        try part.flush()
        try part.verify(chunks)
        return try connection.transaction { connection in
            try connection.execute(.fileLock(key: digest.lockKey))
            guard try locked(digest) == info,
                try connection.query(.blobChunkDigests(digest: digest.bytes)).map({
                    try Digest(bytes: $0.bytes("sha256"))
                }) == chunks.map(\.digest)
            else { return false }
            let moved = try connection.query(
                .blobMove(digest: digest.bytes, to: BlobPlace.folder.rawValue))
            guard !moved.isEmpty else { return false }
            try body(connection)
            try folder.publish(part, as: digest)
            try connection.execute(.blobChunksEmpty(digest: digest.bytes))
            return true
        }
    }

    private func moveToDatabase(
        _ digest: Digest, _ body: (Connection) throws -> Void
    ) throws -> Bool {
        let isMoved = try connection.transaction { connection in
            try connection.execute(.fileLock(key: digest.lockKey))
            guard let info = try locked(digest) else { return false }
            let moved = try connection.query(
                .blobMove(digest: digest.bytes, to: BlobPlace.database.rawValue))
            guard !moved.isEmpty else { return false }
            try body(connection)
            try copy(digest, info) { ordinal, data in
                try connection.execute(
                    .blobChunkFill(digest: digest.bytes, ordinal: ordinal, data: data))
            }
            return true
        }
        if isMoved { _ = try removeFile(digest) }
        return isMoved
    }

    /// Locks the row of a blob until the transaction ends and returns its properties: until then the
    /// blob is neither collected nor stored anew. Returns nil if there is no such blob.
    private func locked(_ digest: Digest) throws -> BlobInfo? {
        _ = try connection.query(.blobLock(digests: [digest.hex]))
        return try info(digest)
    }

    /// Passes the stored chunks of a blob to `each` in order, after verifying each chunk. After the
    /// last chunk, verifies the digest of the blob. Errors: `corrupt`.
    private func copy(
        _ digest: Digest, _ info: BlobInfo, _ each: (Int, [UInt8]) throws -> Void
    ) throws {
        // The stored chunks of a recipe or a delta are not the blob's bytes.
        if info.parent != nil { try verify(digest) }
        let reader = ChunkReader(digest, self)
        var stream = DigestStream()
        for ordinal in 0..<info.chunks {
            let stored = try reader.stored(ordinal, of: info.chunks)
            stream.update(try stored.decoded(info.coding, of: digest))
            try each(ordinal, stored.data)
        }
        let found = stream.digest()
        guard info.parent != nil || found == digest else {
            throw Self.corrupt(
                digest, "its chunks together have another digest (\(found.short))")
        }
    }
}

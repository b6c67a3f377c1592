// Collects garbage: checkpoints of ended jobs, unreferenced blobs, and artifacts that a user
// selects.
//
// A garbage collection locks a blob first; its next statement looks for references to the blob. A
// transaction that adds a reference locks the blob too, so the garbage collection sees every
// reference. Bytes that an attempt has stored but not recorded yet are protected by age: blobs that
// were stored after the start of the oldest running attempt are kept. The rows of blobs are deleted
// in one transaction, and the files of these blobs after it. If the process is killed in between, a
// file without a row remains; the next `collectFiles` removes the file.

import Foundation
import Postgres
import Schema

/// Collects garbage in a database and its folder store.
public struct BlobCollection {
    /// Counts of collected, or collectable, garbage.
    public struct Collected: Sendable, Equatable, Codable {
        /// The number of checkpoints of jobs that have ended.
        public var checkpoints = 0
        /// The number of unreferenced blobs.
        public var blobs = 0
        /// The stored size of these blobs in bytes.
        public var bytes = 0
        /// The number of files without a blob and of unfinished files.
        public var files = 0

        /// Makes counts of zero.
        public init() {}
    }

    /// The default grace period in seconds. It starts when the bytes were last stored, or when a
    /// job ended without completing. With seven days, a job that failed on Friday can be retried on
    /// Monday and resume.
    public static let usualGraceSeconds = 7 * 86400.0
    /// The largest number of unreferenced blobs, or of selected artifacts, that one transaction
    /// removes.
    public static let batch = 20

    let connection: Connection
    let store: BlobStore
    let graceSeconds: Double

    /// Prepares to collect garbage in the database of `connection`. `graceSeconds` is the least age of unreferenced
    /// blobs, and of checkpoints of jobs that did not complete, before they are removed.
    public init(_ connection: Connection, graceSeconds: Double = usualGraceSeconds) {
        self.connection = connection
        self.graceSeconds = graceSeconds
        store = BlobStore(connection)
    }

    /// Collects checkpoints of ended jobs and unreferenced blobs, at most `limit` of each. A
    /// maintenance duty calls this periodically.
    public func collect(limit: Int) throws -> Collected {
        var all = try collectCheckpoints(limit: limit)
        var left = limit, after = "", removedBefore = all.blobs
        while left > 0 {
            let found = try orphans(after: after, limit: min(left, Self.batch))
            guard let last = found.last else {
                // Parents of removed blobs may be unreferenced now.
                guard all.blobs > removedBefore else { break }
                (after, removedBefore) = ("", all.blobs)
                continue
            }
            let removed = try remove(found)
            all.blobs += removed.blobs
            all.bytes += removed.bytes
            left -= found.count
            after = last
        }
        return all
    }

    /// Returns what `collect` would remove now without a limit. The blobs of the checkpoints are
    /// not counted.
    public func collectable() throws -> Collected {
        var all = Collected()
        all.checkpoints = try connection.queryOne(
            .checkpointsCollectable(graceSeconds: graceSeconds)
        ).int("checkpoints")
        let orphans = try connection.queryOne(.blobOrphansCount(graceSeconds: graceSeconds))
        all.blobs = try orphans.int("blobs")
        all.bytes = try orphans.int("bytes")
        return all
    }

    private func orphans(after: String, limit: Int) throws -> [String] {
        try connection.query(
            .blobOrphans(after: after, graceSeconds: graceSeconds, limit: limit)
        ).map { try $0.text("digest") }
    }

    private func collectCheckpoints(limit: Int) throws -> Collected {
        var all = Collected()
        let removed = try connection.transaction { connection in
            let rows = try connection.query(
                .checkpointCollect(graceSeconds: graceSeconds, limit: limit))
            all.checkpoints = rows.count
            return try store.removeCheckpointBlobs(
                try rows.compactMap { try $0.optionalBytes("digest") })
        }
        all.blobs = removed.count
        all.bytes = removed.bytes
        try store.afterRemoving(removed)
        return all
    }

    /// Removes those of the given blobs that are not referenced, are not locked by another
    /// transaction, and cannot have been stored by a running attempt.
    private func remove(_ digests: [String]) throws -> (blobs: Int, bytes: Int) {
        let removed = try connection.transaction { connection in
            let free = try connection.query(.blobLockFree(digests: digests)).map {
                try $0.text("digest")
            }
            return try RemovedBlobs(
                try connection.query(
                    .blobOrphansRemove(digests: free, graceSeconds: graceSeconds)))
        }
        try store.removeFiles(removed)
        return (removed.count, removed.bytes)
    }

    // MARK: Files without a row

    /// Removes files without a blob, and unfinished files older than the grace period; returns
    /// their number. With `isDryRun`, only counts the files. Does nothing if there is no folder
    /// store, or if the folder is not mounted here.
    public func collectFiles(isDryRun: Bool = false) throws -> Int {
        guard let folder = try store.mountedFolder() else { return 0 }
        var count = 0
        let digests = try folder.digests()
        for start in stride(from: 0, to: digests.count, by: 1000) {
            let some = Array(digests[start...].prefix(1000))
            let owned = try store.owned(some)
            for stray in some where !owned.contains(stray) {
                if isDryRun { count += 1 } else if try store.removeFile(stray) { count += 1 }
            }
        }
        for part in try folder.abandonedParts(olderThanSeconds: graceSeconds) {
            if !isDryRun { unlink(part) }
            count += 1
        }
        return count
    }
}

/// Blobs whose rows were deleted. Their files must be removed after the transaction.
public struct RemovedBlobs: Sendable {
    let files: [Digest]
    let count, bytes: Int

    init(_ rows: [Row]) throws {
        files = try rows.filter { try $0.text("store") == BlobPlace.folder.rawValue }.map {
            try Digest(hex: $0.text("digest"))
        }
        count = rows.count
        bytes = try rows.reduce(0) { try $0 + $1.int("stored_bytes") }
    }
}

extension BlobStore {
    /// Removes the given blobs of class `checkpoint` that are not referenced. Call this in the
    /// transaction that removed the references, and `removeFiles` after that transaction.
    public func removeCheckpointBlobs(_ digests: [[UInt8]]) throws -> RemovedBlobs {
        precondition(
            connection.isInTransaction,
            "blobs are removed in the transaction that removed their references")
        let hex = try digests.map { try Digest(bytes: $0).hex }
        guard !hex.isEmpty else { return try RemovedBlobs([]) }
        _ = try connection.query(.blobLock(digests: hex))
        return try RemovedBlobs(try connection.query(.checkpointBlobsRemove(digests: hex)))
    }

    /// Removes the files of deleted blobs, except files of blobs that were stored again.
    public func removeFiles(_ removed: RemovedBlobs) throws {
        for digest in removed.files { _ = try removeFile(digest) }
    }

    /// Removes the files of removed checkpoint blobs, and vacuums so that the space of the removed
    /// chunks can be reused. Call this after the transaction that removed the blobs. Behind a
    /// pooler, or while another session vacuums, only autovacuum frees the space.
    public func afterRemoving(_ removed: RemovedBlobs) throws {
        try removeFiles(removed)
        guard removed.count > removed.files.count, !connection.isPooled else { return }
        do { try connection.execute(.checkpointSpace) } catch let error as PostgresError
            where !error.isConnectionLoss
        {
            // The database role may lack the privilege to vacuum, or a timeout may have passed.
            // Then autovacuum frees the space.
        }
    }

    /// Removes the file of a blob. Returns false and keeps the file if the blob's row says that the
    /// bytes are in the folder store. Also returns false if the folder is not mounted here; then
    /// the garbage collection of another machine removes the file.
    func removeFile(_ digest: Digest) throws -> Bool {
        guard let folder = try mountedFolder() else { return false }
        return try connection.transaction { connection in
            try connection.execute(.fileLock(key: digest.lockKey))
            guard try owned([digest]).isEmpty else { return false }
            try folder.remove(digest)
            return true
        }
    }

    /// Returns those of the given digests whose bytes are in the folder store.
    func owned(_ digests: [Digest]) throws -> Set<Digest> {
        Set(
            try connection.query(.fileOwners(digests: digests.map(\.hex))).map {
                try Digest(hex: $0.text("digest"))
            })
    }
}

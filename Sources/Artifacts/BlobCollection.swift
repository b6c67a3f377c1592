// Garbage collection of checkpoints of ended jobs, unreferenced blobs, and artifacts that a user
// selects.
//
// A collection locks a blob before it looks for references in the next statement. A transaction that adds a reference
// locks the blob too, so every reference is seen. Bytes that an attempt has stored but not yet
// recorded are protected by age: blobs stored after the start of the oldest running attempt stay.
// Rows are removed first, in one transaction, then files: a kill in between leaves a file without a
// row, which the next collection removes.

import Foundation
import Postgres
import Schema

/// Collects bytes in a database and its folder.
public struct BlobCollection {
    /// Counts of collected (or collectable) objects.
    public struct Collected: Sendable, Equatable, Codable {
        /// Checkpoints of jobs that have ended.
        public var checkpoints = 0
        /// Unreferenced blobs.
        public var blobs = 0
        /// Stored bytes of all of them.
        public var bytes = 0
        /// Files without a blob, and unfinished files.
        public var files = 0

        /// All counts are zero.
        public init() {}
    }

    /// The grace period after bytes were stored, or after a job ended without completing: a job
    /// that failed on Friday can be retried on Monday and resume.
    public static let usualGraceSeconds = 7 * 86400.0
    /// How many blobs one transaction removes.
    public static let batch = 20

    let connection: Connection
    let store: BlobStore
    let graceSeconds: Double

    /// Collects garbage that is older than `graceSeconds`.
    public init(_ connection: Connection, graceSeconds: Double = usualGraceSeconds) {
        self.connection = connection
        self.graceSeconds = graceSeconds
        store = BlobStore(connection)
    }

    /// Collects checkpoints of ended jobs and unreferenced blobs, at most `limit` of each. A
    /// maintenance duty calls it periodically.
    public func collect(limit: Int) throws -> Collected {
        var all = try collectCheckpoints(limit: limit)
        var left = limit, after = ""
        while left > 0 {
            let found = try orphans(after: after, limit: min(left, Self.batch))
            guard let last = found.last else { break }
            let removed = try remove(found.map(\.digest))
            all.blobs += removed.blobs
            all.bytes += removed.bytes
            left -= found.count
            after = last.digest
        }
        return all
    }

    /// Everything that `collect` would remove now.
    public func collectable() throws -> Collected {
        var all = Collected()
        all.checkpoints = try connection.queryOne(
            .checkpointsCollectable(graceSeconds: graceSeconds)
        ).int("checkpoints")
        for orphan in try orphans(after: "", limit: Int(Int32.max)) {
            all.blobs += 1
            all.bytes += orphan.bytes
        }
        return all
    }

    private func orphans(after: String, limit: Int) throws -> [(digest: String, bytes: Int)] {
        try connection.query(
            .blobOrphans(after: after, graceSeconds: graceSeconds, limit: limit)
        ).map { (try $0.text("digest"), try $0.int("stored_bytes")) }
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

    /// Removes these blobs, except those that are referenced, locked, or possibly stored by a
    /// running attempt.
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

    /// Removes files without a blob and unfinished files older than the grace period; with
    /// `isDryRun` only counts them. Does nothing if there is no folder or it is not mounted here.
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

/// Blobs whose rows were deleted; their files are removed after the transaction.
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
    /// Removes those of these blobs that are of class `checkpoint` and unreferenced. Call it in the
    /// transaction that removed the references, and `removeFiles` after it.
    public func removeCheckpointBlobs(_ digests: [[UInt8]]) throws -> RemovedBlobs {
        precondition(connection.isInTransaction, "blobs are removed with what named them")
        let hex = try digests.map { try Digest(bytes: $0).hex }
        guard !hex.isEmpty else { return try RemovedBlobs([]) }
        _ = try connection.query(.blobLock(digests: hex))
        return try RemovedBlobs(try connection.query(.checkpointBlobsRemove(digests: hex)))
    }

    /// Removes the files of deleted blobs, except those that were stored again.
    public func removeFiles(_ removed: RemovedBlobs) throws {
        for digest in removed.files { _ = try removeFile(digest) }
    }

    /// To be called after the transaction that removed checkpoints' blobs: removes their files and
    /// vacuums their space for reuse. Behind a pooler, or while another process vacuums, that is
    /// left to autovacuum.
    public func afterRemoving(_ removed: RemovedBlobs) throws {
        try removeFiles(removed)
        guard removed.count > removed.files.count, !connection.isPooled else { return }
        do { try connection.execute(.checkpointSpace) } catch let error as PostgresError
            where !error.isConnectionLoss
        {
            // No privilege, or a timeout: the checkpoint is saved all the same.
        }
    }

    /// Removes the file of a digest unless a blob has it; returns whether it did. If the folder is
    /// not mounted here, the file is left to a collection elsewhere.
    func removeFile(_ digest: Digest) throws -> Bool {
        guard let folder = try mountedFolder() else { return false }
        return try connection.transaction { connection in
            try connection.execute(.fileLock(key: digest.lockKey))
            guard try owned([digest]).isEmpty else { return false }
            try folder.remove(digest)
            return true
        }
    }

    /// Those of these digests whose bytes are in the folder.
    func owned(_ digests: [Digest]) throws -> Set<Digest> {
        Set(
            try connection.query(.fileOwners(digests: digests.map(\.hex))).map {
                try Digest(hex: $0.text("digest"))
            })
    }
}

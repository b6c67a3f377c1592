// What nothing needs any more: checkpoints of jobs that ended, bytes that nothing names, and what a person names.
//
// A collection locks a blob before it looks for references in the next statement. A transaction that adds a reference
// locks the blob too, so every reference is seen. Bytes that an attempt has put and not yet recorded are protected by
// time: what was put after the oldest running attempt began stays. Rows are removed first, in one transaction, then
// files: a kill in between leaves a file without a row, which the next collection removes.

import Foundation
import Postgres
import Schema

/// Collects bytes in a database and its folder.
public struct BlobCollection {
    /// What was collected, or would be.
    public struct Collected: Sendable, Equatable, Codable {
        /// Checkpoints of jobs that have ended.
        public var checkpoints = 0
        /// Blobs that nothing named.
        public var blobs = 0
        /// Stored bytes of all of them.
        public var bytes = 0
        /// Files that no blob has, and files that were never finished.
        public var files = 0

        /// Nothing.
        public init() {}
    }

    /// How long ago bytes were put, or a job ended without completing, before they are collected: a job that failed on
    /// Friday is retried on Monday, and goes on where it was.
    public static let usualGraceSeconds = 7 * 86400.0
    /// How many blobs go in one transaction.
    public static let batch = 20

    let connection: Connection
    let store: BlobStore
    let graceSeconds: Double

    /// Collects what has been needless for `graceSeconds`.
    public init(_ connection: Connection, graceSeconds: Double = usualGraceSeconds) {
        self.connection = connection
        self.graceSeconds = graceSeconds
        store = BlobStore(connection)
    }

    /// Collects checkpoints of ended jobs and blobs that nothing names, at most `limit` of each; what a duty does from
    /// time to time.
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

    /// What `collect` would take now, all of it.
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

    /// Removes these blobs, except those that are referred to, locked, or perhaps put by a running attempt.
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

    /// Removes files that no blob has, and files that were begun longer ago than the grace; counts them only where
    /// `isDryRun`. Nothing happens where there is no folder, or where it is not mounted here.
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

/// Blobs whose rows are gone; their files are removed after the transaction.
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
    /// Removes those of these blobs that were put as checkpoints and that nothing names any more. In a transaction,
    /// after what named them is gone; `removeFiles` comes after it.
    public func removeCheckpointBlobs(_ digests: [[UInt8]]) throws -> RemovedBlobs {
        precondition(connection.isInTransaction, "blobs are removed with what named them")
        let hex = try digests.map { try Digest(bytes: $0).hex }
        guard !hex.isEmpty else { return try RemovedBlobs([]) }
        _ = try connection.query(.blobLock(digests: hex))
        return try RemovedBlobs(try connection.query(.checkpointBlobsRemove(digests: hex)))
    }

    /// Removes the files of blobs that are gone, each unless it has been put again.
    public func removeFiles(_ removed: RemovedBlobs) throws {
        for digest in removed.files { _ = try removeFile(digest) }
    }

    /// After the transaction that removed checkpoints' blobs: removes their files, and makes their room in the database
    /// that of the next one. Behind a pooler, and while another does it, that is left to autovacuum.
    public func afterRemoving(_ removed: RemovedBlobs) throws {
        try removeFiles(removed)
        guard removed.count > removed.files.count, !connection.isPooled else { return }
        do { try connection.execute(.checkpointSpace) } catch let error as PostgresError
            where !error.isConnectionLoss
        {
            // A role that may not, or a time limit: the checkpoint is saved all the same.
        }
    }

    /// Removes the file of a digest unless a blob has it; whether it did. Where the folder is not mounted here, the
    /// file is left to a collection elsewhere.
    func removeFile(_ digest: Digest) throws -> Bool {
        guard let folder = try mountedFolder() else { return false }
        return try connection.transaction { connection in
            try connection.execute(.fileLock(key: digest.lockKey))
            guard try owned([digest]).isEmpty else { return false }
            try folder.remove(digest)
            return true
        }
    }

    /// Those of these digests whose bytes lie in the folder.
    func owned(_ digests: [Digest]) throws -> Set<Digest> {
        Set(
            try connection.query(.fileOwners(digests: digests.map(\.hex))).map {
                try Digest(hex: $0.text("digest"))
            })
    }
}

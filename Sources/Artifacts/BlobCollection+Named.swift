// Deletes the bytes of artifacts that a user selects. The rows of these artifacts stay as
// tombstones, so lineage remains complete, and `ofa artifacts heal` can recreate the bytes.

import Foundation
import Jobs
import Postgres
import Schema

extension BlobCollection {
    /// A filter for artifacts that runs made: which run, which kind and how old.
    public struct Selection: Sendable, Equatable {
        /// Only artifacts of this run; nil for any run.
        public var run: Int64?
        /// Only artifacts of this kind; nil for any kind.
        public var kind: String?
        /// The minimum time since the artifacts were recorded, in seconds.
        public var olderThanSeconds: Double

        /// Without arguments, all artifacts that runs made are selected.
        public init(run: Int64? = nil, kind: String? = nil, olderThanSeconds: Double = 0) {
            self.run = run
            self.kind = kind
            self.olderThanSeconds = olderThanSeconds
        }
    }

    /// An artifact of a selection.
    public struct Named: Sendable, Equatable, Codable {
        /// The number of the artifact.
        public let artifact: Int64
        /// The kind of the artifact.
        public let kind: String
        /// The name of the artifact, for people.
        public let name: String
        /// The digest of the artifact's bytes.
        public let digest: Digest
        /// The stored size of its blob, in bytes.
        public let bytes: Int
        /// Why the bytes are kept; nil if they can be collected.
        public let kept: String?
    }

    /// Returns the artifacts of a selection whose bytes are stored. `needed` are the artifacts that
    /// unfinished runs read: their bytes are kept.
    public func named(_ selection: Selection, needed: [ArtifactID]) throws -> [Named] {
        try named(selection, needed, [])
    }

    private func named(_ selection: Selection, _ needed: [ArtifactID], _ digests: [String]) throws
        -> [Named]
    {
        try connection.query(
            .artifactsNamed(
                run: selection.run, kind: selection.kind,
                olderThanSeconds: selection.olderThanSeconds, digests: digests,
                needed: needed.map(\.rawValue))
        ).map { row in
            Named(
                artifact: try row.int64("id"), kind: try row.text("kind"),
                name: try row.text("name"),
                digest: try Digest(hex: row.text("digest")), bytes: try row.int("stored_bytes"),
                kept: try row.optionalText("kept"))
        }
    }

    /// Turns the collectable artifacts in `named` into tombstones, up to 20 (`batch`) per
    /// transaction, and returns them. Skips artifacts whose blob another transaction has locked, and
    /// artifacts that must be kept now although they were collectable when `named` was read.
    /// `needed` is evaluated in each transaction after the blobs are locked: a run that holds a blob while it is
    /// enqueued has either been committed by then, and `needed` sees it, or waits for the lock and finds the blob
    /// collected.
    /// `progress` receives the number of artifacts processed so far. Records each collected artifact
    /// in the log of manual changes.
    public func collect(
        _ named: [Named], of selection: Selection, needed: () throws -> [ArtifactID],
        progress: (Int) -> Void = { _ in }
    ) throws -> [Named] {
        let candidates = named.filter { $0.kept == nil }
        var gone: [Named] = []
        for start in stride(from: 0, to: candidates.count, by: Self.batch) {
            progress(start)
            let some = candidates[start...].prefix(Self.batch)
            let rows = try connection.transaction { connection in
                let free = try connection.query(
                    .blobLockFree(digests: Array(Set(some.map(\.digest.hex))))
                ).map { try $0.text("digest") }
                guard !free.isEmpty else { return [Row]() }
                // The artifacts are checked again under the locks. A blob stays if one of its
                // artifacts must stay.
                let again = try self.named(selection, try needed(), free)
                let kept = Set(again.filter { $0.kept != nil }.map(\.digest))
                let digests = Set(again.map(\.digest)).subtracting(kept).map(\.hex)
                let rows = try connection.query(.blobCollect(digests: digests))
                try connection.execute(.blobsChunksDelete(digests: digests))
                let taken = Set(try rows.map { try Digest(hex: $0.text("digest")) })
                for one in some where taken.contains(one.digest) {
                    try connection.note(
                        "collect", "artifact \(one.artifact)", ["name": one.name])
                }
                return rows
            }
            let collected = Set(try rows.map { try Digest(hex: $0.text("digest")) })
            for row in rows where try row.text("store") == BlobPlace.folder.rawValue {
                _ = try store.removeFile(try Digest(hex: row.text("digest")))
            }
            gone += some.filter { collected.contains($0.digest) }
        }
        return gone
    }
}

extension BlobStore {
    /// Pins bytes for a reason, so that garbage collection keeps them; returns false if the bytes
    /// are not stored. `body` runs in the same transaction.
    public func pin(
        _ digest: Digest, reason: String, alongside body: (Connection) throws -> Void = { _ in }
    ) throws -> Bool {
        try inTransaction { connection in
            guard try hold(digest) else { return false }
            try connection.execute(.pinSet(digest: digest.bytes, reason: reason))
            try body(connection)
            return true
        }
    }

    /// Removes a pin; returns false if there was none. `body` runs in the same transaction.
    public func unpin(
        _ digest: Digest, alongside body: (Connection) throws -> Void = { _ in }
    ) throws -> Bool {
        try inTransaction { connection in
            guard try connection.execute(.pinRemove(digest: digest.bytes)) > 0 else { return false }
            try body(connection)
            return true
        }
    }

    /// Returns why bytes are pinned; nil if they are not.
    public func pinned(_ digest: Digest) throws -> String? {
        try connection.query(.pinGet(digest: digest.bytes)).first?.text("reason")
    }
}

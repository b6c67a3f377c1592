// What a person names to be collected: its artifacts stay as tombstones, so that lineage still answers and healing can
// make the bytes again.

import Foundation
import Jobs
import Postgres
import Schema

extension BlobCollection {
    /// Artifacts that stages made, by run, kind and age.
    public struct Selection: Sendable, Equatable {
        /// Of this run; nil for any.
        public var run: Int64?
        /// Of this kind; nil for any.
        public var kind: String?
        /// Recorded so long ago, in seconds.
        public var olderThanSeconds: Double

        /// Names artifacts.
        public init(run: Int64? = nil, kind: String? = nil, olderThanSeconds: Double = 0) {
            self.run = run
            self.kind = kind
            self.olderThanSeconds = olderThanSeconds
        }
    }

    /// An artifact of a selection.
    public struct Named: Sendable, Equatable, Codable {
        /// Its number.
        public let artifact: Int64
        /// What it is.
        public let kind: String
        /// What people call it.
        public let name: String
        /// The digest of its bytes.
        public let digest: Digest
        /// Bytes as they are stored.
        public let bytes: Int
        /// Why its bytes stay; nil where they may go.
        public let kept: String?
    }

    /// The artifacts of a selection whose bytes are here. `needed` are those that unfinished runs read.
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

    /// Makes tombstones of those of `named` that may go, a few a transaction; `needed` is asked before each, because runs
    /// begin meanwhile. Returns those that went; `progress` hears how many were looked at. Who took each is noted.
    public func collect(
        _ named: [Named], of selection: Selection, needed: () throws -> [ArtifactID],
        progress: (Int) -> Void = { _ in }
    ) throws -> [Named] {
        let candidates = named.filter { $0.kept == nil }
        var gone: [Named] = []
        for start in stride(from: 0, to: candidates.count, by: Self.batch) {
            progress(start)
            let some = candidates[start...].prefix(Self.batch)
            let needed = try needed()
            let rows = try connection.transaction { connection in
                let free = try connection.query(
                    .blobLockFree(digests: Array(Set(some.map(\.digest.hex))))
                ).map { try $0.text("digest") }
                guard !free.isEmpty else { return [Row]() }
                // Under the locks; what is kept by one of its names is kept.
                let again = try self.named(selection, needed, free)
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
    /// Keeps bytes from ever being collected, and says why; false where they are not here. `body` belongs to the same
    /// transaction, as it does for the others that change where bytes are.
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

    /// Takes a pin away; false where there was none.
    public func unpin(
        _ digest: Digest, alongside body: (Connection) throws -> Void = { _ in }
    ) throws -> Bool {
        try inTransaction { connection in
            guard try connection.execute(.pinRemove(digest: digest.bytes)) > 0 else { return false }
            try body(connection)
            return true
        }
    }

    /// Why bytes are pinned; nil where they are not.
    public func pinned(_ digest: Digest) throws -> String? {
        try connection.query(.pinGet(digest: digest.bytes)).first?.text("reason")
    }
}

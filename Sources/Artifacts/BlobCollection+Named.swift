// Collection of artifacts that a user selects. They remain as tombstones, so that lineage stays
// complete and healing can recreate the bytes.

import Foundation
import Jobs
import Postgres
import Schema

extension BlobCollection {
    /// Selects artifacts made by stages, by run, kind and age.
    public struct Selection: Sendable, Equatable {
        /// Of this run; nil for any.
        public var run: Int64?
        /// Of this kind; nil for any.
        public var kind: String?
        /// The minimum age in seconds since they were recorded.
        public var olderThanSeconds: Double

        /// nil selects any run or kind.
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
        /// Its name, for people.
        public let name: String
        /// The digest of its bytes.
        public let digest: Digest
        /// Stored size in bytes.
        public let bytes: Int
        /// Why its bytes are kept; nil if they can be collected.
        public let kept: String?
    }

    /// The artifacts of a selection whose bytes are stored. `needed` are the inputs of unfinished
    /// runs.
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

    /// Turns the collectable artifacts of `named` into tombstones, a few per transaction. `needed`
    /// is evaluated before each transaction, because runs may start meanwhile. Returns the
    /// collected ones; `progress` receives the number processed. Each collection is recorded with
    /// its actor.
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
                // Checked again under the locks: a blob stays if one of its artifacts must stay.
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
    /// Pins bytes against collection, with a reason; false if they are not stored. `body` runs in
    /// the same transaction, as in the other operations on stored bytes.
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

    /// Removes a pin; false if there was none.
    public func unpin(
        _ digest: Digest, alongside body: (Connection) throws -> Void = { _ in }
    ) throws -> Bool {
        try inTransaction { connection in
            guard try connection.execute(.pinRemove(digest: digest.bytes)) > 0 else { return false }
            try body(connection)
            return true
        }
    }

    /// Why bytes are pinned; nil if they are not.
    public func pinned(_ digest: Digest) throws -> String? {
        try connection.query(.pinGet(digest: digest.bytes)).first?.text("reason")
    }
}

// The rule that decides which new blobs go into the folder store. It is stored in the database, so
// that all workers agree.

import Foundation
import Jobs
import Postgres
import Schema

/// The folder store of a database and its rule.
public struct StoreRule: Sendable, Equatable, Codable {
    /// The id of the store, which the marker file of the folder repeats.
    public let id: String
    /// The path of the folder on machines that do not set OFA_STORE.
    public let path: String
    /// The minimum size, in bytes, of the new blobs that go into the folder.
    public let fromBytes: Int
    /// The kinds of artifacts whose new blobs go into the folder; empty for all kinds.
    public let kinds: [String]

    init(_ row: Row) throws {
        id = try row.uuid("id")
        path = try row.text("path")
        fromBytes = try row.int("from_bytes")
        kinds = try row.textArray("kinds")
    }

    /// Returns whether new bytes of a kind and size go into the folder.
    func takes(kind: String, bytes: Int) -> Bool {
        bytes >= fromBytes && (kinds.isEmpty || kinds.contains(kind))
    }

    /// Returns the path of the folder, which a backup must include; nil if there is no folder
    /// store. This works on databases of any version.
    public static func pathToBackUp(_ connection: Connection) throws -> String? {
        guard try connection.queryOne(.storeIsKnown).bool("known") else { return nil }
        return try current(connection)?.path
    }

    /// Returns the folder store of a database and its rule; nil if there is no folder store.
    public static func current(_ connection: Connection) throws -> StoreRule? {
        try connection.query(.storeGet).first.map { try StoreRule($0) }
    }

    /// Returns the path of the folder on this machine. Errors: `file` if the folder is not mounted
    /// here.
    public func pathHere() throws -> String { try BlobFolder(id: id, path: path).path }

    /// Makes `path` the folder store of a database from now on, for new blobs of at least
    /// `fromBytes` bytes and of `kinds`. The files of a previous folder must be copied to `path`
    /// first. Errors: `conflict` if the database has files in a folder and `path` is not that
    /// folder, or if `path` belongs to another database; `file`.
    public static func set(
        path: String, fromBytes: Int, kinds: [String], _ connection: Connection
    ) throws {
        let before = try current(connection)
        let id = before?.id ?? UUID().uuidString.lowercased()
        let here = BlobFolder.path(path)
        switch try BlobFolder.mark(in: here) {
        case nil:
            // A folder without a marker file does not have the database's files. So even the
            // current path is refused while the folder is not mounted there.
            if let before, try use(connection)[.folder] != nil {
                throw ArtifactsError(
                    .conflict, "\(here) is not the folder whose files this database has",
                    remedy: before.path == path
                        ? "mount it, or restore its files"
                        : "copy \(before.path) to it with everything inside, then set it again")
            }
            try BlobFolder.make(id: id, at: here)
        case id: break
        case .some:
            throw ArtifactsError(
                .conflict, "\(here) is the store of another database",
                remedy: "name another folder")
        }
        try connection.transaction { connection in
            try connection.execute(
                .storeSet(id: id, path: path, fromBytes: Int64(fromBytes), kinds: kinds))
            try connection.note(
                "set", "store folder",
                [
                    "path": path, "from_bytes": "\(fromBytes)",
                    "kinds": kinds.joined(separator: ","),
                ])
        }
    }

    /// Removes the folder store of a database; returns false if the store holds blobs or does not
    /// exist.
    public static func remove(_ connection: Connection) throws -> Bool {
        try connection.transaction { connection in
            guard try connection.execute(.storeRemove) > 0 else { return false }
            try connection.note("remove", "store folder")
            return true
        }
    }

    /// What a place (the database or the folder) holds.
    public struct Use: Sendable, Equatable, Codable {
        /// The number of blobs.
        public let blobs: Int
        /// The stored size of the blobs in bytes.
        public let bytes: Int
    }

    /// Returns what the database and the folder hold; a place without blobs is left out.
    public static func use(_ connection: Connection) throws -> [BlobPlace: Use] {
        var use: [BlobPlace: Use] = [:]
        for row in try connection.query(.storeUse) {
            guard let place = BlobPlace(rawValue: try row.text("store")) else { continue }
            use[place] = Use(blobs: try row.int("blobs"), bytes: try row.int("bytes"))
        }
        return use
    }
}

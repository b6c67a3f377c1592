// Which bytes go into the folder beside the database: a property of the database, so that all workers agree.

import Foundation
import Jobs
import Postgres
import Schema

/// The folder of a database, and what goes there.
public struct StoreRule: Sendable, Equatable, Codable {
    /// Names the store; the folder holds the same.
    public let id: String
    /// The path of the folder, where a machine has none of its own (OFA_STORE).
    public let path: String
    /// From which size on bytes go there.
    public let fromBytes: Int
    /// Of which kinds; empty for any.
    public let kinds: [String]

    init(_ row: Row) throws {
        id = try row.uuid("id")
        path = try row.text("path")
        fromBytes = try row.int("from_bytes")
        kinds = try row.textArray("kinds")
    }

    /// Whether bytes of a kind and size go into the folder.
    func takes(kind: String, bytes: Int) -> Bool {
        bytes >= fromBytes && (kinds.isEmpty || kinds.contains(kind))
    }

    /// The path of the folder that a backup needs too; nil where there is none, in any version's database.
    public static func pathToBackUp(_ connection: Connection) throws -> String? {
        guard try connection.queryOne(.storeIsKnown).bool("known") else { return nil }
        return try current(connection)?.path
    }

    /// The rule of a database; nil where everything goes into the database.
    public static func current(_ connection: Connection) throws -> StoreRule? {
        try connection.query(.storeGet).first.map { try StoreRule($0) }
    }

    /// The path by which this machine reaches the folder; an error where it does not.
    public func pathHere() throws -> String { try BlobFolder(id: id, path: path).path }

    /// Makes `path` the folder of a database, with what goes there from now on. What lies in the folder that was set
    /// before must be moved first.
    public static func set(
        path: String, fromBytes: Int, kinds: [String], _ connection: Connection
    ) throws {
        let before = try current(connection)
        let id = before?.id ?? UUID().uuidString.lowercased()
        let here = BlobFolder.path(path)
        switch try BlobFolder.mark(in: here) {
        case nil:
            if let before, before.path != path, try use(connection)[.folder] != nil {
                throw ArtifactsError(
                    .conflict, "\(here) is not the folder whose files this database has",
                    remedy: "copy \(before.path) to it with everything inside, then set it again")
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

    /// Takes the folder of a database away; false while bytes lie there.
    public static func remove(_ connection: Connection) throws -> Bool {
        try connection.transaction { connection in
            guard try connection.execute(.storeRemove) > 0 else { return false }
            try connection.note("remove", "store folder")
            return true
        }
    }

    /// What lies in a place.
    public struct Use: Sendable, Equatable, Codable {
        /// How many blobs.
        public let blobs: Int
        /// What they take, in bytes.
        public let bytes: Int
    }

    /// What lies where.
    public static func use(_ connection: Connection) throws -> [BlobPlace: Use] {
        var use: [BlobPlace: Use] = [:]
        for row in try connection.query(.storeUse) {
            guard let place = BlobPlace(rawValue: try row.text("store")) else { continue }
            use[place] = Use(blobs: try row.int("blobs"), bytes: try row.int("bytes"))
        }
        return use
    }
}

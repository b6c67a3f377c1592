// Content-addressed bytes in the database or in the folder store. Reading verifies the bytes.
//
// Blobs are read and written chunk by chunk, so that a blob of any size needs a few megabytes of
// memory; only a recipe is read with all bytes of its parent in memory. A stored blob is an output
// only if the row of an artifact refers to it. So it does no harm if a worker that lost its lease
// still stores blobs. This file reads; BlobStore+Put and BlobStore+Move write.

import Foundation
import Intake
import Postgres
import Schema

/// The blobs of one database, whose bytes are in the database or in its folder store.
public struct BlobStore {
    let connection: Connection
    /// Makes the bytes of blobs that are stored as recipes; nil if this store cannot read such
    /// blobs.
    let maker: BlobRecipe.Maker?

    /// Uses the database of `connection`; `maker` makes the bytes of blobs that are stored as
    /// recipes. Programs use the `init` of Pipelines, which knows recipes of networks.
    public init(_ connection: Connection, maker: BlobRecipe.Maker?) {
        self.connection = connection
        self.maker = maker
    }

    /// A store that cannot read blobs that are stored as recipes.
    init(_ connection: Connection) { self.init(connection, maker: nil) }

    /// Returns the properties of a blob; nil if it does not exist.
    public func info(_ digest: Digest) throws -> BlobInfo? {
        try connection.query(.blobGet(digest: digest.bytes)).first.map {
            try BlobInfo($0, digest: digest)
        }
    }

    /// Returns the verified bytes of a blob. Errors: as for `read`.
    public func get(_ digest: Digest) throws -> [UInt8] {
        var bytes = [UInt8]()
        try read(digest) { bytes += $0 }
        return bytes
    }

    /// Reads a blob chunk by chunk. Each chunk is verified before it is passed to `each`, and the
    /// whole blob at the end.
    ///
    /// Errors: `file`; also `notFound`, `collected` and `corrupt`, which name an artifact that has
    /// these bytes, if there is one.
    public func read(_ digest: Digest, _ each: ([UInt8]) throws -> Void) throws {
        do {
            try readUnnamed(digest, each)
        } catch let error as ArtifactsError where error.isOfBytes {
            throw try named(error, digest)
        }
    }

    /// Returns the error, extended by the name of an artifact that has these bytes and by how to
    /// restore the bytes.
    private func named(_ error: ArtifactsError, _ digest: Digest) throws -> ArtifactsError {
        let row: Row?
        do {
            row = try connection.query(
                .artifactByDigest(first: digest.bytes, last: digest.bytes, most: 1)
            ).first
        } catch is PostgresError {
            // If the failed read aborted the transaction, the artifact cannot be looked up.
            return error
        }
        guard let row else { return error }
        let id = try row.int64("id")
        let isBrought = try row.optionalInt64("run_id") == nil
        return ArtifactsError(
            error.code,
            "artifact \(id) (\(try row.text("kind")) \(try row.text("name"))): \(error.reason)",
            remedy: isBrought
                ? "import the same file again, or restore a backup"
                : "ofa artifacts heal \(id) recreates them, or says how")
    }

    /// Returns the verified bytes of a blob; errors do not name an artifact.
    func unnamed(_ digest: Digest) throws -> [UInt8] {
        var bytes = [UInt8]()
        try readUnnamed(digest) { bytes += $0 }
        return bytes
    }

    private func readUnnamed(_ digest: Digest, _ each: ([UInt8]) throws -> Void) throws {
        let reader = try BlobReader(digest, self)
        var count = 0
        while let raw = try reader.next() {
            count += raw.count
            try each(raw)
        }
        guard count == reader.info.rawBytes else {
            throw Self.corrupt(
                digest, "it has \(count) bytes, its row says \(reader.info.rawBytes)")
        }
        let found = reader.digestOfAll()
        guard found == digest else {
            throw Self.corrupt(
                digest, "its chunks together have another digest (\(found.short))")
        }
    }

    /// Writes the verified bytes of a blob to a file; returns their number. A damaged blob leaves
    /// no file. Errors: as for `read`.
    @discardableResult
    public func get(_ digest: Digest, toFile path: String) throws -> Int {
        let part = path + ".part"
        guard FileManager.default.createFile(atPath: part, contents: nil),
            let file = FileHandle(forWritingAtPath: part)
        else {
            throw ArtifactsError(
                .file, "\(path) cannot be written", remedy: "does its folder exist?")
        }
        var count = 0
        do {
            defer { file.closeFile() }
            try read(digest) { bytes in
                try file.write(contentsOf: bytes)
                count += bytes.count
            }
        } catch {
            // The error of reading or writing is thrown, not that of `unlink`, which may fail too.
            unlink(part)
            throw error
        }
        guard rename(part, path) == 0 else {
            unlink(part)
            throw ArtifactsError(.file, "\(path) cannot be written", remedy: "is it a folder?")
        }
        return count
    }

    /// Returns the file in the folder store that has exactly the bytes of a blob; nil if the bytes
    /// are encoded or stored elsewhere, or if the folder is not mounted here. The bytes are not
    /// verified.
    public func plainFile(of digest: Digest) throws -> String? {
        guard let info = try info(digest), info.collectedAt == nil, info.place == .folder,
            info.coding == BlobCoding(filter: .none, codec: .none)
        else { return nil }
        return try mountedFolder()?.file(of: digest)
    }

    /// The state of the bytes of a blob.
    public enum State: Sendable, Equatable {
        /// The bytes match their digest.
        case whole
        /// The bytes do not match their digest, for this reason.
        case damaged(String)
        /// The bytes are not stored.
        case missing
        /// The bytes were collected at this time.
        case collected(Date)
        /// This program cannot read the stored form, for this reason; another version may.
        case unreadable(String)
    }

    /// Reads and verifies the bytes of a blob; returns their state.
    public func state(of digest: Digest) throws -> State {
        do {
            try readUnnamed(digest) { _ in }
            return .whole
        } catch let error as ArtifactsError where error.code == .corrupt {
            return .damaged(error.reason)
        } catch let error as ArtifactsError where error.code == .codec {
            return .unreadable(error.message)
        } catch let error as ArtifactsError where error.code == .notFound {
            return .missing
        } catch let error as ArtifactsError where error.code == .collected {
            return try info(digest)?.collectedAt.map { .collected($0) } ?? .missing
        }
    }

    /// Protects the bytes of a blob from garbage collection until the transaction ends; returns
    /// false if they are not stored.
    public func hold(_ digest: Digest) throws -> Bool {
        try !connection.query(.blobHold(digest: digest.bytes)).isEmpty
    }

    /// Reads and verifies the bytes of a blob. Errors: as for `read`; `corrupt` names the first
    /// damaged chunk.
    public func verify(_ digest: Digest) throws {
        try read(digest) { _ in }
    }

    static func corrupt(_ digest: Digest, _ what: String) -> ArtifactsError {
        ArtifactsError(
            .corrupt, "its bytes are damaged: of blob \(digest.short), \(what)",
            remedy: "restore a backup")
    }

    /// Returns the rule and the folder of the folder store; nil if there is no folder store.
    /// Errors: `file` if the folder is not mounted here.
    func folder() throws -> (rule: StoreRule, files: BlobFolder)? {
        guard let rule = try StoreRule.current(connection) else { return nil }
        return (rule, try BlobFolder(id: rule.id, path: rule.path))
    }

    /// Returns the folder of the folder store; nil if there is no folder store, or if the folder is
    /// not mounted here. Use this only for work that another machine can do instead.
    func mountedFolder() throws -> BlobFolder? {
        guard let rule = try StoreRule.current(connection),
            try BlobFolder.mark(in: BlobFolder.path(rule.path)) != nil
        else { return nil }
        return try BlobFolder(id: rule.id, path: rule.path)
    }

    /// Runs `body` in the open transaction, if there is one, or else in a new transaction.
    func inTransaction<Value>(_ body: (Connection) throws -> Value) throws -> Value {
        try connection.isInTransaction ? body(connection) : connection.transaction(body)
    }
}

extension ArtifactsError {
    /// Whether the error says that stored bytes are damaged or missing.
    public var isOfBytes: Bool { [.corrupt, .notFound, .collected].contains(code) }
}

// The folder store: content-addressed files outside the database. A file is complete before the row
// of its blob is committed.
//
// A file holds the chunks of a blob in order: LZ4 frames and a trailer, or the raw bytes. The file
// is written in `incoming`, flushed to the disk and renamed to `sha256/ab/cdef…`; then the folders
// are flushed. A file is renamed or removed only while its digest is locked in the database
// (statement FileLock), and after the row of its blob was checked.

import Foundation
import Intake

/// The folder in which a database stores blobs, at the path by which this machine reaches it.
struct BlobFolder {
    /// The name of the marker file, which holds the id of the store.
    static let mark = "ofa-store.json"
    /// The environment variable with the folder's path on this machine.
    static let variable = "OFA_STORE"

    /// The content of the marker file.
    private struct Mark: Codable { let store: String }

    /// The folder's path on this machine.
    let path: String

    /// Opens the folder of store `id`: at the path in OFA_STORE if that is set, else at `stated`.
    /// Errors: `file` if the folder is missing or belongs to another store.
    init(id: String, path stated: String) throws(ArtifactsError) {
        path = Self.path(stated)
        guard let found = try Self.mark(in: path) else {
            throw ArtifactsError(
                .file, "the folder of the store, \(path), is not here: it has no \(Self.mark)",
                remedy:
                    "mount it, or set \(Self.variable) to the path by which this machine reaches it"
            )
        }
        guard found == id else {
            throw ArtifactsError(
                .file, "the folder \(path) is the store of another database",
                remedy: "set \(Self.variable) to the folder of this one (ofa db store)")
        }
    }

    /// Returns the path by which this machine reaches the folder: the path in OFA_STORE if that is
    /// set, else `stated`.
    static func path(_ stated: String) -> String {
        let own = ProcessInfo.processInfo.environment[variable] ?? ""
        return own.isEmpty ? stated : own
    }

    /// Returns the id of the store that a folder belongs to; nil if the folder has no marker file.
    /// Errors: `file`.
    static func mark(in path: String) throws(ArtifactsError) -> String? {
        guard let data = FileManager.default.contents(atPath: path + "/" + mark) else { return nil }
        do { return try JSONDecoder().decode(Mark.self, from: data).store } catch {
            throw ArtifactsError(.file, "\(path)/\(mark) cannot be read: \(error)")
        }
    }

    /// Makes `path` the folder of store `id`. Errors: `file`.
    static func make(id: String, at path: String) throws {
        do {
            try FileManager.default.createDirectory(
                atPath: path + "/incoming", withIntermediateDirectories: true)
            let data = try JSONEncoder().encode(Mark(store: id))
            try data.write(to: URL(filePath: path + "/" + mark), options: .atomic)
        } catch let error as CocoaError {
            throw ArtifactsError(
                .file, "\(path) cannot be made a store: \(FileBytes.reason(error))")
        }
    }

    /// Returns the path of the file of a blob.
    func file(of digest: Digest) -> String {
        let hex = digest.hex
        return path + "/sha256/" + hex.prefix(2) + "/" + hex.dropFirst(2)
    }

    // MARK: Writing

    /// An unfinished file. The code that creates such a file must publish or discard it.
    final class Part {
        let path: String
        private let handle: FileHandle
        private(set) var bytes = 0

        fileprivate init(_ path: String) throws {
            self.path = path
            let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
            guard descriptor >= 0 else { throw BlobFolder.failure(path, "written") }
            handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        }

        /// Appends bytes to the file.
        func write(_ data: [UInt8]) throws {
            do { try handle.write(contentsOf: data) } catch {
                throw ArtifactsError(
                    .file, "\(path) cannot be written: \(error.localizedDescription)",
                    remedy: "free space there")
            }
            bytes += data.count
        }

        /// Reads the file back. Errors: `file` if a chunk does not match its digest.
        func verify(_ chunks: [(bytes: Int, digest: Digest)]) throws {
            guard let reader = FileHandle(forReadingAtPath: path) else {
                throw BlobFolder.failure(path, "read")
            }
            for chunk in chunks {
                let data = [UInt8](try reader.read(upToCount: chunk.bytes) ?? Data())
                guard Digest.of(data) == chunk.digest else {
                    throw ArtifactsError(.file, "\(path) does not hold what was written to it")
                }
            }
        }

        /// Flushes the file to disk.
        func flush() throws {
            guard fsync(handle.fileDescriptor) == 0 else {
                throw BlobFolder.failure(path, "written")
            }
        }

        /// Removes the file.
        func discard() { unlink(path) }
    }

    /// Creates an unfinished file in `incoming`.
    func part() throws -> Part {
        let folder = path + "/incoming"
        try Self.create(folder)
        return try Part(folder + "/" + UUID().uuidString)
    }

    /// Renames a complete file to its final name, durably.
    func publish(_ part: Part, as digest: Digest) throws {
        let file = file(of: digest)
        let folder = (file as NSString).deletingLastPathComponent
        try Self.create(folder)
        guard rename(part.path, file) == 0 else { throw Self.failure(file, "written") }
        for folder in [folder, path + "/sha256", path] { try Self.flush(folder) }
    }

    private static func create(_ folder: String) throws {
        do {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true)
        } catch let error as CocoaError {
            throw ArtifactsError(.file, "\(folder) cannot be made: \(FileBytes.reason(error))")
        }
    }

    private static func flush(_ folder: String) throws {
        let descriptor = open(folder, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(folder, "opened") }
        defer { close(descriptor) }
        // A shared file system may not support fsync of folders. Then that system decides when the
        // rename is durable.
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw failure(folder, "written") }
    }

    fileprivate static func failure(_ path: String, _ what: String) -> ArtifactsError {
        ArtifactsError(.file, "\(path) cannot be \(what): \(String(cString: strerror(errno)))")
    }

    // MARK: Reading and removing

    /// Opens the file of a blob for reading; returns nil if there is none.
    func reader(of digest: Digest) throws -> FileHandle? {
        let file = file(of: digest)
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        if descriptor >= 0 { return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true) }
        if errno == ENOENT { return nil }
        throw Self.failure(file, "read")
    }

    /// Removes the file of a blob if it exists.
    func remove(_ digest: Digest) throws {
        let file = file(of: digest)
        guard unlink(file) == 0 || errno == ENOENT else { throw Self.failure(file, "removed") }
    }

    /// Returns the digests of all files of the store.
    func digests() throws -> [Digest] {
        let root = path + "/sha256"
        return try Self.names(root).flatMap { prefix in
            try Self.names(root + "/" + prefix).compactMap { rest in
                // A file with another name does not belong to the store.
                do throws(ArtifactsError) { return try Digest(hex: prefix + rest) } catch {
                    return nil
                }
            }
        }
    }

    /// Returns the unfinished files that were last written more than `age` seconds ago, so that
    /// their writers must have ended.
    func abandonedParts(olderThanSeconds age: Double) throws -> [String] {
        try Self.names(path + "/incoming").map { path + "/incoming/" + $0 }.filter { file in
            var status = stat()
            guard stat(file, &status) == 0 else { return false }
            return Date.now.timeIntervalSince1970 - Double(status.st_mtim.tv_sec) > age
        }
    }

    private static func names(_ folder: String) throws -> [String] {
        guard FileManager.default.fileExists(atPath: folder) else { return [] }
        do { return try FileManager.default.contentsOfDirectory(atPath: folder).sorted() } catch {
            throw ArtifactsError(
                .file, "\(folder) cannot be read: \(error.localizedDescription)")
        }
    }
}

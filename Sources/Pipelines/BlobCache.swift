// A cache of large blobs as files on this machine, so that shards can be memory-mapped. Every cached file can be
// deleted at any time; a damaged shard is detected and fetched again. If the store's folder on this machine has an
// unencoded file of the blob, this file is used and nothing is copied.

import Artifacts
import Datasets
import Foundation

/// A folder of files, each named by the digest of its bytes.
public struct BlobCache: Sendable {
    private let folder: String

    /// Uses `folder`, which is created when needed.
    public init(folder: String) { self.folder = folder }

    /// Returns the verified shard with the bytes of `digest`; a damaged file is fetched again, once.
    func shard(of digest: Digest, from store: BlobStore) throws -> ImageShard {
        try opened(digest, from: store) { try ImageShard($0) }
    }

    /// Calls `open` with the path of a file that has the bytes of `digest`, and returns the result of `open`, which
    /// must check the bytes. If the cache lacks the file, but the store's folder has the blob in an unencoded file,
    /// this file is opened in place, so that large data sets are not copied. Otherwise the blob is fetched into the
    /// cache. If `open` finds a file damaged, the blob is fetched again.
    func opened<Value>(
        _ digest: Digest, from store: BlobStore, _ open: (String) throws -> Value
    ) throws -> Value {
        if !FileManager.default.fileExists(atPath: folder + "/" + digest.hex),
            let file = try store.plainFile(of: digest)
        {
            do { return try open(file) } catch is DatasetError {
                // The file is damaged. Then the read below, which verifies the bytes, throws an error of `store` that
                // names the artifact.
            }
        }
        do {
            return try open(try path(of: digest, from: store))
        } catch is DatasetError {
            unlink(folder + "/" + digest.hex)
            return try open(try path(of: digest, from: store))
        }
    }

    /// Deletes the cached files of `digests` whose bytes are damaged, and returns how many it deleted. Shards of
    /// pictures need this check, because opening a shard does not verify all of its bytes.
    func removeDamaged(_ digests: [Digest]) throws -> Int {
        var removed = 0
        for digest in digests {
            let path = folder + "/" + digest.hex
            guard let bytes = FileManager.default.contents(atPath: path) else { continue }
            if Digest.of([UInt8](bytes)) != digest {
                unlink(path)
                removed += 1
            }
        }
        return removed
    }

    /// Returns the path of the file with the bytes of `digest`; a missing file is fetched from `store` and verified.
    func path(of digest: Digest, from store: BlobStore) throws -> String {
        let path = folder + "/" + digest.hex
        if FileManager.default.fileExists(atPath: path) { return path }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        // The bytes are written to a temporary file, which is then renamed, so that readers see
        // complete files only.
        let part = path + ".\(UUID().uuidString)"
        let descriptor = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Self.failure(part, errno) }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do {
            try store.read(digest) { try handle.write(contentsOf: $0) }
            try handle.close()
            if rename(part, path) != 0 { throw Self.failure(path, errno) }
        } catch {
            unlink(part)
            throw Self.isFull(error) ? Self.failure(part, ENOSPC) : error
        }
        return path
    }

    /// Returns the error for a file that cannot be written.
    private static func failure(_ path: String, _ code: Int32) -> PipelineError {
        PipelineError(
            [ENOSPC, EDQUOT].contains(code) ? .noRoom : .unreadable,
            "\(path) cannot be written (\(String(cString: strerror(code))))",
            remedy: "free space there, or set OFA_HOME to "
                + "another folder")
    }

    /// Returns whether a Foundation error means a full disk or an exhausted quota.
    private static func isFull(_ error: any Error) -> Bool {
        if (error as? CocoaError)?.code == .fileWriteOutOfSpace { return true }
        let known = error as NSError
        return known.domain == NSPOSIXErrorDomain
            && [ENOSPC, EDQUOT].contains(Int32(truncatingIfNeeded: known.code))
    }
}

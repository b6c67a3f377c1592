// Files of this machine with the bytes of large blobs, so that shards can be mapped. A cache: every file can be
// deleted at any time, and a damaged one is noticed and made again.

import Artifacts
import Datasets
import Foundation

/// A folder of files named by digest.
public struct BlobCache: Sendable {
    private let folder: String

    /// Keeps its files in `folder`, which is made when needed.
    public init(folder: String) { self.folder = folder }

    /// The shard with the bytes of `digest`, all of it checked; a file that was damaged here is made again, once.
    func shard(of digest: Digest, from store: BlobStore) throws -> ImageShard {
        do {
            return try ImageShard(try path(of: digest, from: store))
        } catch is DatasetError {
            unlink(folder + "/" + digest.hex)
            return try ImageShard(try path(of: digest, from: store))
        }
    }

    /// The file with the bytes of `digest`; read from `store`, verified on the way, when it is not there yet.
    func path(of digest: Digest, from store: BlobStore) throws -> String {
        let path = folder + "/" + digest.hex
        if FileManager.default.fileExists(atPath: path) { return path }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        // Written beside and renamed: whoever sees the name sees all of the bytes.
        let part = path + ".\(UUID().uuidString)"
        guard FileManager.default.createFile(atPath: part, contents: nil),
            let handle = FileHandle(forWritingAtPath: part)
        else {
            throw PipelineError(
                .unreadable,
                "\(part) cannot be written: free space or set OFA_HOME to another folder")
        }
        do {
            try store.read(digest) { try handle.write(contentsOf: $0) }
            try handle.close()
            if rename(part, path) != 0 {
                throw PipelineError(
                    .unreadable, "\(path) cannot be written: \(String(cString: strerror(errno)))")
            }
        } catch {
            unlink(part)
            throw error
        }
        return path
    }
}

// The folder of this program on this machine: the private server, and caches.

import Foundation

/// The folder of the private server and of caches: `OFA_HOME`, or `.ofa` in the working directory.
public enum HomeFolder {
    /// The path, absolute or relative to the working directory.
    public static var path: String {
        ProcessInfo.processInfo.environment["OFA_HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? ".ofa"
    }

    /// The cache of large blobs in this folder.
    public static var cache: BlobCache { BlobCache(folder: path + "/cache") }
}

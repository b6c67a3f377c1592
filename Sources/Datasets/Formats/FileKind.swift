// FileKind: whether a path given by a user leads to a folder or a file.
import Foundation
import Intake

/// The kind of file at a path; links are followed.
enum FileKind {
    /// A folder.
    case folder
    /// A regular file.
    case file

    /// Determines the kind of file at a path.
    ///
    /// Errors: `unreadable` if the path leads to nothing, or to something that is neither a file nor a folder.
    init(_ path: ByteName) throws(DatasetError) {
        guard !path.bytes.contains(0), !path.bytes.isEmpty else {
            throw DatasetError(.unreadable, "'\(path)' is no path")
        }
        var status = stat()
        guard stat(path.bytes.map { CChar(bitPattern: $0) } + [0], &status) == 0 else {
            throw DatasetError(
                .unreadable,
                errno == ENOENT
                    ? "there is no file or folder \(path)"
                    : "cannot look at \(path): \(FileBytes.reason(errno))")
        }
        switch status.st_mode & S_IFMT {
        case S_IFDIR: self = .folder
        case S_IFREG: self = .file
        default: throw DatasetError(.unreadable, "\(path) is neither a file nor a folder")
        }
    }
}

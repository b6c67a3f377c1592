// Appends OpenLineage events to a file, one per line.

import Foundation
import Intake

/// A file that receives events.
struct EventFile {
    private let path: String

    /// The file at `path`, which is made if it does not exist.
    init(_ path: String) { self.path = path }

    /// Appends whole lines in one write. A file that does not end in a newline, because a write broke off, gets one
    /// first. After a failed write the file has its former length. Errors: `unreachable`.
    func append(_ lines: some Sequence<String>) throws {
        // Opened for both directions, a pipe without a reader does not block, and its kind is seen below.
        let descriptor = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw failure(FileBytes.reason(errno)) }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure(FileBytes.reason(errno)) }
        let isRegular = status.st_mode & S_IFMT == S_IFREG
        guard isRegular || status.st_mode & S_IFMT == S_IFCHR else {
            throw failure("it is no regular file")
        }
        let length = UInt64(status.st_size)
        do {
            var text = lines.map { $0 + "\n" }.joined()
            if isRegular, length > 0 {
                try file.seek(toOffset: length - 1)
                if try file.read(upToCount: 1) != Data("\n".utf8) { text = "\n" + text }
            }
            try file.write(contentsOf: Data(text.utf8))
            if isRegular { try file.synchronize() }
            try file.close()
        } catch {
            let why = FileBytes.reason(error)
            if isRegular, ftruncate(descriptor, status.st_size) != 0 {
                throw failure("\(why); the part of a line that was written stays")
            }
            throw failure(why)
        }
    }

    private func failure(_ why: String) -> PipelineError {
        PipelineError(
            .unreachable, "cannot append OpenLineage events to \(Shown.excerpt(path, 400)): \(why)",
            remedy: "correct the target (OFA_OPENLINEAGE or --to); the events are kept until then")
    }
}

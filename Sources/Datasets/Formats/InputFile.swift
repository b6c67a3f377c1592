// InputFile: an open regular file, read in pieces. Pipes and devices are refused: a pipe could
// block, and a device might never end.
import Foundation
import Intake

/// An open regular file. The file is closed when this object is released.
final class InputFile {
    /// Size and time of a file, which show whether the file was changed while it was read.
    struct State: Equatable {
        /// The file's size in bytes.
        let size: Int
        /// The time of the last modification of the content, in nanoseconds after 1970.
        let changed: Int
    }

    /// The file's path, for messages.
    let path: ByteName
    /// The file's state when it was opened.
    let state: State
    private let descriptor: Int32

    /// Opens a file for reading, without blocking; links are followed.
    ///
    /// Errors: `unreadable`, with the system's reason.
    convenience init(_ path: ByteName) throws(DatasetError) {
        do throws(InputFault) {
            try self.init(opening: path)
        } catch {
            throw DatasetError(.unreadable, "\(path) \(error.reason)")
        }
    }

    /// Opens a file like `init(_:)`. The reason of the fault is a sentence without its subject,
    /// such as `is not a regular file`.
    init(opening path: ByteName) throws(InputFault) {
        self.path = path
        guard !path.bytes.contains(0) else {
            throw InputFault("cannot be opened: its name holds a NUL byte")
        }
        let name = path.bytes.map { CChar(bitPattern: $0) } + [0]
        var status = stat()
        // The kind of the file is checked before it is opened, because opening a device may already have effects.
        if stat(name, &status) == 0 { try Self.checkRegular(status) }
        descriptor = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else {
            throw InputFault("cannot be opened: \(FileBytes.reason(errno))")
        }
        do throws(InputFault) {
            guard fstat(descriptor, &status) == 0 else {
                throw InputFault("cannot be opened: \(FileBytes.reason(errno))")
            }
            try Self.checkRegular(status)
        } catch {
            close(descriptor)
            throw error
        }
        state = Self.state(status)
    }

    deinit { close(descriptor) }

    private static func checkRegular(_ status: stat) throws(InputFault) {
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw InputFault("is not a regular file")
        }
    }

    private static func state(_ status: stat) -> State {
        #if canImport(Darwin)
            let time = status.st_mtimespec
        #else
            let time = status.st_mtim
        #endif
        let (seconds, overflow) = Int(time.tv_sec).multipliedReportingOverflow(by: 1_000_000_000)
        return State(
            size: Int(status.st_size), changed: overflow ? 0 : seconds &+ Int(time.tv_nsec))
    }

    /// Reads the next bytes into `room`, from its first element on. Returns their number, 0 at the
    /// end of the file.
    ///
    /// Errors: `unreadable`.
    func read(into room: inout [UInt8]) throws(DatasetError) -> Int {
        let capacity = room.count
        while true {
            let count = Foundation.read(descriptor, &room, capacity)
            if count >= 0 { return count }
            guard errno == EINTR else {
                throw DatasetError(.unreadable, "cannot read \(path): \(FileBytes.reason(errno))")
            }
        }
    }

    /// Makes the next `read` begin at byte `place` of the file.
    func seek(to place: Int) throws(DatasetError) {
        guard lseek(descriptor, off_t(place), SEEK_SET) >= 0 else {
            throw DatasetError(.unreadable, "cannot read \(path): \(FileBytes.reason(errno))")
        }
    }

    /// Returns whether the file still has the size and the modification time that it had when it was opened.
    func isUnchanged() -> Bool {
        var status = stat()
        return fstat(descriptor, &status) == 0 && Self.state(status) == state
    }
}

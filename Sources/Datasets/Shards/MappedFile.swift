// A file that is read by mapping it into memory: the system loads the pages that are used, and
// drops them when memory is needed.
import Foundation

/// A regular file, mapped read-only.
final class MappedFile: @unchecked Sendable {
    // Safe because the mapping is read-only and lives from init to deinit.

    /// The file's bytes; valid as long as this object.
    let bytes: UnsafeRawBufferPointer

    /// Maps a file of at least `leastBytes` bytes.
    ///
    /// Errors: `unreadable`; `truncated` if the file is shorter.
    init(_ path: String, leastBytes: Int) throws {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            throw DatasetError(
                .unreadable, "cannot open \(path): \(String(cString: strerror(errno)))")
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw DatasetError(.unreadable, "\(path) is not a regular file")
        }
        guard status.st_size >= leastBytes else {
            throw DatasetError(
                .truncated, "\(path) is shorter than a shard's header", remedy: "import it again")
        }
        let size = Int(status.st_size)
        guard let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, file, 0), address != MAP_FAILED
        else {
            throw DatasetError(
                .unreadable, "cannot map \(path): \(String(cString: strerror(errno)))")
        }
        bytes = UnsafeRawBufferPointer(start: address, count: size)
    }

    deinit { munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count) }

    /// Returns the 32-bit number, little endian, that starts at byte `place`.
    func word(at place: Int) -> UInt32 {
        UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self))
    }

    /// Returns the 64-bit number, little endian, that starts at byte `place`.
    func longWord(at place: Int) -> UInt64 {
        UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
    }
}

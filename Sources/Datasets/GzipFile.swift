// Reads gzip files through zlib, piece by piece. zlib verifies gzip's checksum and length; a
// truncated, damaged or foreign file gives an error with the file and the remedy.
import CZlib
import Foundation
import Intake

/// Reads gzip files.
public enum GzipFile {
    private static let pieceBytes = 1 << 18

    /// Returns the uncompressed content of a file of one or more gzip members.
    ///
    /// `maximumBytes` bounds the uncompressed size, against decompression bombs. Errors:
    /// `unreadable`, `wrongFormat`, `truncated`, `corrupt`, `tooLarge`.
    public static func read(_ path: String, maximumBytes: Int = 1 << 31) throws -> [UInt8] {
        let file = try open(path)
        let inflater = try Inflater(path: path, maximumBytes: maximumBytes)
        while let piece = try readPiece(file, path), !piece.isEmpty {
            try inflater.add([UInt8](piece))
        }
        return try inflater.finish()
    }

    /// Returns the first `bytes` bytes of a file's uncompressed content; fewer if the content is
    /// shorter.
    ///
    /// Errors: those of `read`, within the part that was read.
    public static func start(_ path: String, bytes: Int) throws -> [UInt8] {
        guard try isGzip(path) else {
            return [UInt8](try readPiece(try open(path), path, bytes: bytes) ?? Data())
        }
        let file = try open(path)
        let inflater = try Inflater(path: path, maximumBytes: 1 << 24)
        // Read small pieces: only a prefix is needed.
        while inflater.count < bytes, let piece = try readPiece(file, path, bytes: 1 << 10),
            !piece.isEmpty
        {
            try inflater.add([UInt8](piece))
        }
        return inflater.start(bytes)
    }

    /// Returns whether a file starts with gzip's magic bytes. Errors: `unreadable`.
    public static func isGzip(_ path: String) throws -> Bool {
        try readPiece(try open(path), path, bytes: 2) == Data([0x1F, 0x8B])
    }

    /// Returns the content of an uncompressed file.
    ///
    /// Errors: `unreadable`, `tooLarge`.
    public static func plain(_ path: String, maximumBytes: Int = 1 << 31) throws -> [UInt8] {
        let file = try open(path)
        var content: [UInt8] = []
        while let piece = try readPiece(file, path), !piece.isEmpty {
            guard content.count + piece.count <= maximumBytes else {
                throw DatasetError(.tooLarge, "\(path) has more than \(maximumBytes) bytes")
            }
            content += piece
        }
        return content
    }

    private static func open(_ path: String) throws -> FileHandle {
        // Reading a pipe could block and reading a device might never end.
        var status = stat()
        guard stat(path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG else {
            throw DatasetError(.unreadable, "\(path) is not a regular file")
        }
        do {
            return try FileHandle(forReadingFrom: URL(filePath: path))
        } catch {
            throw DatasetError(
                .unreadable, "cannot open \(path): \(FileBytes.reason(error))")
        }
    }

    private static func readPiece(
        _ file: FileHandle, _ path: String, bytes: Int = pieceBytes
    ) throws -> Data? {
        do {
            return try file.read(upToCount: bytes)
        } catch {
            throw DatasetError(.unreadable, "cannot read \(path): \(FileBytes.reason(error))")
        }
    }
}

/// Decompresses one file piece by piece; owns zlib's state, which must not move in memory.
private final class Inflater {
    private let path: String
    private let maximumBytes: Int
    private let stream: UnsafeMutablePointer<z_stream>
    private var output: [UInt8] = []
    private var buffer = [UInt8](repeating: 0, count: 1 << 18)
    /// Whether a member has begun and not ended.
    private var isInsideMember = false
    private var inputBytes = 0
    /// Whether zero padding follows the last member: some tools pad files to whole blocks.
    private var isPadding = false
    private var members = 0

    init(path: String, maximumBytes: Int) throws {
        self.path = path
        self.maximumBytes = maximumBytes
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        // 15 is the largest window; adding 16 means gzip only.
        let status = inflateInit2_(
            stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard status == Z_OK else {
            stream.deallocate()
            throw DatasetError(.unreadable, "zlib cannot start for \(path): status \(status)")
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Bytes decompressed so far.
    var count: Int { output.count }

    /// Returns the first `bytes` bytes of those decompressed so far.
    func start(_ bytes: Int) -> [UInt8] { Array(output.prefix(bytes)) }

    /// Decompresses the next piece of the file.
    func add(_ piece: [UInt8]) throws {
        var piece = piece
        let start = inputBytes
        inputBytes += piece.count
        if isPadding { return try checkPadding(piece[...], at: start) }
        let count = piece.count
        try piece.withUnsafeMutableBufferPointer { input in
            stream.pointee.next_in = input.baseAddress
            stream.pointee.avail_in = uInt(count)
            repeat {
                if stream.pointee.avail_in > 0 { isInsideMember = true }
                let status = try inflateOnce()
                if status == Z_STREAM_END {
                    isInsideMember = false
                    members += 1
                    inflateReset(stream)
                    let rest = input.suffix(Int(stream.pointee.avail_in))
                    if rest.first == 0 {
                        isPadding = true
                        return try checkPadding(Array(rest)[...], at: start + count - rest.count)
                    }
                } else if status != Z_OK && status != Z_BUF_ERROR {
                    throw failure(status)
                }
            } while stream.pointee.avail_in > 0 || (stream.pointee.avail_out == 0 && isInsideMember)
        }
    }

    /// Checks that only zeros follow the last member. Errors: `corrupt`.
    private func checkPadding(_ bytes: ArraySlice<UInt8>, at start: Int) throws {
        guard let place = bytes.firstIndex(where: { $0 != 0 }) else { return }
        throw junk(at: start + place - bytes.startIndex)
    }

    private func junk(at place: Int) -> DatasetError {
        DatasetError(
            .corrupt,
            "\(path) has other data after its gzip data, from byte \(place) on",
            remedy: "download it again"
        )
    }

    /// Returns the whole content. Errors: `truncated` if the file is empty or its last member
    /// incomplete.
    func finish() throws -> [UInt8] {
        guard inputBytes > 0, !isInsideMember else {
            throw DatasetError(
                .truncated, "\(path) ends in the middle of its gzip data",
                remedy: "download it again")
        }
        return output
    }

    private func inflateOnce() throws -> Int32 {
        let capacity = buffer.count
        let status = buffer.withUnsafeMutableBufferPointer { room in
            stream.pointee.next_out = room.baseAddress
            stream.pointee.avail_out = uInt(capacity)
            return inflate(stream, Z_NO_FLUSH)
        }
        let count = capacity - Int(stream.pointee.avail_out)
        guard output.count + count <= maximumBytes else {
            throw DatasetError(
                .tooLarge, "\(path) has more than \(maximumBytes) bytes uncompressed")
        }
        output += buffer[..<count]
        return status
    }

    private func failure(_ status: Int32) -> DatasetError {
        let reason = stream.pointee.msg.map { String(cString: $0) } ?? "status \(status)"
        if output.isEmpty && reason == "incorrect header check" {
            return DatasetError(
                .wrongFormat, "\(path) is not a gzip file", remedy: "compress it, or check its name"
            )
        }
        if members > 0 && reason == "incorrect header check" {
            return junk(at: inputBytes - Int(stream.pointee.avail_in) - 2)
        }
        return DatasetError(.corrupt, "\(path) is damaged (\(reason))", remedy: "download it again")
    }
}

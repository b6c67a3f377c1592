// Reads gzip files through zlib, piece by piece. zlib verifies gzip's checksum and length. The error for a truncated,
// damaged or foreign file names the file and the remedy.
import CZlib
import Foundation
import Intake

/// Reads gzip files.
public enum GzipFile {
    static let pieceBytes = 1 << 18

    /// Returns the uncompressed content of a file of one or more gzip members.
    ///
    /// `maximumBytes` limits the uncompressed size, as a protection against decompression bombs. Errors: `unreadable`,
    /// `wrongFormat`, `truncated`, `corrupt`, `tooLarge`.
    public static func read(_ path: String, maximumBytes: Int = 1 << 31) throws -> [UInt8] {
        let file = try InputFile(ByteName(path))
        let inflater = try Inflater(path: path)
        var room = [UInt8](repeating: 0, count: pieceBytes)
        var content: [UInt8] = []
        while case let count = try inflater.read(into: &room, from: file), count > 0 {
            guard content.count + count <= maximumBytes else {
                throw DatasetError(
                    .tooLarge, "\(path) has more than \(maximumBytes) bytes uncompressed")
            }
            content += room[..<count]
        }
        return content
    }

    /// Returns the first `bytes` bytes of the uncompressed content of a file, compressed or not;
    /// fewer if the content is shorter.
    ///
    /// Errors: those of `read`, as far as the file is read.
    public static func start(_ path: String, bytes: Int) throws -> [UInt8] {
        let stream = try ByteStream(ByteName(path))
        return try stream.take(atMost: bytes)
    }

    /// Returns whether a file starts with gzip's magic bytes. Errors: `unreadable`.
    public static func isGzip(_ path: String) throws -> Bool {
        var start = [UInt8](repeating: 0, count: 2)
        let count = try InputFile(ByteName(path)).read(into: &start)
        return count == 2 && start == magic
    }

    /// The first two bytes of every gzip file.
    static let magic: [UInt8] = [0x1F, 0x8B]

    /// Returns the content of an uncompressed file.
    ///
    /// Errors: `unreadable`, `tooLarge`.
    public static func plain(_ path: String, maximumBytes: Int = 1 << 31) throws -> [UInt8] {
        let file = try InputFile(ByteName(path))
        var room = [UInt8](repeating: 0, count: pieceBytes)
        var content: [UInt8] = []
        while case let count = try file.read(into: &room), count > 0 {
            guard content.count + count <= maximumBytes else {
                throw DatasetError(.tooLarge, "\(path) has more than \(maximumBytes) bytes")
            }
            content += room[..<count]
        }
        return content
    }
}

/// Decompresses one file piece by piece; owns zlib's state, which must not move in memory.
final class Inflater {
    private let path: String
    private let stream: UnsafeMutablePointer<z_stream>
    private var input = [UInt8](repeating: 0, count: 1 << 16)
    /// The range of `input` that is not decompressed yet.
    private var ready = 0..<0
    private var inputBytes = 0
    /// Whether a gzip member has begun but not ended.
    private var isInsideMember = false
    /// Whether zlib may have more output without more input, because the last call filled the
    /// output buffer.
    private var isPending = false
    /// Whether zeros after the last member were found: some tools pad files to whole blocks.
    private var isPadding = false
    private var members = 0

    /// Prepares to decompress; `path` names the file in errors.
    init(path: String) throws(DatasetError) {
        self.path = path
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

    /// Reads the next bytes of `file`, and decompresses into `room`, from its first element on.
    /// Returns the number of decompressed bytes, 0 after the last member.
    ///
    /// Errors: `unreadable`, `wrongFormat`, `truncated`, `corrupt`.
    func read(into room: inout [UInt8], from file: InputFile) throws(DatasetError) -> Int {
        while true {
            if ready.isEmpty && !isPending {
                ready = 0..<(try file.read(into: &input))
                inputBytes += ready.count
                guard !ready.isEmpty else {
                    guard inputBytes > 0, !isInsideMember else { throw truncated() }
                    return 0
                }
            }
            if members > 0, !isInsideMember, let next = ready.first, input[next] == 0 {
                isPadding = true
            }
            if isPadding {
                try checkPadding()
                continue
            }
            isInsideMember = true
            let (status, count) = inflateOnce(into: &room)
            isPending = count == room.count
            if status == Z_STREAM_END {
                isInsideMember = false
                isPending = false
                members += 1
                inflateReset(stream)
            } else if status != Z_OK && status != Z_BUF_ERROR {
                throw failure(status)
            }
            if count > 0 { return count }
        }
    }

    private func inflateOnce(into room: inout [UInt8]) -> (status: Int32, count: Int) {
        let capacity = room.count, ready = ready
        let status = input.withUnsafeMutableBufferPointer { input in
            room.withUnsafeMutableBufferPointer { room in
                stream.pointee.next_in = input.baseAddress.map { $0 + ready.lowerBound }
                stream.pointee.avail_in = uInt(ready.count)
                stream.pointee.next_out = room.baseAddress
                stream.pointee.avail_out = uInt(capacity)
                return inflate(stream, Z_NO_FLUSH)
            }
        }
        self.ready = (ready.upperBound - Int(stream.pointee.avail_in))..<ready.upperBound
        return (status, capacity - Int(stream.pointee.avail_out))
    }

    /// Throws if anything but zeros follows the last member.
    private func checkPadding() throws(DatasetError) {
        if let place = input[ready].firstIndex(where: { $0 != 0 }) {
            throw junk(at: inputBytes - ready.upperBound + place)
        }
        ready = 0..<0
    }

    private func truncated() -> DatasetError {
        DatasetError(
            .truncated, "\(path) ends in the middle of its gzip data", remedy: "download it again")
    }

    private func junk(at place: Int) -> DatasetError {
        DatasetError(
            .corrupt,
            "\(path) has other data after its gzip data, from byte \(place) on",
            remedy: "download it again"
        )
    }

    private func failure(_ status: Int32) -> DatasetError {
        let reason = stream.pointee.msg.map { String(cString: $0) } ?? "status \(status)"
        if members == 0 && stream.pointee.total_out == 0 && reason == "incorrect header check" {
            return DatasetError(
                .wrongFormat, "\(path) is not a gzip file", remedy: "compress it, or check its name"
            )
        }
        if members > 0 && reason == "incorrect header check" {
            return junk(at: inputBytes - ready.count - 2)
        }
        return DatasetError(
            .corrupt, "\(path) is damaged (gzip: \(reason))", remedy: "download it again")
    }
}

// A file of pictures, each with a size and a label of its own. Opening checks the header and the index, so that readers
// need not check them. The checksum of a picture is verified when the picture is read for the first time: verifying all
// checksums at once would take too long for a data set of hundreds of gigabytes.
import CZlib
import Foundation
import Intake
import Synchronization

/// Pictures with a label each; read-only. Several threads may read at the same time.
public final class PictureShard: @unchecked Sendable {
    // Safe because the mapping is read-only and lives as long as this object, `checked` has its own
    // lock, and everything else is constant.

    /// The stored form of a picture.
    public enum Store: String, Codable, Sendable, CaseIterable {
        /// Decoded pixels, (height, width, channels).
        case pixels
        /// The bytes of a JPEG or PNG file.
        case files
    }

    /// The stored form of each picture in this shard.
    public let store: Store
    /// Bytes per pixel of decoded pictures: 1 grey, 3 RGB.
    public let channels: Int
    /// The number of pictures.
    public let count: Int
    /// The size of the file in bytes.
    public var byteCount: Int { file.bytes.count }
    private let path: String
    private let file: MappedFile
    /// The offset in the file at which the index starts.
    private let index: Int
    /// One bit per picture: whether the picture's checksum was verified.
    private let checked: Mutex<[UInt64]>

    /// Maps a shard and checks its header and its index: every picture lies inside the file, and
    /// none has more than `PictureDecoder.Limits().pixels` pixels.
    ///
    /// Errors: `unreadable`, `wrongFormat`, `truncated`, `wrongDimensions`, `tooLarge`, `corrupt`.
    public init(_ path: String) throws {
        let file = try MappedFile(path, leastBytes: PictureShardLayout.headerBytes)
        let header = try Self.readHeader(file, path)
        store = header.store
        channels = header.channels
        count = header.count
        index = PictureShardLayout.headerBytes + header.payload
        self.path = path
        self.file = file
        checked = Mutex(Array(repeating: 0, count: (header.count + 63) / 64))
        try checkIndex(payload: header.payload)
    }

    /// The label of picture `number`.
    public func label(_ number: Int) -> Int { entry(number).label }

    /// The labels of all pictures.
    public var labels: [Int] { (0..<count).map(label) }

    /// The height and width of picture `number`, in pixels.
    public func size(_ number: Int) -> (height: Int, width: Int) {
        let entry = entry(number)
        return (entry.height, entry.width)
    }

    /// The stored bytes of picture `number`.
    ///
    /// Errors: those of `withPicture`.
    public func bytes(_ number: Int) throws -> [UInt8] {
        try withPicture(number) { source in
            switch source {
            case .encoded(let bytes), .pixels(let bytes, _, _, _): Array(bytes)
            }
        }
    }

    /// Calls `body` with picture `number`, which is less than `count`, in the form that a decoder
    /// takes.
    ///
    /// Errors: `corrupt` if the checksum of the picture's bytes is wrong, and those of `body`.
    public func withPicture<Result>(
        _ number: Int, _ body: (PictureDecoder.Source) throws -> Result
    ) throws -> Result {
        let entry = entry(number), start = PictureShardLayout.headerBytes + entry.offset
        let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[start..<start + entry.byteCount])
        let word = number / 64, bit: UInt64 = 1 << UInt64(number % 64)
        if checked.withLock({ $0[word] & bit == 0 }) {
            guard Self.checksum(bytes, after: 0) == entry.crc32 else {
                throw DatasetError(
                    .corrupt, "\(path): picture \(number) is damaged, its checksum does not match",
                    remedy: "import the data set again")
            }
            checked.withLock { $0[word] |= bit }
        }
        switch store {
        case .files: return try body(.encoded(bytes))
        case .pixels:
            return try body(
                .pixels(bytes, width: entry.width, height: entry.height, channels: channels))
        }
    }

    private func entry(_ number: Int) -> PictureShardLayout.Entry {
        precondition((0..<count).contains(number), "picture \(number) of \(count)")
        let place = index + number * PictureShardLayout.entryBytes
        return PictureShardLayout.Entry(
            offset: Int(truncatingIfNeeded: file.longWord(at: place)),
            byteCount: Int(file.word(at: place + 8)), height: Int(file.word(at: place + 12)),
            width: Int(file.word(at: place + 16)), label: Int(file.word(at: place + 20)),
            crc32: file.word(at: place + 24))
    }

    private static func readHeader(
        _ file: MappedFile, _ path: String
    ) throws -> (store: Store, channels: Int, count: Int, payload: Int) {
        typealias Layout = PictureShardLayout
        guard file.bytes[..<8].elementsEqual(Layout.magic) else {
            throw DatasetError(
                .wrongFormat, "\(path) is not a shard of pictures",
                remedy: "import the data set again")
        }
        guard file.word(at: 8) == Layout.version else {
            throw DatasetError(
                .wrongFormat,
                "\(path) is a shard of version \(file.word(at: 8)), not \(Layout.version)",
                remedy: "import it again")
        }
        let (store, channels) = (file.word(at: 12), file.word(at: 16))
        let count = Int(file.word(at: 20)), payload = file.longWord(at: 24)
        guard store <= 1, channels == 1 || channels == 3, count > 0 else {
            throw DatasetError(
                .wrongDimensions,
                "\(path) cannot have \(count) pictures of store \(store) and \(channels) channels",
                remedy: "import it again")
        }
        let rest = file.bytes.count - Layout.headerBytes, index = count * Layout.entryBytes
        guard index <= rest, payload == UInt64(rest - index) else {
            let isShort = index > rest || payload > UInt64(rest - index)
            throw DatasetError(
                isShort ? .truncated : .wrongDimensions,
                "\(path) has \(file.bytes.count) bytes; its header asks for \(Layout.headerBytes) +"
                    + " \(payload) + \(index)", remedy: "import it again")
        }
        let first = checksum(
            UnsafeRawBufferPointer(rebasing: file.bytes[..<Layout.checkedHeaderBytes]), after: 0)
        let sum = checksum(
            UnsafeRawBufferPointer(rebasing: file.bytes[(Layout.headerBytes + rest - index)...]),
            after: first)
        guard sum == file.word(at: 32),
            file.bytes[36..<Layout.headerBytes].allSatisfy({ $0 == 0 })
        else {
            throw DatasetError(
                .corrupt, "\(path) is damaged, the checksum of its index does not match",
                remedy: "import it again")
        }
        return (store == 0 ? .pixels : .files, Int(channels), count, rest - index)
    }

    /// Checks every entry of the index: the pictures must follow each other without gaps, up to the
    /// index.
    private func checkIndex(payload: Int) throws {
        let sides = 1...PictureShardLayout.longestSide, most = PictureDecoder.Limits().pixels
        var end = 0
        for number in 0..<count {
            let entry = entry(number)
            guard sides.contains(entry.height), sides.contains(entry.width),
                entry.height * entry.width <= most
            else {
                throw DatasetError(
                    .tooLarge,
                    "\(path): picture \(number) cannot have \(entry.width)x\(entry.height) pixels",
                    remedy: "import it again")
            }
            guard entry.offset == end, entry.byteCount > 0, entry.byteCount <= payload - end,
                store == .files || entry.byteCount == entry.height * entry.width * channels,
                entry.label <= PictureShardLayout.highestLabel
            else {
                throw DatasetError(
                    .wrongDimensions,
                    "\(path): picture \(number) has \(entry.byteCount) bytes at \(entry.offset) and"
                        + " label \(entry.label), which contradicts the rest of the index",
                    remedy: "import it again")
            }
            end += entry.byteCount
        }
        guard end == payload else {
            throw DatasetError(
                .wrongDimensions,
                "\(path): the index ends at byte \(end) of \(payload)", remedy: "import it again")
        }
    }

    private static func checksum(_ bytes: UnsafeRawBufferPointer, after sum: UInt32) -> UInt32 {
        UInt32(
            truncatingIfNeeded: crc32_z(
                UInt(sum), bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count))
    }
}

// Collects pictures into the bytes of one shard. Only one unfinished shard is in memory.
import CZlib

/// Makes shards of pictures, one after the other.
public struct PictureShardWriter: Sendable {
    /// The stored form of each picture: pixels or file.
    public let store: PictureShard.Store
    /// Bytes per pixel of decoded pictures: 1 grey, 3 RGB.
    public let channels: Int
    /// The most bytes of a shard.
    public let mostBytes: Int
    /// The number of pictures in the shard so far.
    public private(set) var count = 0
    /// The size of the shard in bytes, if it were finished now.
    public var byteCount: Int { bytes.count + index.count }

    private var bytes = Self.blankHeader
    private var index: [UInt8] = []

    private static let blankHeader = [UInt8](repeating: 0, count: PictureShardLayout.headerBytes)

    /// Makes a writer without pictures; `channels` is 1 or 3.
    public init(store: PictureShard.Store, channels: Int, mostBytes: Int = 64 << 20) {
        precondition(channels == 1 || channels == 3, "\(channels) channels: grey is 1, RGB 3")
        self.store = store
        self.channels = channels
        self.mostBytes = mostBytes
    }

    /// Adds a picture. If the shard would become larger than `mostBytes`, returns false without
    /// adding the picture: call `finish`, then add the picture to the next shard.
    ///
    /// `picture` is a checked JPEG or PNG file, or pixels of shape (height, width, channels).
    /// Errors: `tooLarge` if the picture is too large for any shard.
    public mutating func add(
        _ picture: [UInt8], height: Int, width: Int, label: Int
    ) throws -> Bool {
        let sides = 1...PictureShardLayout.longestSide
        precondition(
            sides.contains(height) && sides.contains(width)
                && (0...PictureShardLayout.highestLabel).contains(label) && !picture.isEmpty
                && (store == .files || picture.count == height * width * channels),
            "\(picture.count) bytes, label \(label), for a picture of \(height)x\(width)x\(channels)"
        )
        guard byteCount + picture.count + PictureShardLayout.entryBytes <= mostBytes else {
            guard count > 0 else {
                throw DatasetError(
                    .tooLarge,
                    "\(picture.count) bytes of one picture (\(width)x\(height) pixels), and a shard has"
                        + " at most \(mostBytes)",
                    remedy: "let pictures be scaled down while they are imported")
            }
            return false
        }
        // The system provides reserved memory only when a program writes to it, so a small data set needs little
        // memory.
        if count == 0 { bytes.reserveCapacity(mostBytes) }
        PictureShardLayout.append(
            PictureShardLayout.Entry(
                offset: bytes.count - PictureShardLayout.headerBytes, byteCount: picture.count,
                height: height, width: width, label: label,
                crc32: UInt32(truncatingIfNeeded: crc32_z(0, picture, picture.count))),
            to: &index)
        bytes += picture
        count += 1
        return true
    }

    /// Returns the bytes of the shard, which must have at least one picture. The writer is empty
    /// afterwards.
    public mutating func finish() -> [UInt8] {
        precondition(count > 0, "a shard without pictures")
        var header = PictureShardLayout.magic
        for value in [
            PictureShardLayout.version, store == .pixels ? 0 : 1, channels, count,
        ] {
            PictureShardLayout.append(value, bytes: 4, to: &header)
        }
        let payload = bytes.count - PictureShardLayout.headerBytes
        PictureShardLayout.append(payload, bytes: 8, to: &header)
        let sum = crc32_z(crc32_z(0, header, header.count), index, index.count)
        PictureShardLayout.append(Int(sum), bytes: 4, to: &header)
        for (place, byte) in header.enumerated() { bytes[place] = byte }
        bytes += index
        defer {
            bytes = Self.blankHeader
            index = []
            count = 0
        }
        return bytes
    }
}

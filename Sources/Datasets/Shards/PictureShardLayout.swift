// The layout of a file of pictures, shared by its writer and its reader. Bytes, little endian:
//   0 magic "OFAPICTS", 8 version, 12 store (0 pixels, 1 files), 16 channels, 20 count,
//   24 size of all pictures in bytes (64 bits), 32 CRC-32 of the first 32 bytes and of the index,
//   36 zeros up to 64,
//   64 the pictures, one after the other, then the index: for each picture
//     0 offset after byte 64 (64 bits), 8 size in bytes, 12 height, 16 width, 20 label, 24 CRC-32
// Numbers have 32 bits unless another size is given. Equal pictures in equal order make equal bytes.

/// Offsets and limits in a file of pictures.
enum PictureShardLayout {
    /// The first bytes of a shard.
    static let magic = [UInt8]("OFAPICTS".utf8)
    /// The version of this layout.
    static let version = 1
    /// Bytes before the first picture.
    static let headerBytes = 64
    /// Bytes of the header that its checksum covers.
    static let checkedHeaderBytes = 32
    /// Bytes of one entry of the index.
    static let entryBytes = 28
    /// The longest side of a picture.
    static let longestSide = 1 << 20
    /// The highest label: there are at most 65,536 classes.
    static let highestLabel = 65_535

    /// The entry of a picture in the index.
    struct Entry {
        /// The offset of the picture's bytes, counted from the first picture.
        var offset: Int
        /// The number of the picture's bytes.
        var byteCount: Int
        /// The picture's size in pixels.
        var height, width: Int
        /// The picture's class.
        var label: Int
        /// The checksum of the picture's bytes.
        var crc32: UInt32
    }

    /// Appends the lowest `bytes` bytes of `value`, little endian.
    static func append(_ value: Int, bytes: Int, to all: inout [UInt8]) {
        for place in 0..<bytes { all.append(UInt8(truncatingIfNeeded: value >> (8 * place))) }
    }

    /// Appends an entry of the index.
    static func append(_ entry: Entry, to index: inout [UInt8]) {
        append(entry.offset, bytes: 8, to: &index)
        for value in [
            entry.byteCount, entry.height, entry.width, entry.label, Int(entry.crc32),
        ] {
            append(value, bytes: 4, to: &index)
        }
    }
}

// A file of images and labels, which is mapped into memory. Its bytes, little endian, are:
//   0 magic "OFASHARD", 8 version, 12 count, 16 height, 20 width, 24 channels, 28 classes,
//   32 CRC-32, 36 zeros up to 64,
//   64 images (count × height × width × channels), then labels (count)
// The CRC-32 covers the first 32 bytes and everything from byte 64 on. Opening verifies sizes,
// checksum and labels, so that readers need not verify them.
import CZlib
import Foundation
import Intake

/// Images of one size with a label each; read-only.
public final class ImageShard: Sendable {
    private static let magic = [UInt8]("OFASHARD".utf8)
    private static let version = 1
    private static let headerBytes = 64

    /// The layout of a shard's images.
    public struct Layout: Sendable, Hashable, Codable {
        /// Number of images.
        public var count: Int
        /// Height in pixels.
        public var height: Int
        /// Width in pixels.
        public var width: Int
        /// Bytes per pixel: 1 grey, 3 colour.
        public var channels: Int
        /// Number of classes; labels are 0 ..< classes; at most 256.
        public var classes: Int

        /// Takes the sizes; `classes` must be at most 256.
        public init(count: Int, height: Int, width: Int, channels: Int, classes: Int) {
            self.count = count
            self.height = height
            self.width = width
            self.channels = channels
            self.classes = classes
        }

        /// Bytes of one image.
        public var imageBytes: Int { height * width * channels }
    }

    /// The layout of the images.
    public let layout: Layout
    /// The label of every image.
    public let labels: [UInt8]
    /// The checksum of header and content.
    public let crc32: UInt32
    private let file: MappedFile

    /// Returns the bytes of a shard of `images` (NHWC) and `labels`.
    ///
    /// Errors: `wrongDimensions` if counts, sizes or labels contradict the layout.
    public static func encode(images: [UInt8], labels: [UInt8], layout: Layout) throws -> [UInt8] {
        try check(layout, source: "the new shard")
        guard images.count == layout.count * layout.imageBytes, labels.count == layout.count else {
            throw DatasetError(
                .wrongDimensions,
                "\(images.count) bytes of images and \(labels.count) labels do not make "
                    + "\(layout.count) images of \(layout.imageBytes) bytes")
        }
        try check(labels, classes: layout.classes, source: "the new shard")
        var header = magic
        for field in [
            version, layout.count, layout.height, layout.width, layout.channels, layout.classes,
        ] {
            append(UInt32(field), to: &header)
        }
        let sum = [header, images, labels].reduce(UInt32(0)) { sum, part in
            part.withUnsafeBytes { checksum($0, after: sum) }
        }
        append(sum, to: &header)
        header += Array(repeating: 0, count: headerBytes - header.count)
        return header + images + labels
    }

    /// Writes a shard to a temporary file and renames it, so that no reader sees a partial shard.
    ///
    /// Errors: those of `encode`, and `unreadable` if the file cannot be written.
    public static func write(
        _ path: String, images: [UInt8], labels: [UInt8], layout: Layout
    ) throws {
        let bytes = try encode(images: images, labels: labels, layout: layout)
        do {
            try Data(bytes).write(to: URL(filePath: path), options: .atomic)
        } catch {
            throw DatasetError(.unreadable, "cannot write \(path): \(FileBytes.reason(error))")
        }
    }

    /// Maps a shard and verifies its header, its checksum and all its labels.
    ///
    /// Errors: `unreadable`, `wrongFormat`, `truncated`, `wrongDimensions`, `corrupt`.
    public init(_ path: String) throws {
        file = try MappedFile(path, leastBytes: Self.headerBytes)
        let header = try Self.readHeader(file.bytes, path)
        layout = header.layout
        crc32 = header.crc32
        labels = Array(file.bytes[(Self.headerBytes + layout.count * layout.imageBytes)...])
        try Self.check(labels, classes: layout.classes, source: path)
    }

    /// Calls `body` with the images, whose shape is (count, height, width, channels).
    public func withImages<Result>(
        _ body: (UnsafeBufferPointer<UInt8>) throws -> Result
    ) rethrows -> Result {
        let end = Self.headerBytes + layout.count * layout.imageBytes
        let images = UnsafeRawBufferPointer(rebasing: file.bytes[Self.headerBytes..<end])
        return try images.withMemoryRebound(to: UInt8.self, body)
    }

    /// Returns one image as (height, width, channels). Traps unless `index` is below the count.
    public func image(_ index: Int) -> [UInt8] {
        precondition((0..<layout.count).contains(index), "image \(index) of \(layout.count)")
        let start = Self.headerBytes + index * layout.imageBytes
        return Array(file.bytes[start..<start + layout.imageBytes])
    }

    /// Identifies the content by sizes and checksum, such as `60000x28x28x1-10-1a2b3c4d`.
    public var fingerprint: String {
        "\(layout.count)x\(layout.height)x\(layout.width)x\(layout.channels)-\(layout.classes)-"
            + String(format: "%08x", crc32)
    }

    private static func readHeader(
        _ bytes: UnsafeRawBufferPointer, _ path: String
    ) throws -> (layout: Layout, crc32: UInt32) {
        guard bytes[..<8].elementsEqual(magic) else {
            throw DatasetError(
                .wrongFormat, "\(path) is not an image shard", remedy: "import the data set again")
        }
        func field(_ place: Int) -> Int {
            Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self)))
        }
        guard field(8) == version else {
            throw DatasetError(
                .wrongFormat,
                "\(path) is a shard of version \(field(8)), not \(version)",
                remedy: "import it again")
        }
        let layout = Layout(
            count: field(12), height: field(16), width: field(20), channels: field(24),
            classes: field(28))
        try check(layout, source: path)
        let expected = headerBytes + layout.count * layout.imageBytes + layout.count
        guard bytes.count == expected else {
            throw DatasetError(
                bytes.count < expected ? .truncated : .wrongDimensions,
                "\(path) has \(bytes.count) bytes; its header asks for \(expected)",
                remedy: "import it again"
            )
        }
        let first = checksum(UnsafeRawBufferPointer(rebasing: bytes[..<32]), after: 0)
        let sum = checksum(UnsafeRawBufferPointer(rebasing: bytes[headerBytes...]), after: first)
        guard Int(sum) == field(32), bytes[36..<headerBytes].allSatisfy({ $0 == 0 }) else {
            throw DatasetError(
                .corrupt, "\(path) is damaged, its checksum does not match",
                remedy: "import it again")
        }
        return (layout, sum)
    }

    /// Checks bounds that keep every later product of sizes within an Int.
    private static func check(_ layout: Layout, source: String) throws {
        guard (1...1 << 30).contains(layout.count), (1...1 << 14).contains(layout.height),
            (1...1 << 14).contains(layout.width), (1...4).contains(layout.channels),
            (1...256).contains(layout.classes)
        else {
            throw DatasetError(
                .wrongDimensions,
                "\(source) cannot have \(layout.count) images of \(layout.height)×\(layout.width)×"
                    + "\(layout.channels) and \(layout.classes) classes")
        }
    }

    private static func check(_ labels: [UInt8], classes: Int, source: String) throws {
        if let place = labels.firstIndex(where: { Int($0) >= classes }) {
            throw DatasetError(
                .wrongDimensions,
                "\(source): label \(place) is \(labels[place]), but there are \(classes) classes")
        }
    }

    private static func checksum(_ bytes: UnsafeRawBufferPointer, after sum: UInt32) -> UInt32 {
        UInt32(
            truncatingIfNeeded: crc32_z(
                UInt(sum), bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count))
    }

    private static func append(_ value: UInt32, to bytes: inout [UInt8]) {
        for shift in stride(from: 0, to: 32, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }
}

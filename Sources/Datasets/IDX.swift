// The IDX format of the MNIST family: two zero bytes, a type, the number of dimensions, the
// dimensions as big-endian 32-bit integers, then the values. Format:
// http://yann.lecun.com/exdb/mnist (archived).
import Foundation

/// An array of unsigned bytes with its dimensions.
public struct IDX: Sendable, Equatable {
    /// The sizes of the dimensions, outermost first: (count, height, width) for images, (count) for labels.
    public let dimensions: [Int]
    /// The values in row-major order.
    public let values: [UInt8]

    /// Reads an IDX file, compressed or not, with `rank` dimensions.
    ///
    /// Errors: those of `GzipFile`, and those of `init(bytes:rank:source:)`.
    public init(path: String, rank: Int) throws {
        let bytes =
            try GzipFile.isGzip(path) ? GzipFile.read(path) : GzipFile.plain(path)
        try self.init(bytes: bytes, rank: rank, source: path)
    }

    /// Reads IDX bytes; errors name `source`.
    ///
    /// Errors: `wrongFormat` (magic, type or rank), `truncated`, `wrongDimensions`.
    public init(bytes: [UInt8], rank: Int, source: String) throws {
        let dimensions = try Self.dimensions(of: bytes, rank: rank, source: source)
        let start = Self.headerBytes(rank), total = dimensions.reduce(1, *)
        guard bytes.count - start >= total else {
            throw DatasetError(
                .truncated,
                "\(source) announces \(dimensions) values and holds \(bytes.count - start)",
                remedy: "download it again")
        }
        guard bytes.count - start == total else {
            throw DatasetError(
                .wrongDimensions,
                "\(source) holds \(bytes.count - start) values; its dimensions are \(dimensions)")
        }
        self.dimensions = dimensions
        values = Array(bytes[start...])
    }

    /// Returns the size in bytes of a header with `rank` dimensions.
    static func headerBytes(_ rank: Int) -> Int { 4 + 4 * rank }

    /// Returns the dimensions in a file's header, without reading the values.
    ///
    /// Errors: those of `init(path:rank:)` that concern the header.
    static func dimensions(path: String, rank: Int) throws -> [Int] {
        try dimensions(
            of: GzipFile.start(path, bytes: headerBytes(rank)), rank: rank, source: path)
    }

    /// Returns the dimensions in the header at the start of `bytes`. Their product does not
    /// overflow an Int.
    ///
    /// Errors: `wrongFormat`, `truncated`, `wrongDimensions`.
    static func dimensions(
        of bytes: [UInt8], rank: Int, source: String
    ) throws(DatasetError) -> [Int] {
        guard bytes.count >= 4 else {
            throw DatasetError(.truncated, "\(source) has \(bytes.count) bytes; IDX starts with 4")
        }
        guard bytes[0] == 0, bytes[1] == 0, bytes[2] == 8, Int(bytes[3]) == rank else {
            let found = bytes[..<4].map { String(format: "%02x", $0) }.joined()
            let expected = String(format: "000008%02x", rank)
            if bytes[0] == 0, bytes[1] == 0, [9, 0x0B, 0x0C, 0x0D, 0x0E].contains(bytes[2]) {
                throw DatasetError(
                    .wrongFormat,
                    "\(source) has element type 0x\(String(format: "%02X", bytes[2])), expected "
                        + "0x08 (unsigned byte)")
            }
            throw DatasetError(
                .wrongFormat,
                "\(source) begins with \(found), not \(expected): it is not IDX of bytes of "
                    + "rank \(rank); images have rank 3, labels 1")
        }
        let start = headerBytes(rank)
        guard bytes.count >= start else {
            throw DatasetError(
                .truncated, "\(source) ends in its header", remedy: "download it again")
        }
        var dimensions: [Int] = []
        var total = 1
        for place in stride(from: 4, to: start, by: 4) {
            let extent = bytes[place..<place + 4].reduce(0) { $0 << 8 | Int($1) }
            let (product, overflow) = total.multipliedReportingOverflow(by: extent)
            guard extent > 0 else {
                throw DatasetError(.wrongDimensions, "\(source) announces a dimension of 0")
            }
            guard !overflow else {
                throw DatasetError(
                    .wrongDimensions,
                    "\(source) is truncated: it announces more values than a file can hold",
                    remedy: "download it again")
            }
            dimensions.append(extent)
            total = product
        }
        return dimensions
    }
}

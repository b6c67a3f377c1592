// SampleList: the names of a shard's pictures, and digests of the bytes that the pictures were made
// from. So a picture that is in two parts can be found and named. Bytes, little endian:
//   0 magic "OFANAMES", 8 count (32 bits), 12 digests (count × 16),
//   then for each name its length (16 bits) and its bytes
import Intake

/// Names and digests of pictures, in the order of their shard.
public struct SampleList: Sendable, Equatable {
    private static let magic = [UInt8]("OFANAMES".utf8)
    private static let headerBytes = 12
    /// The number of stored bytes of a digest. Among a billion pictures, the probability that two
    /// have these bytes in common by chance is 1e-21.
    static let digestBytes = 16

    private var digests: [UInt8] = []
    private var names: [UInt8] = []
    /// The number of pictures.
    public private(set) var count = 0

    /// An empty list.
    public init() {}

    /// Adds a picture; `digest` has at least 16 bytes.
    public mutating func add(_ name: ByteName, digest: [UInt8]) {
        precondition(digest.count >= Self.digestBytes, "a digest of \(digest.count) bytes")
        digests += digest.prefix(Self.digestBytes)
        let bytes = name.bytes.prefix(Int(UInt16.max))
        names.append(UInt8(truncatingIfNeeded: bytes.count))
        names.append(UInt8(truncatingIfNeeded: bytes.count >> 8))
        names += bytes
        count += 1
    }

    /// The bytes of the list.
    public var encoded: [UInt8] {
        var bytes = Self.magic
        for shift in stride(from: 0, to: 32, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: count >> shift))
        }
        return bytes + digests + names
    }

    /// Reads `encoded`. Errors: `wrongFormat`, `truncated`.
    public init(encoded bytes: [UInt8]) throws(DatasetError) {
        guard bytes.count >= Self.headerBytes, bytes.starts(with: Self.magic) else {
            throw DatasetError(.wrongFormat, "not a list of the names of pictures")
        }
        count = (0..<4).reduce(0) { $0 | Int(bytes[8 + $1]) << (8 * $1) }
        let start = Self.headerBytes + count * Self.digestBytes
        guard start <= bytes.count else {
            throw DatasetError(.truncated, "a list of \(count) names ends before its digests")
        }
        digests = Array(bytes[Self.headerBytes..<start])
        names = Array(bytes[start...])
        var place = 0
        for _ in 0..<count {
            guard let next = Self.end(of: place, in: names) else {
                throw DatasetError(.truncated, "a list of \(count) names ends before its names")
            }
            place = next
        }
    }

    private static func end(of place: Int, in names: [UInt8]) -> Int? {
        guard place + 2 <= names.count else { return nil }
        let end = place + 2 + Int(names[place]) + Int(names[place + 1]) << 8
        return end <= names.count ? end : nil
    }

    /// The name of picture `index`, which is below the count.
    public func name(_ index: Int) -> ByteName {
        precondition((0..<count).contains(index), "name \(index) of \(count)")
        var place = 0
        for _ in 0..<index { place = Self.end(of: place, in: names) ?? place }
        let end = Self.end(of: place, in: names) ?? place
        return ByteName(names[min(place + 2, end)..<end])
    }

    /// The digest of picture `index` as two numbers.
    func digest(_ index: Int) -> (UInt64, UInt64) {
        func number(_ start: Int) -> UInt64 {
            (0..<8).reduce(0) { $0 << 8 | UInt64(digests[start + $1]) }
        }
        let start = index * Self.digestBytes
        return (number(start), number(start + 8))
    }
}

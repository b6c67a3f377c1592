// Zip archives written by PyTorch: entries are stored, not compressed. Entries are found through
// the central directory, in which every offset is validated. Format: PKWARE APPNOTE 6.3.10,
// sections 4.3.7 to 4.3.16, with the 64-bit extension.

import Intake

/// The entries of an archive.
struct ZipArchive {
    /// The byte range of each entry's content, by the entry's name.
    let entries: [String: Range<Int>]

    /// The most entries that an archive may have.
    private static let mostEntries = 100_000

    /// Returns whether `bytes` start like a zip archive.
    static func isArchive(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0x50, 0x4B, 3, 4]) }

    /// Reads the central directory. Errors: `truncated`, `malformed`, `unsupported` for compressed or encrypted
    /// entries.
    init(_ bytes: [UInt8]) throws {
        let reader = Reader(bytes: bytes)
        // The archive's last record has 22 bytes and a comment of at most 65,535 bytes.
        let first = max(0, bytes.count - 22 - 65_535)
        guard
            let end = stride(from: bytes.count - 22, through: first, by: -1).first(where: {
                $0 >= 0 && bytes[$0] == 0x50 && bytes[$0 + 1] == 0x4B && bytes[$0 + 2] == 5
                    && bytes[$0 + 3] == 6
            })
        else {
            throw InterchangeError(
                .truncated, "the archive has no directory", remedy: "copy it again")
        }
        var count = try reader.integer(end + 10, 2), start = try reader.integer(end + 16, 4)
        if count == 0xFFFF || start == 0xFFFF_FFFF {
            let place = try reader.integer(end - 20 + 8, 8)
            guard try reader.integer(end - 20, 4) == 0x0706_4B50,
                try reader.integer(place, 4) == 0x0606_4B50
            else { throw Self.malformed }
            count = try reader.integer(place + 32, 8)
            start = try reader.integer(place + 48, 8)
        }
        guard (0...Self.mostEntries).contains(count) else { throw Self.malformed }
        var entries: [String: Range<Int>] = [:]
        var at = start
        for _ in 0..<count {
            let (name, range, next) = try Self.entry(reader, at)
            guard entries.updateValue(range, forKey: name) == nil else {
                throw InterchangeError(.malformed, "the archive holds \(Shown.excerpt(name)) twice")
            }
            at = next
        }
        self.entries = entries
        // Entries must not overlap: overlapping entries could have more bytes in total than the file.
        var used = 0
        for range in entries.values.sorted(by: { $0.lowerBound < $1.lowerBound })
        where !range.isEmpty {
            guard range.lowerBound >= used else {
                throw InterchangeError(
                    .malformed, "the archive's entries overlap", remedy: "copy it again")
            }
            used = range.upperBound
        }
    }

    /// Reads the directory's entry at offset `at`. Returns the name, the byte range of the content, and the offset of
    /// the next entry.
    private static func entry(_ reader: Reader, _ at: Int) throws -> (String, Range<Int>, Int) {
        guard try reader.integer(at, 4) == 0x0201_4B50 else { throw malformed }
        let flags = try reader.integer(at + 8, 2), method = try reader.integer(at + 10, 2)
        let sizes = try [at + 28, at + 30, at + 32].map { try reader.integer($0, 2) }
        let nameEnd = at + 46 + sizes[0], next = nameEnd + sizes[1] + sizes[2]
        guard next <= reader.bytes.count,
            let name = String(validating: reader.bytes[at + 46..<nameEnd], as: UTF8.self)
        else { throw malformed }
        // Nothing is written under an entry's name, but a sound archive has no such names.
        guard !name.hasPrefix("/"), !name.contains("\\"), !name.split(separator: "/").contains("..")
        else {
            throw InterchangeError(
                .malformed, "the archive's entry \(Shown.excerpt(name)) is a path out of its folder"
            )
        }
        guard method == 0, flags & 1 == 0 else {
            throw InterchangeError(
                .unsupported,
                "entry \(Shown.excerpt(name)) is compressed or encrypted",
                remedy: "write it with torch.save, which stores it plainly")
        }
        var values = [
            try reader.integer(at + 24, 4), try reader.integer(at + 20, 4),
            try reader.integer(at + 42, 4),
        ]
        // Those of the three values that exceed 32 bits are in an extra field, in the order of `values`.
        var extra = nameEnd
        while values.contains(0xFFFF_FFFF), extra + 4 <= nameEnd + sizes[1] {
            let length = try reader.integer(extra + 2, 2)
            if try reader.integer(extra, 2) == 1 {
                var place = extra + 4
                for index in values.indices where values[index] == 0xFFFF_FFFF {
                    guard place + 8 <= extra + 4 + length else { throw malformed }
                    values[index] = try reader.integer(place, 8)
                    place += 8
                }
                break
            }
            extra += 4 + length
        }
        let (size, header) = (values[0], values[2])
        guard values[1] == size, try reader.integer(header, 4) == 0x0403_4B50 else {
            throw malformed
        }
        let skip = try reader.integer(header + 26, 2) + reader.integer(header + 28, 2)
        let start = header + 30 + skip
        guard start <= reader.bytes.count, size <= reader.bytes.count - start else {
            throw InterchangeError(
                .truncated, "the archive ends within \(Shown.excerpt(name))",
                remedy: "copy it again")
        }
        return (name, start..<start + size, next)
    }

    private static let malformed = InterchangeError(
        .malformed, "the archive's directory contradicts itself", remedy: "copy it again")

    private struct Reader {
        let bytes: [UInt8]

        /// Returns a little-endian integer of `count` bytes. Errors: `malformed` on overflow,
        /// `truncated` for an offset outside the file.
        func integer(_ place: Int, _ count: Int) throws -> Int {
            guard place >= 0, place <= bytes.count - count else {
                throw InterchangeError(.truncated, "the archive ends within its directory")
            }
            let value = bytes[place..<place + count].reversed().reduce(UInt64(0)) {
                $0 << 8 | UInt64($1)
            }
            guard value <= UInt64(Int.max / 4) else { throw ZipArchive.malformed }
            return Int(value)
        }
    }
}

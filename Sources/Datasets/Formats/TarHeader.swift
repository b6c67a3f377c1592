// TarHeader: the block of 512 bytes before each member of a tar archive, in the ustar form and its
// GNU and old variants. Format: POSIX.1-2017, pax, "ustar Interchange Format", and the GNU tar
// manual, "Basic Tar Format".

/// The fields of a tar header that are used here.
struct TarHeader {
    /// The size of a block. A header is one block; the contents of members are padded to whole
    /// blocks.
    static let blockBytes = 512

    /// The kinds of members.
    enum Kind: Equatable {
        /// A regular file.
        case file
        /// A folder, which has no content.
        case folder
        /// A symbolic or hard link, which has no content.
        case link
        /// A device or a pipe, which has no content.
        case special
        /// A sparse file (a file with holes), in GNU's form.
        case sparse
        /// The content is the name of the next member (GNU).
        case longName
        /// The content is the target of the next member, a link (GNU).
        case longLink
        /// The content is pax records that apply to the next member.
        case records
        /// The content is pax records that apply to all later members.
        case globalRecords
        /// Something else.
        case other(UInt8)
    }

    /// The member's name, with ustar's prefix.
    let name: [UInt8]
    /// The kind of the member.
    let kind: Kind
    /// The size that the header declares, in bytes.
    let size: Int
    /// Whether the list of a sparse file's holes continues in blocks after the header.
    let isExtended: Bool

    /// Returns whether a block is one of the zero blocks that end an archive.
    static func isEnd(_ block: [UInt8]) -> Bool { block.allSatisfy { $0 == 0 } }

    /// Returns whether the checksum in a block is right: the sum of the block's bytes, or of signed
    /// bytes, which old programs used.
    static func hasChecksum(_ block: [UInt8]) -> Bool {
        guard block.count == blockBytes, let stored = number(block[148..<156]) else { return false }
        var unsigned = 0, signed = 0
        for (place, byte) in block.enumerated() {
            let value = (148..<156).contains(place) ? UInt8(ascii: " ") : byte
            unsigned += Int(value)
            signed += Int(Int8(bitPattern: value))
        }
        return stored == unsigned || stored == signed
    }

    /// Parses a block whose checksum is right; nil if the size in the header is invalid.
    init?(_ block: [UInt8]) {
        let short = Self.text(block[0..<100])
        // GNU's older form has other fields where ustar has the prefix.
        let isPOSIX = block[257..<263].elementsEqual(Array("ustar\0".utf8))
        let prefix = isPOSIX ? Self.text(block[345..<500]) : []
        name = prefix.isEmpty ? short : prefix + [UInt8(ascii: "/")] + short
        let declared = Self.number(block[124..<136])
        switch block[156] {
        case 0, UInt8(ascii: "0"), UInt8(ascii: "7"):
            // Archives older than ustar mark a folder only by a slash at the end of its name.
            kind = block[156] == 0 && name.last == UInt8(ascii: "/") ? .folder : .file
        case UInt8(ascii: "1"), UInt8(ascii: "2"): kind = .link
        case UInt8(ascii: "3"), UInt8(ascii: "4"), UInt8(ascii: "6"): kind = .special
        case UInt8(ascii: "5"): kind = .folder
        case UInt8(ascii: "S"): kind = .sparse
        case UInt8(ascii: "L"): kind = .longName
        case UInt8(ascii: "K"): kind = .longLink
        case UInt8(ascii: "x"), UInt8(ascii: "X"): kind = .records
        case UInt8(ascii: "g"): kind = .globalRecords
        case let type: kind = .other(type)
        }
        isExtended = kind == .sparse && block[482] != 0
        switch kind {
        // Folders, links and special files have no content, but a link may have the size of its
        // target.
        case .folder, .link, .special: size = 0
        default:
            guard let declared else { return nil }
            size = declared
        }
    }

    /// Returns the bytes before the first NUL.
    private static func text(_ field: ArraySlice<UInt8>) -> [UInt8] {
        Array(field.prefix { $0 != 0 })
    }

    /// Reads a number in octal digits, or in base 256 if the first bit is set; an empty field is 0.
    /// Nil if the field is malformed, or the number is negative or more than 2^63 - 1.
    static func number(_ field: ArraySlice<UInt8>) -> Int? {
        guard let first = field.first else { return nil }
        var value = 0
        if first & 0x80 != 0 {
            // The second bit is the sign.
            guard first & 0x40 == 0 else { return nil }
            for byte in [first & 0x3F] + field.dropFirst() {
                guard value <= Int.max >> 8 else { return nil }
                value = value << 8 | Int(byte)
            }
            return value
        }
        let digits = field.drop { $0 == UInt8(ascii: " ") }
        var rest = digits
        while let byte = rest.first, (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(byte) {
            guard value <= Int.max >> 3 else { return nil }
            value = value << 3 | Int(byte - UInt8(ascii: "0"))
            rest = rest.dropFirst()
        }
        return rest.allSatisfy { $0 == 0 || $0 == UInt8(ascii: " ") } ? value : nil
    }
}

/// The records of a pax header. Each record is a line `length key=value`.
struct PaxRecords {
    /// The member's name; nil means that the name in the tar header applies.
    var path: [UInt8]?
    /// The member's size in bytes; nil means that the size in the tar header applies.
    var size: Int?
    /// Whether the member is a sparse file (a file with holes).
    var isSparse = false
    /// The name of a sparse file. In this case GNU tar puts an artificial name in `path`.
    var sparseName: [UInt8]?

    /// No records.
    init() {}

    /// Adds the records in `bytes`. A later record replaces an earlier one with the same key.
    /// Returns false if a record is malformed.
    mutating func add(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            // Some programs pad the records with NUL bytes.
            if rest.allSatisfy({ $0 == 0 }) { return true }
            let digits = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            guard digits.count <= 9, let length = Int(String(decoding: digits, as: UTF8.self)),
                length > digits.count + 1, length <= rest.count,
                rest[rest.startIndex + digits.count] == UInt8(ascii: " ")
            else { return false }
            let record = rest.prefix(length)
            rest = rest.dropFirst(length)
            guard record.last == UInt8(ascii: "\n") else { return false }
            let pair = record.dropFirst(digits.count + 1).dropLast()
            guard let equals = pair.firstIndex(of: UInt8(ascii: "=")) else { return false }
            guard set(pair[..<equals], to: pair[(equals + 1)...]) else { return false }
        }
        return true
    }

    private mutating func set(_ key: ArraySlice<UInt8>, to value: ArraySlice<UInt8>) -> Bool {
        if key.elementsEqual("path".utf8) {
            path = value.isEmpty ? nil : Array(value)
        } else if key.elementsEqual("size".utf8) {
            let digits = String(decoding: value, as: UTF8.self)
            guard value.isEmpty || value.allSatisfy({ (0x30...0x39).contains($0) }) else {
                return false
            }
            size = Int(digits)
            return value.isEmpty || size != nil
        } else if key.starts(with: "GNU.sparse.".utf8) {
            isSparse = true
            if key.elementsEqual("GNU.sparse.name".utf8) { sparseName = Array(value) }
        }
        return true
    }
}

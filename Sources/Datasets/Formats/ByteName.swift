// ByteName: the name of a class, a file or a sample as the bytes that the file system or an archive
// gave. Swift's String would repair invalid UTF-8 and compare by canonical equivalence, so that two
// different names could become equal.
import Intake

/// A name as bytes: compared, ordered and hashed byte by byte, never normalised.
public struct ByteName: Sendable, Hashable, Comparable {
    /// The bytes, not necessarily UTF-8.
    public let bytes: [UInt8]

    /// Takes the bytes as they are.
    public init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

    /// The UTF-8 bytes of a text.
    public init(_ text: String) { bytes = Array(text.utf8) }

    /// Whether `left` comes before `right`, byte by byte.
    public static func < (left: ByteName, right: ByteName) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }

    /// Returns this name, a slash and `name`. If one of the two names is empty, returns only the
    /// other.
    public func appending(_ name: ByteName) -> ByteName {
        if bytes.isEmpty || name.bytes.isEmpty { return bytes.isEmpty ? name : self }
        return ByteName(bytes + [UInt8(ascii: "/")] + name.bytes)
    }
}

extension ByteName: CustomStringConvertible {
    /// The name on one line, for messages. Bytes that are not UTF-8 are written as in `\xE9`, control characters are
    /// escaped, and long names are truncated.
    public var description: String {
        let text = Shown.line(Self.decoded(bytes, escapesBackslash: false))
        return text.count <= 300 ? text : text.prefix(300) + "…"
    }
}

extension ByteName: Codable {
    /// The name as text, different for different names. A backslash is doubled; NUL and bytes that
    /// are not UTF-8 are written as in `\xE9`.
    public var text: String { Self.decoded(bytes, escapesBackslash: true) }

    /// Reads the name that was written as `text`; nil if an escape is malformed.
    public init?(text: String) {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\") else {
                bytes.append(byte)
                continue
            }
            switch rest.popFirst() {
            case UInt8(ascii: "\\"): bytes.append(byte)
            case UInt8(ascii: "x"):
                let digits = String(decoding: rest.prefix(2), as: UTF8.self)
                guard digits.utf8.count == 2, digits.utf8.allSatisfy({ $0 > 0x2F }),
                    let value = UInt8(digits, radix: 16)
                else { return nil }
                bytes.append(value)
                rest = rest.dropFirst(2)
            default: return nil
            }
        }
        self.bytes = bytes
    }

    /// Reads `text`; throws if it is not the text of a name.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let name = ByteName(text: try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "not the text of a name")
        }
        self = name
    }

    /// Writes `text`.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }

    private static func decoded(_ bytes: [UInt8], escapesBackslash: Bool) -> String {
        var result = String.UnicodeScalarView()
        var decoder = UTF8.ForwardParser()
        var source = bytes.makeIterator()
        var place = 0
        while true {
            switch decoder.parseScalar(from: &source) {
            case .valid(let encoded):
                place += encoded.count
                let scalar = UTF8.decode(encoded)
                if escapesBackslash && scalar == "\\" {
                    result.append(contentsOf: "\\\\".unicodeScalars)
                } else if escapesBackslash && scalar == "\0" {
                    result.append(contentsOf: "\\x00".unicodeScalars)
                } else {
                    result.append(scalar)
                }
            case .error(let count):
                for byte in bytes[place..<min(bytes.count, place + count)] {
                    result.append(contentsOf: "\\x\(hex(byte))".unicodeScalars)
                }
                place += count
            case .emptyInput: return String(result)
            }
        }
    }

    private static func hex(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 16, uppercase: true)
        return byte < 16 ? "0" + digits : digits
    }
}

extension ByteName {
    /// The part after the last slash.
    var lastPart: ArraySlice<UInt8> {
        let start = bytes.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
        return bytes[start...]
    }

    /// The extension: the bytes after the last dot of `lastPart`, in lower case; nil without a dot.
    var fileExtension: [UInt8]? { Self.fileExtension(lastPart) }

    /// Returns the extension: the bytes after the last dot of a file's name, in lower case; nil without a dot.
    static func fileExtension(_ name: ArraySlice<UInt8>) -> [UInt8]? {
        name.lastIndex(of: UInt8(ascii: ".")).map { name[($0 + 1)...].map(lowered) }
    }

    /// Returns an ASCII letter in lower case, any other byte unchanged.
    static func lowered(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte + 32 : byte
    }
}

// SQLValue: the values that are bound to statements and read from rows.
import Foundation

/// One value sent to or received from the database.
public enum SQLValue: Sendable, Equatable {
    /// SQL NULL of any type.
    case null
    /// A smallint, integer or bigint.
    case int(Int64)
    /// A real or double precision. (A numeric column arrives as `text`; `Row` reads it as text or
    /// as a number.)
    case double(Double)
    /// Text, or a value of a type without a case of its own, such as numeric.
    case text(String)
    /// A boolean.
    case bool(Bool)
    /// A bytea.
    case bytes([UInt8])
    /// JSON text of a json or jsonb column.
    case json(String)
    /// A uuid in its usual lower-case spelling.
    case uuid(String)
    /// A timestamptz, to the microsecond.
    case timestamp(Date)
    /// A text[] without NULLs.
    case textArray([String])
    /// A text[], or an array of a type that is transferred as text, with NULLs.
    case optionalTextArray([String?])
    /// A bigint[] or integer[] without NULLs.
    case intArray([Int64])
    /// A double precision[] without NULLs.
    case doubleArray([Double])
    /// A bytea[] without NULLs.
    case bytesArray([[UInt8]])

    /// Binds an integer of the machine's size.
    public static func int(_ value: Int) -> SQLValue { .int(Int64(value)) }
    /// Binds the text, or NULL.
    public static func text(_ value: String?) -> SQLValue { value.map { .text($0) } ?? .null }
    /// Binds the integer, or NULL.
    public static func int(_ value: Int64?) -> SQLValue { value.map { .int($0) } ?? .null }
    /// Binds the integer of the machine's size, or NULL.
    public static func int(_ value: Int?) -> SQLValue { value.map { .int(Int64($0)) } ?? .null }
    /// Binds the number, or NULL.
    public static func double(_ value: Double?) -> SQLValue { value.map { .double($0) } ?? .null }
    /// Binds the JSON text, or NULL.
    public static func json(_ value: String?) -> SQLValue { value.map { .json($0) } ?? .null }
}

extension SQLValue {
    /// Concatenates arrays; returns nil if the values are not all arrays of the same enum case.
    static func joined(_ values: [SQLValue]) -> SQLValue? {
        func all<Element>(_ elements: (SQLValue) -> [Element]?) -> [Element]? {
            var joined: [Element] = []
            for value in values {
                guard let more = elements(value) else { return nil }
                joined += more
            }
            return joined
        }
        switch values.first {
        case .textArray:
            return all { if case .textArray(let e) = $0 { e } else { nil } }.map { .textArray($0) }
        case .optionalTextArray:
            return all { if case .optionalTextArray(let e) = $0 { e } else { nil } }
                .map { .optionalTextArray($0) }
        case .intArray:
            return all { if case .intArray(let e) = $0 { e } else { nil } }.map { .intArray($0) }
        case .doubleArray:
            return all { if case .doubleArray(let e) = $0 { e } else { nil } }.map {
                .doubleArray($0)
            }
        case .bytesArray:
            return all { if case .bytesArray(let e) = $0 { e } else { nil } }.map {
                .bytesArray($0)
            }
        default: return nil
        }
    }
}

/// A bound value in the form in which it is sent: whether the format is binary, and the bytes (nil
/// for NULL).
struct WireValue {
    var isBinary: Bool
    var bytes: [UInt8]?
}

extension SQLValue {
    /// The value in the form in which it is sent; text is NUL-terminated for libpq.
    var wire: WireValue {
        switch self {
        case .null: WireValue(isBinary: false, bytes: nil)
        case .int(let value): Self.textual(String(value))
        case .double(let value): Self.textual(Self.spell(value))
        case .text(let value), .json(let value), .uuid(let value): Self.textual(value)
        case .bool(let value): Self.textual(value ? "t" : "f")
        case .bytes(let value): WireValue(isBinary: true, bytes: value)
        case .timestamp(let value):
            WireValue(
                isBinary: true, bytes: BinaryFormat.bigEndian(BinaryFormat.microseconds(value)))
        case .textArray(let values):
            Self.textual("{" + values.map(Self.quotedElement).joined(separator: ",") + "}")
        case .optionalTextArray(let values):
            Self.textual(
                "{" + values.map { $0.map(Self.quotedElement) ?? "NULL" }.joined(separator: ",")
                    + "}")
        case .intArray(let values):
            Self.textual("{" + values.map { String($0) }.joined(separator: ",") + "}")
        case .doubleArray(let values):
            Self.textual("{" + values.map(Self.spell).joined(separator: ",") + "}")
        case .bytesArray(let values):
            WireValue(isBinary: true, bytes: BinaryFormat.array(values))
        }
    }

    private static func textual(_ text: String) -> WireValue {
        WireValue(isBinary: false, bytes: Array(text.utf8) + [0])
    }

    private static func spell(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
        return "\(value)"
    }

    private static func quotedElement(_ text: String) -> String {
        let (quote, backslash) = (UInt8(ascii: "\""), UInt8(ascii: "\\"))
        guard text.utf8.contains(where: { $0 == quote || $0 == backslash }) else {
            return "\"\(text)\""
        }
        var quoted = [quote]
        quoted.reserveCapacity(text.utf8.count + 16)
        for byte in text.utf8 {
            if byte == quote || byte == backslash { quoted.append(backslash) }
            quoted.append(byte)
        }
        return String(decoding: quoted + [quote], as: UTF8.self)
    }
}

// In all JSON output, a field without a value is present as null. Swift's synthesised encoding omits such fields, so
// the encoder in this file wraps another encoder and adds the nulls.
import Foundation

/// A value whose nil fields are encoded as null, recursively.
struct NullKeeping: Encodable {
    /// The wrapped value.
    let value: any Encodable

    /// Encodes the value with all its optional fields.
    func encode(to encoder: any Encoder) throws {
        try value.encode(to: NullKeepingEncoder(base: encoder))
    }

    /// Returns whether encoders handle the type of `value` directly, as they do numbers, strings and dates.
    fileprivate static func isPlain(_ value: some Encodable) -> Bool {
        switch value {
        case is Bool, is String, is Double, is Float, is Int, is Int8, is Int16, is Int32, is Int64,
            is UInt, is UInt8, is UInt16, is UInt32, is UInt64, is Date, is Data, is URL,
            is Decimal:
            true
        default: false
        }
    }
}

/// An encoder whose containers encode nil as null, in the format of the encoder `base`.
private struct NullKeepingEncoder: Encoder {
    let base: any Encoder
    var codingPath: [any CodingKey] { base.codingPath }
    var userInfo: [CodingUserInfoKey: Any] { base.userInfo }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        KeyedEncodingContainer(KeyedNulls(base: base.container(keyedBy: type)))
    }
    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        UnkeyedNulls(base: base.unkeyedContainer())
    }
    func singleValueContainer() -> any SingleValueEncodingContainer {
        SingleNulls(base: base.singleValueContainer())
    }
}

/// Encodes the fields of an object.
private struct KeyedNulls<Key: CodingKey>: KeyedEncodingContainerProtocol {
    var base: KeyedEncodingContainer<Key>
    var codingPath: [any CodingKey] { base.codingPath }

    mutating func encodeNil(forKey key: Key) throws { try base.encodeNil(forKey: key) }

    mutating func encode<T: Encodable>(_ value: T, forKey key: Key) throws {
        if NullKeeping.isPlain(value) {
            try base.encode(value, forKey: key)
        } else {
            try base.encode(NullKeeping(value: value), forKey: key)
        }
    }

    /// Encodes nil as null.
    private mutating func keep<T: Encodable>(_ value: T?, _ key: Key) throws {
        if let value { try encode(value, forKey: key) } else { try base.encodeNil(forKey: key) }
    }

    // The generic overload is not enough: for each of these types the protocol has an overload of its own that omits
    // nil.
    mutating func encodeIfPresent<T: Encodable>(_ value: T?, forKey key: Key) throws {
        try keep(value, key)
    }
    mutating func encodeIfPresent(_ value: Bool?, forKey key: Key) throws {
        try keep(value, key)
    }
    mutating func encodeIfPresent(_ value: String?, forKey key: Key) throws {
        try keep(value, key)
    }
    mutating func encodeIfPresent(_ value: Double?, forKey key: Key) throws {
        try keep(value, key)
    }
    mutating func encodeIfPresent(_ value: Float?, forKey key: Key) throws {
        try keep(value, key)
    }
    mutating func encodeIfPresent(_ value: Int?, forKey key: Key) throws {
        try keep(value, key)
    }
    mutating func encodeIfPresent(_ value: Int8?, forKey key: Key) throws {
        try keep(value, key)
    }
    mutating func encodeIfPresent(_ value: Int16?, forKey key: Key) throws {
        try keep(value, key)
    }
    mutating func encodeIfPresent(_ value: Int32?, forKey key: Key) throws {
        try keep(value, key)
    }
    mutating func encodeIfPresent(_ value: Int64?, forKey key: Key) throws {
        try keep(value, key)
    }
    mutating func encodeIfPresent(_ value: UInt?, forKey key: Key) throws {
        try keep(value, key)
    }
    mutating func encodeIfPresent(_ value: UInt8?, forKey key: Key) throws {
        try keep(value, key)
    }
    mutating func encodeIfPresent(_ value: UInt16?, forKey key: Key) throws {
        try keep(value, key)
    }
    mutating func encodeIfPresent(_ value: UInt32?, forKey key: Key) throws {
        try keep(value, key)
    }
    mutating func encodeIfPresent(_ value: UInt64?, forKey key: Key) throws {
        try keep(value, key)
    }

    mutating func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type, forKey key: Key
    ) -> KeyedEncodingContainer<Nested> {
        KeyedEncodingContainer(
            KeyedNulls<Nested>(base: base.nestedContainer(keyedBy: type, forKey: key)))
    }
    mutating func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
        UnkeyedNulls(base: base.nestedUnkeyedContainer(forKey: key))
    }
    mutating func superEncoder() -> any Encoder { NullKeepingEncoder(base: base.superEncoder()) }
    mutating func superEncoder(forKey key: Key) -> any Encoder {
        NullKeepingEncoder(base: base.superEncoder(forKey: key))
    }
}

/// Encodes the elements of a list.
private struct UnkeyedNulls: UnkeyedEncodingContainer {
    var base: any UnkeyedEncodingContainer
    var codingPath: [any CodingKey] { base.codingPath }
    var count: Int { base.count }

    mutating func encodeNil() throws { try base.encodeNil() }

    mutating func encode<T: Encodable>(_ value: T) throws {
        if NullKeeping.isPlain(value) {
            try base.encode(value)
        } else {
            try base.encode(NullKeeping(value: value))
        }
    }

    mutating func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type)
        -> KeyedEncodingContainer<Nested>
    {
        KeyedEncodingContainer(KeyedNulls(base: base.nestedContainer(keyedBy: type)))
    }
    mutating func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
        UnkeyedNulls(base: base.nestedUnkeyedContainer())
    }
    mutating func superEncoder() -> any Encoder { NullKeepingEncoder(base: base.superEncoder()) }
}

/// Encodes a value that is neither object nor list.
private struct SingleNulls: SingleValueEncodingContainer {
    var base: any SingleValueEncodingContainer
    var codingPath: [any CodingKey] { base.codingPath }

    mutating func encodeNil() throws { try base.encodeNil() }

    mutating func encode<T: Encodable>(_ value: T) throws {
        if NullKeeping.isPlain(value) {
            try base.encode(value)
        } else {
            try base.encode(NullKeeping(value: value))
        }
    }
}

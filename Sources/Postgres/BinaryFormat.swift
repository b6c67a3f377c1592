// BinaryFormat: the server's binary format of the column types that this program reads, and of the
// values that it sends in binary. The layouts are those of the `*send` functions in PostgreSQL's
// src/backend/utils/adt.
import Foundation

enum BinaryFormat {
    /// The numbers of types, from PostgreSQL's catalogue pg_type.
    private enum TypeOID {
        static let bool: UInt32 = 16, bytea: UInt32 = 17, int8: UInt32 = 20, int2: UInt32 = 21
        static let int4: UInt32 = 23, oid: UInt32 = 26, json: UInt32 = 114, float4: UInt32 = 700
        static let float8: UInt32 = 701, timestamptz: UInt32 = 1184, numeric: UInt32 = 1700
        static let uuid: UInt32 = 2950, void: UInt32 = 2278, jsonb: UInt32 = 3802
        static let int2Array: UInt32 = 1005, int4Array: UInt32 = 1007, textArray: UInt32 = 1009
        static let int8Array: UInt32 = 1016, float8Array: UInt32 = 1022
        static let textual: Set<UInt32> = [18, 19, 25, 1042, 1043, 705]
    }

    /// The seconds from 1970 to 2000 (PostgreSQL's epoch).
    private static let epochOffsetSeconds = 946_684_800.0

    /// Returns a date as microseconds since 2000.
    static func microseconds(_ date: Date) -> Int64 {
        Int64(((date.timeIntervalSince1970 - epochOffsetSeconds) * 1e6).rounded())
    }

    /// Returns an integer as eight bytes, most significant first.
    static func bigEndian(_ value: Int64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: value >> (56 - 8 * $0)) }
    }

    /// Returns a one-dimensional bytea[] in the server's format.
    static func array(_ values: [[UInt8]]) -> [UInt8] {
        func word(_ value: Int) -> [UInt8] {
            (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
        }
        var bytes = word(values.isEmpty ? 0 : 1) + word(0) + word(Int(TypeOID.bytea))
        if values.isEmpty { return bytes }
        bytes += word(values.count) + word(1)
        for value in values { bytes += word(value.count) + value }
        return bytes
    }

    /// Decodes one column value. Throws `Undecodable` if the type is not supported.
    static func decode(_ bytes: UnsafeRawBufferPointer, type: UInt32) throws(Undecodable)
        -> SQLValue
    {
        switch type {
        case TypeOID.bool: return .bool(bytes.first == 1)
        case TypeOID.int2, TypeOID.int4, TypeOID.int8: return .int(signed(bytes))
        case TypeOID.oid: return .int(Int64(UInt32(truncatingIfNeeded: signed(bytes))))
        case TypeOID.float4:
            return .double(Double(Float(bitPattern: UInt32(truncatingIfNeeded: signed(bytes)))))
        case TypeOID.float8: return .double(Double(bitPattern: UInt64(bitPattern: signed(bytes))))
        case TypeOID.bytea: return .bytes(Array(bytes))
        case TypeOID.json: return .json(string(bytes))
        case TypeOID.jsonb:
            return .json(string(UnsafeRawBufferPointer(rebasing: bytes.dropFirst())))
        case TypeOID.uuid: return .uuid(uuidText(bytes))
        case TypeOID.timestamptz:
            let seconds = Double(signed(bytes)) / 1e6
            return .timestamp(Date(timeIntervalSince1970: seconds + epochOffsetSeconds))
        case TypeOID.numeric: return .text(numericText(bytes))
        case TypeOID.void: return .null
        case TypeOID.textArray: return .textArray(try elements(bytes).map { string($0) })
        case TypeOID.int2Array, TypeOID.int4Array, TypeOID.int8Array:
            return .intArray(try elements(bytes).map { signed($0) })
        case TypeOID.float8Array:
            return .doubleArray(
                try elements(bytes).map { Double(bitPattern: UInt64(bitPattern: signed($0))) })
        case let type where TypeOID.textual.contains(type): return .text(string(bytes))
        default: throw Undecodable(reason: "a column of type number \(type) is not read here")
        }
    }

    /// Why a value could not be read.
    struct Undecodable: Error { var reason: String }

    private static func signed(_ bytes: UnsafeRawBufferPointer) -> Int64 {
        guard let first = bytes.first else { return 0 }
        var value = Int64(Int8(bitPattern: first))
        for byte in bytes.dropFirst() { value = value << 8 | Int64(byte) }
        return value
    }

    private static func string(_ bytes: UnsafeRawBufferPointer) -> String {
        String(decoding: bytes, as: UTF8.self)
    }

    private static func uuidText(_ bytes: UnsafeRawBufferPointer) -> String {
        let digits = Array("0123456789abcdef")
        var text = ""
        for (index, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(index) { text.append("-") }
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return text
    }

    /// Returns the elements of a one-dimensional array. The layout is: number of dimensions,
    /// has-null flag, type of elements; then size and lower bound of each dimension; then the
    /// elements, each after its length.
    private static func elements(
        _ bytes: UnsafeRawBufferPointer
    ) throws(Undecodable) -> [UnsafeRawBufferPointer] {
        func integer(_ offset: Int) -> Int {
            Int(signed(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + 4])))
        }
        let dimensions = integer(0)
        if dimensions == 0 { return [] }
        guard dimensions == 1 else {
            throw Undecodable(reason: "arrays of arrays are not read here")
        }
        guard integer(4) == 0 else { throw Undecodable(reason: "an array holds NULL") }
        var offset = 20
        var parts: [UnsafeRawBufferPointer] = []
        for _ in 0..<integer(12) {
            let length = integer(offset)
            parts.append(UnsafeRawBufferPointer(rebasing: bytes[offset + 4..<offset + 4 + length]))
            offset += 4 + length
        }
        return parts
    }

    /// Returns a numeric as decimal text. The layout is: number of groups, weight, sign, scale,
    /// then groups of four decimal digits.
    private static func numericText(_ bytes: UnsafeRawBufferPointer) -> String {
        func word(_ index: Int) -> Int { Int(bytes[2 * index]) << 8 | Int(bytes[2 * index + 1]) }
        let count = word(0)
        let weight = Int(Int16(truncatingIfNeeded: word(1)))
        let sign = word(2)
        let scale = word(3)
        if sign == 0xC000 { return "NaN" }
        if sign == 0xD000 { return "Infinity" }
        if sign == 0xF000 { return "-Infinity" }
        func group(_ index: Int) -> Int { index >= 0 && index < count ? word(4 + index) : 0 }
        func padded(_ value: Int) -> String { String(String(10_000 + value).dropFirst()) }
        var text = weight < 0 ? "0" : String(group(0))
        if weight > 0 { for index in 1...weight { text += padded(group(index)) } }
        if scale > 0 {
            var fraction = ""
            var index = weight + 1
            while fraction.count < scale {
                fraction += padded(group(index))
                index += 1
            }
            text += "." + fraction.prefix(scale)
        }
        return sign == 0x4000 ? "-" + text : text
    }
}

// The rule for JSON text that goes into the database. The text must follow RFC 8259 and have a
// limited size and depth. Some values are accepted by PostgreSQL's json type, but refused by jsonb
// and its operators: `\u0000`, half a surrogate pair, numbers out of the range of numeric. The text
// must not contain such values, because every query that reads such a row would fail.

import Foundation

/// Limits for JSON text.
public struct JSONRule: Sendable {
    /// The size limit in bytes of UTF-8.
    public let maxBytes: Int

    /// `maxBytes` is the size limit in bytes of UTF-8.
    public init(maxBytes: Int) { self.maxBytes = maxBytes }

    /// The deepest nesting of lists and objects.
    static let maxDepth = 128

    /// The rule for the arguments of jobs when a run is enqueued.
    public static let arguments = JSONRule(maxBytes: TextRule.definition.maxBytes)
    /// The rule for results and checkpoints of jobs, for arguments of jobs that a fan-out creates,
    /// and for metadata of artifacts.
    public static let result = JSONRule(maxBytes: TextRule.result.maxBytes)

    /// Throws the reason if `text` breaks the rule.
    public func check(_ text: String) throws(InputFault) { _ = try read(text) }

    /// Parses a text; throws the reason if the text breaks the rule.
    func read(_ text: String) throws(InputFault) -> JSONNode {
        let bytes = Array(text.utf8)
        guard bytes.count <= maxBytes else {
            throw InputFault("has \(bytes.count) bytes; at most \(maxBytes) are allowed")
        }
        var scan = Scan(bytes)
        scan.passBlanks()
        let value = try scan.value(depth: 0)
        scan.passBlanks()
        guard scan.place == bytes.count else { throw scan.fault("something follows the value") }
        return value
    }

    /// A parser that passes once over the bytes.
    private struct Scan {
        private let bytes: [UInt8]
        private(set) var place = 0

        init(_ bytes: [UInt8]) { self.bytes = bytes }

        private var byte: UInt8 { place < bytes.count ? bytes[place] : 0 }

        func fault(_ why: String) -> InputFault {
            InputFault("is not JSON at byte \(place): \(why)")
        }

        mutating func passBlanks() {
            while [0x20, 0x0A, 0x0D, 0x09].contains(byte) { place += 1 }
        }

        private mutating func pass(_ character: Unicode.Scalar) -> Bool {
            guard byte == UInt8(ascii: character) else { return false }
            place += 1
            return true
        }

        mutating func value(depth: Int) throws(InputFault) -> JSONNode {
            guard depth <= maxDepth else { throw fault("it is more than \(maxDepth) deep") }
            switch byte {
            case UInt8(ascii: "{"): return .object(try members(depth))
            case UInt8(ascii: "["): return .list(try elements(depth))
            case UInt8(ascii: "\""): return .text(try string())
            case UInt8(ascii: "t"):
                try word("true")
                return .flag(true)
            case UInt8(ascii: "f"):
                try word("false")
                return .flag(false)
            case UInt8(ascii: "n"):
                try word("null")
                return .null
            default: return .number(try number())
            }
        }

        private mutating func members(_ depth: Int) throws(InputFault) -> [JSONNode.Member] {
            place += 1
            passBlanks()
            if pass("}") { return [] }
            var members: [JSONNode.Member] = []
            repeat {
                passBlanks()
                guard byte == UInt8(ascii: "\"") else { throw fault("a key is missing") }
                let key = try string()
                passBlanks()
                guard pass(":") else { throw fault("a colon is missing") }
                passBlanks()
                members.append(JSONNode.Member(key: key, value: try value(depth: depth + 1)))
                passBlanks()
            } while pass(",")
            guard pass("}") else { throw fault("'}' is missing") }
            return members
        }

        private mutating func elements(_ depth: Int) throws(InputFault) -> [JSONNode] {
            place += 1
            passBlanks()
            if pass("]") { return [] }
            var elements: [JSONNode] = []
            repeat {
                passBlanks()
                elements.append(try value(depth: depth + 1))
                passBlanks()
            } while pass(",")
            guard pass("]") else { throw fault("']' is missing") }
            return elements
        }

        private mutating func word(_ word: String) throws(InputFault) {
            guard bytes[place...].starts(with: word.utf8) else { throw fault("no value") }
            place += word.utf8.count
        }

        private mutating func string() throws(InputFault) -> String {
            place += 1
            var text = "", start = place
            while place < bytes.count {
                switch byte {
                case UInt8(ascii: "\""):
                    text += String(decoding: bytes[start..<place], as: UTF8.self)
                    place += 1
                    return text
                case UInt8(ascii: "\\"):
                    text += String(decoding: bytes[start..<place], as: UTF8.self)
                    place += 1
                    text.unicodeScalars.append(try escape())
                    start = place
                case 0..<0x20: throw fault("a control character in a string")
                default: place += 1
                }
            }
            throw fault("a string does not end")
        }

        private mutating func escape() throws(InputFault) -> Unicode.Scalar {
            if !pass("u") {
                let plain: [UInt8: Unicode.Scalar] = [
                    UInt8(ascii: "\""): "\"", UInt8(ascii: "\\"): "\\", UInt8(ascii: "/"): "/",
                    UInt8(ascii: "b"): "\u{8}", UInt8(ascii: "f"): "\u{C}", UInt8(ascii: "n"): "\n",
                    UInt8(ascii: "r"): "\r", UInt8(ascii: "t"): "\t",
                ]
                guard let scalar = plain[byte] else { throw fault("no escape") }
                place += 1
                return scalar
            }
            let unit = try hex()
            guard unit != 0 else { throw fault("\\u0000, which the database cannot hold") }
            if let scalar = Unicode.Scalar(unit) { return scalar }
            let half = "half a surrogate pair, which the database cannot hold"
            guard unit < 0xDC00, pass("\\"), pass("u") else { throw fault(half) }
            let low = try hex()
            guard (0xDC00...0xDFFF).contains(low),
                let scalar = Unicode.Scalar(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
            else { throw fault(half) }
            return scalar
        }

        private mutating func hex() throws(InputFault) -> UInt32 {
            var unit: UInt32 = 0
            for _ in 0..<4 {
                guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                    throw fault("no four hexadecimal digits")
                }
                unit = unit << 4 | UInt32(digit)
                place += 1
            }
            return unit
        }

        private mutating func number() throws(InputFault) -> String {
            let sign = place
            _ = pass("-")
            let start = place
            guard digits() > 0 else { throw fault("no value") }
            guard bytes[start] != UInt8(ascii: "0") || place == start + 1 else {
                throw fault("a number with a leading zero")
            }
            if pass("."), digits() == 0 { throw fault("no digit after the point") }
            if byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E") {
                place += 1
                if !pass("+") { _ = pass("-") }
                let exponent = digits()
                guard exponent > 0 else { throw fault("no digit in the exponent") }
                guard exponent <= 4 else { throw fault("a number out of range") }
            }
            guard place - start <= 1000 else {
                throw fault("a number of \(place - start) characters")
            }
            return String(decoding: bytes[sign..<place], as: UTF8.self)
        }

        private mutating func digits() -> Int {
            let start = place
            while (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { place += 1 }
            return place - start
        }
    }
}

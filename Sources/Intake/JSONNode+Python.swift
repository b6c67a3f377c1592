// Python literals from outside: dictionaries, lists, tuples, texts, numbers, True, False and None, as Python prints
// them. Nothing is evaluated: a call, a name or an operator is refused.

import Foundation

extension JSONNode {
    /// Parses a Python literal. A tuple becomes a list; the keys of a dictionary must be texts. Throws if the text is no
    /// such literal, or if it exceeds the size of `rule` or the depth of JSON.
    public init(python text: String, _ rule: JSONRule = .arguments) throws(InputFault) {
        let bytes = Array(text.utf8)
        guard bytes.count <= rule.maxBytes else {
            throw InputFault("has \(bytes.count) bytes; at most \(rule.maxBytes) are allowed")
        }
        var scan = PythonScan(bytes)
        scan.passBlanks()
        let value = try scan.value(depth: 0)
        scan.passBlanks()
        guard scan.isAtEnd else { throw scan.fault("something follows the value") }
        self = value
    }
}

/// A parser of Python literals that passes once over the bytes.
private struct PythonScan {
    private let bytes: [UInt8]
    private var place = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { place == bytes.count }
    private var byte: UInt8 { place < bytes.count ? bytes[place] : 0 }

    func fault(_ why: String) -> InputFault {
        InputFault("is no Python literal at byte \(place): \(why)")
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
        guard depth <= JSONRule.maxDepth else {
            throw fault("it is more than \(JSONRule.maxDepth) deep")
        }
        switch byte {
        case UInt8(ascii: "{"): return .object(try members(depth))
        case UInt8(ascii: "["): return .list(try elements(depth, end: "]"))
        case UInt8(ascii: "("): return .list(try elements(depth, end: ")"))
        case UInt8(ascii: "'"), UInt8(ascii: "\""): return .text(try string())
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "0")...UInt8(ascii: "9"):
            return .number(try number())
        default: return try word()
        }
    }

    private mutating func members(_ depth: Int) throws(InputFault) -> [JSONNode.Member] {
        place += 1
        var members: [JSONNode.Member] = []
        while true {
            passBlanks()
            if pass("}") { return members }
            // Python 2 writes texts as u'…'.
            if byte == UInt8(ascii: "u") { place += 1 }
            guard byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") else {
                throw fault("a key that is no text")
            }
            let key = try string()
            passBlanks()
            guard pass(":") else { throw fault("a colon is missing") }
            passBlanks()
            members.append(JSONNode.Member(key: key, value: try value(depth: depth + 1)))
            passBlanks()
            if pass(",") { continue }
            guard pass("}") else { throw fault("'}' is missing") }
            return members
        }
    }

    private mutating func elements(
        _ depth: Int, end: Unicode.Scalar
    ) throws(InputFault) -> [JSONNode] {
        place += 1
        var elements: [JSONNode] = []
        while true {
            passBlanks()
            if pass(end) { return elements }
            elements.append(try value(depth: depth + 1))
            passBlanks()
            if pass(",") { continue }
            guard pass(end) else { throw fault("'\(end)' is missing") }
            return elements
        }
    }

    private mutating func word() throws(InputFault) -> JSONNode {
        let start = place
        while isLetter(byte) { place += 1 }
        switch String(decoding: bytes[start..<place], as: UTF8.self) {
        case "None", "null": return .null
        case "True", "true": return .flag(true)
        case "False", "false": return .flag(false)
        case "u" where byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\""):
            return .text(try string())
        default:
            place = start
            throw fault("no plain value")
        }
    }

    private func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "A")...UInt8(ascii: "z")).contains(byte)
    }

    private mutating func string() throws(InputFault) -> String {
        let quote = byte
        place += 1
        var text: [UInt8] = []
        while place < bytes.count {
            let next = byte
            place += 1
            switch next {
            case quote: return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard byte == quote || byte == UInt8(ascii: "\\") else {
                    throw fault("an escape in a text")
                }
                text.append(byte)
                place += 1
            case 0..<0x20: throw fault("a control character in a text")
            default: text.append(next)
            }
        }
        throw fault("a text does not end")
    }

    /// Passes digits, and returns how many there are.
    private mutating func digits() -> Int {
        let start = place
        while (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { place += 1 }
        return place - start
    }

    /// Reads a decimal number as Python prints it, such as -3, 0.25 or 1e-05; the whole part of 007 and 1_0 is not one.
    private mutating func number() throws(InputFault) -> String {
        let start = place
        _ = pass("-")
        let first = byte, whole = digits()
        var isNumber = whole == 1 || (whole > 1 && first != UInt8(ascii: "0"))
        if pass(".") {
            let fraction = digits()
            isNumber = isNumber || (whole == 0 && fraction > 0)
        }
        if byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E") {
            place += 1
            if byte == UInt8(ascii: "-") || byte == UInt8(ascii: "+") { place += 1 }
            isNumber = digits() > 0 && isNumber
        }
        let isEnd = !isLetter(byte) || byte == UInt8(ascii: "]")
        guard isNumber, isEnd, !"0123456789.+-".utf8.contains(byte) else {
            place = start
            throw fault("no decimal number")
        }
        guard place - start <= 1000 else {
            throw fault("a number of \(place - start) characters")
        }
        return String(decoding: bytes[start..<place], as: UTF8.self)
    }
}

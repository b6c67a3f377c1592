// WebDatasetLabel: reads the class of a sample from its field (archive member) `cls` or `json`.
import Intake

/// Reads labels of WebDataset.
enum WebDatasetLabel {
    /// The most bytes of a field `cls`.
    static let mostBytes = 1024
    /// The most bytes of a field `json`.
    static let mostJSONBytes = 1 << 20

    /// Returns the class in a field `cls`: a whole number in ASCII digits. White space around the
    /// number is allowed.
    static func plain(_ bytes: [UInt8]) throws(InputFault) -> Int {
        var digits = bytes[...].drop(while: isSpace)
        while let last = digits.last, isSpace(last) { digits = digits.dropLast() }
        guard !digits.isEmpty, let number = whole(digits) else {
            throw InputFault("label is not a whole number >= 0: '\(ByteName(bytes.prefix(40)))'")
        }
        return try bounded(number, bytes)
    }

    /// Returns the class in a field `json`: a whole number under the key `label`. Nil if there is
    /// no such key.
    static func json(_ bytes: [UInt8]) throws(InputFault) -> Int? {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw InputFault("json is not text in UTF-8")
        }
        let node: JSONNode
        do throws(InputFault) {
            node = try JSONNode(text, JSONRule(maxBytes: mostJSONBytes))
        } catch {
            throw InputFault("json \(error.reason)")
        }
        guard case .object(let members) = node else { return nil }
        let labels = members.filter { $0.key.utf8.elementsEqual("label".utf8) }
        guard let label = labels.first else { return nil }
        guard labels.count == 1 else { throw InputFault("json has two labels") }
        guard case .number(let written) = label.value, let number = whole(Array(written.utf8)[...])
        else { throw InputFault("label in json is not a whole number >= 0") }
        return try bounded(number, Array(written.utf8))
    }

    private static func bounded(_ number: Int, _ bytes: [UInt8]) throws(InputFault) -> Int {
        guard number < SourceOptions.mostClasses else {
            throw InputFault(
                "label \(number) is too large; at most \(SourceOptions.mostClasses) classes are "
                    + "possible, from 0 on")
        }
        return number
    }

    private static func whole(_ digits: ArraySlice<UInt8>) -> Int? {
        var value = 0
        for byte in digits {
            guard (0x30...0x39).contains(byte), value <= Int.max / 10 - 1 else { return nil }
            value = 10 * value + Int(byte - 0x30)
        }
        return value
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || (0x09...0x0D).contains(byte)
    }
}

// The rules for text from outside: Unicode NFC, no control characters, a stated length. Every text
// is checked against one of them before it is stored, printed or sent to the database.

import Foundation

/// The rule of one kind of text. `checked` returns the text in NFC or throws why it is refused.
public struct TextRule: Sendable, Equatable {
    /// The most characters (grapheme clusters) of a text; nil if only bytes are limited.
    public let maxCharacters: Int?
    /// The most bytes in UTF-8.
    public let maxBytes: Int
    /// Whether line feeds, carriage returns and tabs are allowed.
    public let allowsLines: Bool
    /// Whether it must contain something other than blanks.
    public let isRequired: Bool
    /// Whether it is a name: no invisible characters and no blanks at its ends, because texts that
    /// look alike must be equal.
    public var isName = false

    /// Names of runs, stages, devices, data sets, queues, keys: one line of 1 to 200 characters.
    public static let name = TextRule(
        maxCharacters: 200, maxBytes: 1024, allowsLines: false, isRequired: true, isName: true)
    /// Names composed of names, such as the stage of a device: one line of 1 to 500 characters.
    public static let composed = TextRule(
        maxCharacters: 500, maxBytes: 2500, allowsLines: false, isRequired: true)
    /// Paths and URLs: one line of at most 4,096 bytes, which is Linux's PATH_MAX.
    public static let path = TextRule(
        maxCharacters: nil, maxBytes: 4096, allowsLines: false, isRequired: true)
    /// Pipeline definitions and arguments of jobs: at most 64 KiB.
    public static let definition = TextRule(
        maxCharacters: nil, maxBytes: 64 << 10, allowsLines: true, isRequired: true)
    /// Results of jobs and metadata of artifacts: at most 1 MiB; anything larger belongs in a blob.
    public static let result = TextRule(
        maxCharacters: nil, maxBytes: 1 << 20, allowsLines: true, isRequired: false)

    /// The same rule for text stored by an older version, which allowed invisible characters.
    public var stored: TextRule {
        var rule = self
        rule.isName = false
        return rule
    }

    /// The text in NFC; throws the reason if it breaks the rule.
    public func checked(_ text: String) throws(InputFault) -> String {
        let bytes = text.utf8.count
        guard bytes <= maxBytes else {
            throw InputFault("has \(bytes) bytes; at most \(maxBytes) are allowed")
        }
        for scalar in text.unicodeScalars where isForbidden(scalar) {
            throw InputFault(
                "holds the \(Self.kind(scalar)) \(Shown.codePoint(scalar))", remedy: "remove it")
        }
        let normal = text.precomposedStringWithCanonicalMapping
        if let maxCharacters, normal.count > maxCharacters {
            throw InputFault(
                "has \(normal.count) characters; at most \(maxCharacters) are allowed")
        }
        if isRequired, normal.allSatisfy(\.isWhitespace) {
            throw InputFault(normal.isEmpty ? "is empty" : "holds nothing but blanks")
        }
        if isName { try Self.checkVisible(normal) }
        return normal
    }

    /// Throws if a name contains an invisible character or a blank other than U+0020.
    private static func checkVisible(_ name: String) throws(InputFault) {
        if let first = name.unicodeScalars.first, isMark(first) {
            throw InputFault(
                "begins with the combining mark \(Shown.codePoint(first))", remedy: "remove it")
        }
        for character in name {
            // The joiners and selectors of emoji change what is seen.
            let scalars = character.unicodeScalars
            let isEmoji =
                scalars.last?.value != 0x200D
                && scalars.contains { $0.value > 0xFF && $0.properties.isEmoji }
            for scalar in scalars
            where isInvisible(scalar) && !(isEmoji && [0x200D, 0xFE0F].contains(scalar.value)) {
                throw InputFault(
                    "holds the invisible character \(Shown.codePoint(scalar))", remedy: "remove it")
            }
        }
        for (end, place) in [(name.first, "begins"), (name.last, "ends")] {
            guard let end, end.isWhitespace else { continue }
            throw InputFault("\(place) with a blank", remedy: "remove it")
        }
        for scalar in name.unicodeScalars
        where scalar != " " && scalar.properties.generalCategory == .spaceSeparator {
            throw InputFault("holds the blank \(Shown.codePoint(scalar))", remedy: "write a space")
        }
    }

    private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
        [.nonspacingMark, .enclosingMark, .spacingMark].contains(scalar.properties.generalCategory)
    }

    /// Format characters, private use, code points that Unicode marks as default-ignorable, and the
    /// blank braille pattern.
    private static func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
        [.format, .privateUse].contains(scalar.properties.generalCategory)
            || scalar.properties.isDefaultIgnorableCodePoint || scalar.value == 0x2800
    }

    /// The text made storable where refusing would lose it, such as a log line: in NFC, forbidden
    /// characters escaped as `\u{1B}`, passwords as `***`, truncated with `…` to `limit`
    /// characters.
    public static func kept(_ text: String, _ limit: Int) -> String {
        let text = Shown.withoutPasswords(text)
        let start = text.prefix(limit)
        return Shown.lines(String(start)).precomposedStringWithCanonicalMapping
            + (start.endIndex == text.endIndex ? "" : "…")
    }

    private func isForbidden(_ scalar: Unicode.Scalar) -> Bool {
        if allowsLines, scalar == "\n" || scalar == "\r" || scalar == "\t" { return false }
        return Shown.isUnprintable(scalar)
    }

    private static func kind(_ scalar: Unicode.Scalar) -> String {
        scalar.properties.generalCategory == .control
            ? "control character" : "invisible character"
    }
}

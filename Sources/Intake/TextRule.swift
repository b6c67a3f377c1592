// The rules for text from outside: Unicode NFC, no control characters, a limited length. Texts are
// checked against a rule before they are stored or sent to the database.

import Foundation

/// The rule for one kind of text. `checked` returns the text in NFC, or throws the reason why it is
/// refused.
public struct TextRule: Sendable, Equatable {
    /// The largest number of characters (grapheme clusters); nil if only the bytes are limited.
    public let maxCharacters: Int?
    /// The size limit in bytes of UTF-8.
    public let maxBytes: Int
    /// Whether line feeds, carriage returns and tabs are allowed.
    public let allowsLines: Bool
    /// Whether the text must contain something other than blanks.
    public let isRequired: Bool
    /// Whether the text is a name. A name has no invisible characters and no blanks at its ends,
    /// because two names that look alike must be equal.
    public var isName = false

    /// Names of runs, stages, devices, data sets, queues and keys: one line of 1 to 200 characters.
    public static let name = TextRule(
        maxCharacters: 200, maxBytes: 1024, allowsLines: false, isRequired: true, isName: true)
    /// Names that this program builds from other names, such as the name of a stage and the name of
    /// a device: one line of 1 to 500 characters.
    public static let composed = TextRule(
        maxCharacters: 500, maxBytes: 2500, allowsLines: false, isRequired: true)
    /// Paths and URLs: one line of at most 4,096 bytes, which is Linux's PATH_MAX.
    public static let path = TextRule(
        maxCharacters: nil, maxBytes: 4096, allowsLines: false, isRequired: true)
    /// Pipeline definitions and arguments of jobs: at most 64 KiB.
    public static let definition = TextRule(
        maxCharacters: nil, maxBytes: 64 << 10, allowsLines: true, isRequired: true)
    /// Results of jobs and metadata of artifacts: at most 1 MiB; larger data belongs in a blob.
    public static let result = TextRule(
        maxCharacters: nil, maxBytes: 1 << 20, allowsLines: true, isRequired: false)

    /// The same rule, except that invisible characters and blanks at the ends are allowed: an older
    /// version of this program stored such names.
    public var stored: TextRule {
        var rule = self
        rule.isName = false
        return rule
    }

    /// Returns the text in NFC; throws the reason if the text breaks the rule.
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

    /// Throws if a name contains an invisible character or a blank other than U+0020, or has a
    /// blank or a combining mark at its start or a blank at its end.
    private static func checkVisible(_ name: String) throws(InputFault) {
        if let first = name.unicodeScalars.first, isMark(first) {
            throw InputFault(
                "begins with the combining mark \(Shown.codePoint(first))", remedy: "remove it")
        }
        for character in name {
            // In an emoji, a joiner or a variation selector is not invisible, because it changes
            // the picture.
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

    /// Returns whether a character is invisible: a format character, a character for private use, a
    /// code point that Unicode marks as default-ignorable, or the blank braille pattern.
    private static func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
        [.format, .privateUse].contains(scalar.properties.generalCategory)
            || scalar.properties.isDefaultIgnorableCodePoint || scalar.value == 0x2800
    }

    /// Changes a text so that it can be stored, for texts that must not be refused, such as a log
    /// line. The result is in NFC. Passwords are replaced by `***`, and forbidden characters are
    /// escaped as in `\u{1B}`. A text of more than `limit` characters is truncated and ends with
    /// `…`.
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

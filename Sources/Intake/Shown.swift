// Makes text from outside safe to show: escapes unprintable characters, and measures the width of
// text in terminal cells.

import Foundation

/// Prepares text from outside for output. Stored text is prepared too: an older version of this
/// program may have stored it without the checks of `TextRule`.
public enum Shown {
    /// Returns whether a character could deceive a terminal or a reader. Such characters are
    /// control characters, line and paragraph separators, directional marks and overrides (Unicode
    /// bidi controls), the byte order mark and noncharacters.
    public static func isUnprintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        // Printable ASCII; the properties of a character take much longer to look up.
        case 0x20...0x7E: return false
        case 0x202A...0x202E, 0x2066...0x2069, 0x200E, 0x200F, 0x061C, 0xFEFF: return true
        default: break
        }
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator, .surrogate: return true
        default: return scalar.properties.isNoncharacterCodePoint
        }
    }

    /// Returns the code point in Unicode notation, such as `U+0000` for NUL.
    public static func codePoint(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16, uppercase: true)
        return "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    /// Returns the text on one line: unprintable characters are escaped, as in `\u{1B}`, `\n` or
    /// `\t`.
    public static func line(_ text: String) -> String {
        escaped(text, keepsLines: false)
    }

    /// Returns the text with unprintable characters escaped, except line feeds and tabs. This is
    /// for text of several lines, such as a log.
    public static func lines(_ text: String) -> String {
        escaped(text, keepsLines: true)
    }

    /// Returns the escaped beginning of a text for a quotation in a message: at most `limit`
    /// characters of the text, then `…` if there are more.
    public static func excerpt(_ text: String, _ limit: Int = 80) -> String {
        let start = text.prefix(limit)
        return line(String(start)) + (start.endIndex == text.endIndex ? "" : "…")
    }

    private static func escaped(_ text: String, keepsLines: Bool) -> String {
        guard text.unicodeScalars.contains(where: isUnprintable) else { return text }
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if !isUnprintable(scalar) || (keepsLines && (scalar == "\n" || scalar == "\t")) {
                result.append(scalar)
                continue
            }
            switch scalar {
            case "\n": result.append(contentsOf: "\\n".unicodeScalars)
            case "\r": result.append(contentsOf: "\\r".unicodeScalars)
            case "\t": result.append(contentsOf: "\\t".unicodeScalars)
            default:
                let digits = String(scalar.value, radix: 16, uppercase: true)
                result.append(contentsOf: "\\u{\(digits)}".unicodeScalars)
            }
        }
        return String(result)
    }

    /// Returns how many cells of a terminal the text takes (UAX #11: wide and fullwidth characters
    /// take two, combining marks none).
    public static func cells(_ text: String) -> Int {
        text.reduce(0) { $0 + cells($1) }
    }

    /// Returns the text in at most `limit` cells; if it is longer, it is truncated and ends with
    /// `…`.
    public static func cut(_ text: String, to limit: Int) -> String {
        guard cells(text) > limit else { return text }
        var room = limit - 1
        let kept = text.prefix { character in
            room -= cells(character)
            return room >= 0
        }
        return limit > 0 ? kept + "…" : ""
    }

    /// Returns the text in lines of at most `limit` cells, broken at blanks. A word longer than a
    /// line is broken after a comma, or anywhere if it has no comma.
    public static func wrapped(_ text: String, to limit: Int) -> [String] {
        var lines: [String] = []
        var rest = text[...]
        while true {
            var room = limit
            let fitting = rest.prefix { character in
                room -= cells(character)
                return room >= 0
            }
            if fitting.endIndex == rest.endIndex { break }
            // A character that is wider than the line gets a line of its own.
            let piece = fitting.isEmpty ? rest.prefix(1) : fitting
            let next = rest[piece.endIndex...].first
            let blank = next == " " ? piece.endIndex : piece.lastIndex(of: " ")
            if let blank, blank > rest.startIndex {
                lines.append(String(rest[..<blank]))
                rest = rest[blank...].drop { $0 == " " }
            } else {
                // JSON text that is broken after a comma is still JSON.
                let end = piece.lastIndex(of: ",").map(rest.index(after:)) ?? piece.endIndex
                lines.append(String(rest[..<end]))
                rest = rest[end...]
            }
        }
        return rest.isEmpty && !lines.isEmpty ? lines : lines + [String(rest)]
    }

    private static func cells(_ character: Character) -> Int {
        var width = 0
        for scalar in character.unicodeScalars {
            if (0x20...0x7E).contains(scalar.value) {
                width = max(width, 1)
                continue
            }
            // VARIATION SELECTOR-16 selects the emoji form of a character, which is wide.
            if scalar.value == 0xFE0F { width = max(width, 2) }
            switch scalar.properties.generalCategory {
            case .nonspacingMark, .enclosingMark, .format, .control: continue
            default: width = max(width, isWide(scalar.value) ? 2 : 1)
            }
        }
        return width
    }

    /// Returns whether a character's East Asian Width is W or F in Unicode 15. Neighbouring ranges
    /// are merged.
    private static func isWide(_ value: UInt32) -> Bool {
        guard value >= 0x1100 else { return false }
        switch value {
        case 0x1100...0x115F, 0x231A...0x231B, 0x2329...0x232A, 0x23E9...0x23EC, 0x23F0, 0x23F3,
            0x25FD...0x25FE, 0x2614...0x2615, 0x2648...0x2653, 0x267F, 0x2693, 0x26A1,
            0x26AA...0x26AB, 0x26BD...0x26BE, 0x26C4...0x26C5, 0x26CE, 0x26D4, 0x26EA,
            0x26F2...0x26F3, 0x26F5, 0x26FA, 0x26FD, 0x2705, 0x270A...0x270B, 0x2728, 0x274C,
            0x274E, 0x2753...0x2755, 0x2757, 0x2795...0x2797, 0x27B0, 0x27BF, 0x2B1B...0x2B1C,
            0x2B50, 0x2B55, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0xA4CF,
            0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE10...0xFE19, 0xFE30...0xFE6F,
            0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x16FE0...0x18CFF, 0x1AFF0...0x1B2FF, 0x1F004,
            0x1F0CF, 0x1F18E, 0x1F191...0x1F19A, 0x1F200...0x1F320, 0x1F32D...0x1F335,
            0x1F337...0x1F37C, 0x1F37E...0x1F393, 0x1F3A0...0x1F3CA, 0x1F3CF...0x1F3D3,
            0x1F3E0...0x1F3F0, 0x1F3F4, 0x1F3F8...0x1F43E, 0x1F440, 0x1F442...0x1F4FC,
            0x1F4FF...0x1F53D, 0x1F54B...0x1F54E, 0x1F550...0x1F567, 0x1F57A, 0x1F595...0x1F596,
            0x1F5A4, 0x1F5FB...0x1F64F, 0x1F680...0x1F6C5, 0x1F6CC, 0x1F6D0...0x1F6D2,
            0x1F6D5...0x1F6D7, 0x1F6DC...0x1F6DF, 0x1F6EB...0x1F6EC, 0x1F6F4...0x1F6FC,
            0x1F7E0...0x1F7EB, 0x1F7F0, 0x1F90C...0x1F93A, 0x1F93C...0x1F945, 0x1F947...0x1F9FF,
            0x1FA70...0x1FAFF, 0x20000...0x3FFFD:
            return true
        default: return false
        }
    }
}

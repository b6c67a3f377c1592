// Numbers and words of charts: formatted, escaped, and measured without a font.

import Foundation
import Intake

/// Formats, escapes and measures the text of charts.
public enum ChartText {
    /// The sizes of texts, headings and small texts in pixels, as in the style sheet.
    public static let size = 11.5, headSize = 14.0, smallSize = 10.5

    /// Formats a coordinate with one decimal. A value that is not a number is 0.
    public static func number(_ value: Double) -> String {
        guard value.isFinite else { return "0" }
        let tenths = Int((max(-1e7, min(1e7, value)) * 10).rounded())
        guard tenths % 10 != 0 else { return "\(tenths / 10)" }
        return (tenths < 0 ? "-" : "") + "\(abs(tenths) / 10).\(abs(tenths) % 10)"
    }

    /// Formats a number with `digits` decimals and a typographic minus sign.
    public static func decimal(_ value: Double, _ digits: Int) -> String {
        let text = String(format: "%.\(digits)f", value)
        guard text.hasPrefix("-") else { return text }
        return text.contains { $0 != "-" && $0 != "0" && $0 != "." }
            ? "−" + text.dropFirst() : String(text.dropFirst())
    }

    /// Formats a number with at most `digits` significant digits; very large and very small numbers have exponents.
    public static func short(_ value: Double, _ digits: Int = 4) -> String {
        guard value.isFinite else { return "unknown" }
        return String(format: "%.\(digits)g", value).replacing("-", with: "−")
    }

    /// Returns `text` escaped for use between tags and in quoted attributes, on one line. Control characters and
    /// directional overrides are written as escapes (`\u{1B}`).
    public static func escaped(_ text: String) -> String {
        var result = ""
        for character in Shown.line(text).unicodeScalars {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }

    /// Returns the width of a text in pixels, estimated from the widths of Arial with a reserve for wider fonts.
    public static func width(_ text: String, size: Double = ChartText.size) -> Double {
        var units = 0
        for character in Shown.line(text) {
            if let ascii = character.asciiValue, (32...126).contains(ascii) {
                units += widths[Int(ascii) - 32]
            } else {
                units += Shown.cells(String(character)) > 1 ? 1000 : 640
            }
        }
        return 1.06 * size * Double(units) / 1000
    }

    /// Returns the text if it is at most `room` pixels wide, else its beginning and `…`.
    public static func fit(_ text: String, _ room: Double, size: Double = ChartText.size) -> String
    {
        guard width(text, size: size) > room else { return text }
        // No character is narrower than 0.2 of its size, so the rest of a long text need not be measured.
        var kept = String(text.prefix(max(0, Int(room / (0.2 * size)))))
        while !kept.isEmpty && width(kept + "…", size: size) > room { kept.removeLast() }
        return kept.isEmpty ? "" : kept + "…"
    }

    /// The widths of the characters from 32 to 126 in thousandths of the font's size.
    private static let widths = [
        278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
        556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
        1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
        667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
        333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
        556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
    ]
}

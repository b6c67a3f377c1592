// Formats numbers for reports and escapes text for markup.

import Foundation
import Intake

public enum ReportText {
    /// Formats a number with `digits` decimals and a typographic minus sign.
    static func decimal(_ value: Double, _ digits: Int) -> String {
        let text = String(format: "%.\(digits)f", value)
        return text.hasPrefix("-") ? "−" + text.dropFirst() : text
    }

    /// Formats a ratio in percent: `91.23 %`.
    static func percent(_ share: Double, _ digits: Int = 2) -> String {
        decimal(100 * share, digits) + " %"
    }

    /// Formats the numbers of one column with the same number of decimals: enough for two significant digits of the
    /// smallest nonzero number, but at most six, and at least `atLeast`. `unit` follows each number; nil gives an empty
    /// cell.
    public static func column(_ values: [Double?], unit: String = "", atLeast: Int = 0) -> [String]
    {
        let sizes = values.compactMap { $0.map(abs) }.filter { $0 > 0 && $0.isFinite }
        // 0.0327 has its first nonzero digit in the second decimal, so three decimals show two digits.
        let places = sizes.min().map { Int(1 - floor(log10($0))) } ?? 0
        let digits = max(atLeast, min(6, places))
        return values.map { value in
            value.map { decimal($0, digits) + (unit.isEmpty ? "" : " " + unit) } ?? ""
        }
    }

    /// Formats a ratio in percent with enough digits for small values: `0.41 %`, `12 %`.
    static func smallPercent(_ share: Double) -> String {
        percent(share, share >= 0.1 ? 0 : share >= 0.01 ? 1 : 2)
    }

    /// Formats a difference with its sign: `+0.12`, `−1.40`.
    static func signed(_ value: Double, _ digits: Int) -> String {
        let text = decimal(value, digits)
        return text.hasPrefix("−") ? text : "+" + text
    }

    /// Formats a number with four significant digits, or from 1,000 on as an integer: `0.3371`, `3,917,888`.
    public static func amount(_ value: Double) -> String {
        guard abs(value) < 1000 else {
            return abs(value) < 9e18 ? grouped(Int(value.rounded())) : "\(value)"
        }
        // Numbers have no exponents, so that 0.000074 can be compared with 0.000327.
        let places = value == 0 ? 0 : Int(3 - floor(log10(abs(value))))
        var text = decimal(value, max(0, min(9, places)))
        if text.contains(".") {
            while text.hasSuffix("0") { text.removeLast() }
            if text.hasSuffix(".") { text.removeLast() }
        }
        return text
    }

    /// Formats an integer with thousands separators: `7,664,760`.
    public static func grouped(_ value: Int) -> String {
        let digits = String(value.magnitude)
        var text = ""
        for (place, digit) in digits.enumerated() {
            if place > 0 && (digits.count - place) % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return value < 0 ? "-" + text : text
    }

    /// Formats a number of bytes in KiB or MiB.
    static func bytes(_ count: Int) -> String {
        let kibibytes = Double(count) / 1024
        return kibibytes < 1024
            ? decimal(kibibytes, 1) + " KiB" : decimal(kibibytes / 1024, 1) + " MiB"
    }

    /// Formats a duration: `0.42 s`, `12.3 s`, `4 min 05 s`.
    static func duration(_ seconds: Double) -> String {
        guard seconds < 1e12 else { return "an unknown time" }
        if seconds < 59.95 { return decimal(seconds, seconds < 1 ? 2 : 1) + " s" }
        let whole = Int(seconds.rounded())
        return whole < 3600
            ? "\(whole / 60) min " + String(format: "%02d s", whole % 60)
            : "\(whole / 3600) h " + String(format: "%02d min", whole % 3600 / 60)
    }

    /// Returns `text` escaped for use between tags and in quoted attributes; control characters and directional
    /// overrides are written as escapes.
    static func safe(_ text: String) -> String {
        Shown.lines(text).replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(
            ">", with: "&gt;"
        )
        .replacing("\"", with: "&quot;").replacing("'", with: "&#39;")
    }
}

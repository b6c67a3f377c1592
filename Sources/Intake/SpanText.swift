// Time spans from outside: a number with one unit, such as 90m. Exponents and combined units are refused.

import Foundation

/// Parses time spans written by people.
public enum SpanText {
    private static let units: [Character: Double] = [
        "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800,
    ]

    /// Parses a span of 1 second to ten years such as `90s`, `30m`, `12h`, `1.5d` or `2w`; returns seconds. Throws for any
    /// other text.
    public static func seconds(_ text: String) throws(InputFault) -> Double {
        guard let unit = text.last.flatMap({ units[$0] }), !text.lowercased().contains("e") else {
            throw fault(text)
        }
        let count: Double
        do throws(InputFault) { count = try DecimalNumber.real(String(text.dropLast())) } catch {
            throw fault(text)
        }
        guard (1...3.2e8).contains(count * unit) else { throw fault(text) }
        return count * unit
    }

    private static func fault(_ text: String) -> InputFault {
        InputFault(
            "is '\(Shown.excerpt(text, 40))'",
            remedy: "write a number with s, m, h, d or w, from 1s to ten years, such as 12h")
    }
}

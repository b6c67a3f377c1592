// Numbers from outside. YAML 1.1 reads `064` as 52, `1:30` as 90, and `0x40` and `6_4` as 64, which
// the author of a text may not expect. So only decimal notation without such forms is accepted.

import Foundation

/// Parses numbers written by people.
public enum DecimalNumber {
    /// Parses an integer such as `-12`. Throws for any other notation (such as `+12` or `-0`) and
    /// for a value outside `range`.
    public static func whole(_ text: String, in range: ClosedRange<Int> = Int.min...Int.max)
        throws(InputFault) -> Int
    {
        guard text.wholeMatch(of: /0|-?[1-9][0-9]*/) != nil else {
            throw InputFault(
                "is '\(Shown.excerpt(text))'",
                remedy: "write a whole number in decimal digits, such as 64")
        }
        guard let value = Int(text), range.contains(value) else {
            throw InputFault("is \(Shown.excerpt(text))", remedy: "it must lie in \(shown(range))")
        }
        return value
    }

    /// Parses a number such as `0.05`, `-3` or `1e-4`. Throws for any other notation (such as `+3`
    /// or `-0`) and for values that are infinite, underflow to 0, or lie outside `range`.
    public static func real(
        _ text: String,
        in range: ClosedRange<Double> = -Double
            .greatestFiniteMagnitude...Double
            .greatestFiniteMagnitude
    ) throws(InputFault) -> Double {
        let form = /-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?/
        guard text.wholeMatch(of: form) != nil, let value = Double(text) else {
            throw InputFault(
                "is '\(Shown.excerpt(text))'",
                remedy: "write a decimal number, such as 0.05 or 1e-4")
        }
        guard value != 0 || text.wholeMatch(of: /[0.]+([eE].*)?/) != nil else {
            throw InputFault(
                "is \(Shown.excerpt(text)), which is as good as 0", remedy: "write 0 if it is meant"
            )
        }
        guard value.isFinite, range.contains(value) else {
            throw InputFault("is \(Shown.excerpt(text))", remedy: "it must lie in \(shown(range))")
        }
        return value
    }

    private static func shown(_ range: ClosedRange<Int>) -> String {
        "\(range.lowerBound)...\(range.upperBound)"
    }

    private static func shown(_ range: ClosedRange<Double>) -> String {
        "\(text(range.lowerBound))...\(text(range.upperBound))"
    }

    /// Returns the shortest digits that parse to `value`, without an exponent if the magnitude of
    /// `value` lies between 1e-12 and 1e15.
    public static func text(_ value: Double) -> String {
        let size = abs(value)
        if value == value.rounded(), size <= 1e15 { return "\(Int(value))" }
        let shortest = "\(value)"
        guard size >= 1e-12, size < 1e15, let mark = shortest.firstIndex(of: "e"),
            let exponent = Int(shortest[shortest.index(after: mark)...])
        else { return shortest }
        let digits = shortest[..<mark].split(separator: ".").dropFirst().first?.count ?? 0
        return String(format: "%.\(max(0, digits - exponent))f", value)
    }
}

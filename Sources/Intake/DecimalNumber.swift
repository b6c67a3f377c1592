// Numbers from outside: decimal digits only. `064` is 52 to YAML 1.1 and 64 to people, `1:30` is
// 90, `0x40` is 64, `6_4` is 64: a number with two readings is refused.

import Foundation

/// Parses numbers written by people.
public enum DecimalNumber {
    /// An integer such as `-12`, without `+` and not `-0`. Throws for any other notation or a value
    /// outside `range`.
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

    /// A number such as `0.05`, `-3` or `1e-4`. Throws for any other notation (`+`, `-0`) and for
    /// values that are not finite, underflow to 0, or lie outside `range`.
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

    /// The shortest digits that parse to this number; without an exponent between 1e-12 and 1e15.
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

// Numbers from outside: decimal digits only. `064` is 52 to YAML 1.1 and 64 to people, `1:30` is 90, `0x40`
// is 64, `6_4` is 64: what two readers read differently is refused.

import Foundation

/// Reads numbers that people wrote.
public enum DecimalNumber {
    /// A whole number such as `-12`; throws where it is written otherwise or lies outside `range`.
    public static func whole(_ text: String, in range: ClosedRange<Int> = Int.min...Int.max)
        throws(InputFault) -> Int
    {
        guard text.wholeMatch(of: /[-+]?(0|[1-9][0-9]*)/) != nil else {
            throw InputFault(
                "is '\(Shown.excerpt(text))'; write a whole number in decimal digits, such as 64")
        }
        guard let value = Int(text), range.contains(value) else {
            throw InputFault("is \(Shown.excerpt(text)); it must lie in \(shown(range))")
        }
        return value
    }

    /// A number such as `0.05`, `-3` or `1e-4`; throws where it is written otherwise, is not finite or
    /// lies outside `range`.
    public static func real(
        _ text: String,
        in range: ClosedRange<Double> = -Double
            .greatestFiniteMagnitude...Double
            .greatestFiniteMagnitude
    ) throws(InputFault) -> Double {
        let form = /[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?/
        guard text.wholeMatch(of: form) != nil, let value = Double(text) else {
            throw InputFault(
                "is '\(Shown.excerpt(text))'; write a decimal number, such as 0.05 or 1e-4")
        }
        guard value.isFinite, range.contains(value) else {
            throw InputFault("is \(Shown.excerpt(text)); it must lie in \(shown(range))")
        }
        return value
    }

    private static func shown(_ range: ClosedRange<Int>) -> String {
        "\(range.lowerBound)...\(range.upperBound)"
    }

    private static func shown(_ range: ClosedRange<Double>) -> String {
        "\(range.lowerBound)...\(range.upperBound)"
    }
}

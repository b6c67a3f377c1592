// A value with its uncertainty range, such as an energy.

/// A value with its uncertainty range.
public struct Interval: Sendable, Equatable, Codable {
    /// The best estimate.
    public let value: Double
    /// The lower bound, at most `value`.
    public let low: Double
    /// The upper bound, at least `value`.
    public let high: Double

    /// Requires `low` ≤ `value` ≤ `high`.
    public init(value: Double, low: Double, high: Double) {
        precondition(low <= value && value <= high, "an interval must enclose its value")
        self.value = value
        self.low = low
        self.high = high
    }

    /// Makes an exact value.
    public init(exactly value: Double) {
        self.init(value: value, low: value, high: value)
    }

    /// Returns the interval times a non-negative factor.
    public func scaled(by factor: Double) -> Interval {
        Interval(value: value * factor, low: low * factor, high: high * factor)
    }

    /// Adds two values of the same model. Their errors are not independent, so lower and upper
    /// bounds add up.
    public static func + (left: Interval, right: Interval) -> Interval {
        Interval(
            value: left.value + right.value, low: left.low + right.low, high: left.high + right.high
        )
    }
}

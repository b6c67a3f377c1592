// A figure and how far off it may be: no figure of energy travels without its range.

/// A value with the range it may lie in.
public struct Interval: Sendable, Equatable, Codable {
    /// The best estimate.
    public let value: Double
    /// The lower end, at most `value`.
    public let low: Double
    /// The upper end, at least `value`.
    public let high: Double

    /// Makes an interval; the ends must enclose the value.
    public init(value: Double, low: Double, high: Double) {
        precondition(low <= value && value <= high, "an interval must enclose its value")
        self.value = value
        self.low = low
        self.high = high
    }

    /// An exact value.
    public init(exactly value: Double) {
        self.init(value: value, low: value, high: value)
    }

    /// The interval times a number of at least zero.
    public func scaled(by factor: Double) -> Interval {
        Interval(value: value * factor, low: low * factor, high: high * factor)
    }

    /// The sum of two figures of the same model: they err together, so the ends add up.
    public static func + (left: Interval, right: Interval) -> Interval {
        Interval(
            value: left.value + right.value, low: left.low + right.low, high: left.high + right.high
        )
    }
}

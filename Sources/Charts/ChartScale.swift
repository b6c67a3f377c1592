// The scale of an axis and its ticks at round numbers.

import Foundation

/// One axis of a chart, which maps a range of values to a range of pixels.
public struct ChartScale: Sendable {
    /// A place on an axis with its label.
    public struct Tick: Sendable, Equatable {
        /// The value.
        public let value: Double
        /// The label.
        public let label: String
    }

    /// The lowest and the highest value on the axis.
    public let low, high: Double
    /// The pixels of `low` and `high`.
    public let start, end: Double

    /// Values beyond this are clamped, so that ranges are finite.
    private static let most = 1e300

    /// Makes an axis from pixel `start` to `end` that spans all finite `values` with a margin; with `fromZero`, it spans 0
    /// too and has no margin there.
    public init(_ values: [Double], from start: Double, to end: Double, fromZero: Bool = false) {
        let known = values.filter(\.isFinite) + (fromZero ? [0] : [])
        let least = known.min() ?? 0, most = known.max() ?? 1
        let room = most - least > 1e-300 ? 0.05 * (most - least) : max(abs(least) * 0.05, 1e-3)
        self.init(
            from: start, to: end, low: fromZero && least == 0 ? 0 : least - room,
            high: fromZero && most == 0 && least < 0 ? 0 : most + room)
    }

    /// Makes an axis from pixel `start` to `end` that spans exactly `low` to `high`. A range that is empty or not finite is
    /// widened.
    public init(from start: Double, to end: Double, low: Double, high: Double) {
        let least = low.isFinite ? max(-Self.most, min(Self.most, low)) : 0
        var most = high.isFinite ? max(-Self.most, min(Self.most, high)) : least + 1
        if !(most - least > 1e-300) { most = least + max(abs(least) * 0.1, 1) }
        (self.low, self.high, self.start, self.end) = (least, most, start, end)
    }

    /// Returns the pixel of a value.
    public func callAsFunction(_ value: Double) -> Double {
        start + (value - low) / (high - low) * (end - start)
    }

    /// Returns the distance between ticks that gives about `count` ticks: 1, 2 or 5 times a power of ten.
    private func spacing(_ count: Int) -> Double {
        let rough = (high - low) / Double(max(1, count))
        let power = pow(10, floor(log10(rough)))
        let factor = rough / power
        return power * (factor < 1.5 ? 1 : factor < 3.5 ? 2 : factor < 7.5 ? 5 : 10)
    }

    /// Returns about `count` ticks; labels of large numbers are in thousands (k), millions (M) or billions (G).
    public func ticks(_ count: Int) -> [Tick] {
        let spacing = spacing(count)
        guard spacing > 0, spacing.isFinite else { return [] }
        let digits = max(0, Int(-floor(log10(spacing) + 1e-9)))
        let first = (low / spacing).rounded(.up), last = (high / spacing).rounded(.down)
        guard first <= last, last - first < 1000 else { return [] }
        return (0...Int(last - first)).map { place in
            // A tick at −0 would have a sign.
            let value = (first + Double(place)) * spacing + 0
            return Tick(value: value, label: Self.label(value, digits: digits, spacing: spacing))
        }
    }

    /// Returns at most `count` ticks whose labels do not touch each other along x.
    func spaced(_ count: Int, areTimes: Bool = false) -> [Tick] {
        for few in stride(from: count, through: 1, by: -1) {
            let ticks = areTimes ? times(few) : ticks(few)
            let widest = ticks.map { ChartText.width($0.label) }.max() ?? 0
            let gaps = zip(ticks, ticks.dropFirst()).map { abs(self($1.value) - self($0.value)) }
            if (gaps.min() ?? .infinity) >= widest + 8 { return ticks }
        }
        return []
    }

    /// Returns about `count` ticks of an axis of seconds since 1970, at round times of UTC.
    func times(_ count: Int) -> [Tick] { TimeTicks.ticks(from: low, to: high, count) }

    private static func label(_ value: Double, digits: Int, spacing: Double) -> String {
        if digits > 9 || max(abs(value), spacing) >= 1e13 { return ChartText.short(value, 3) }
        for (unit, size) in [("G", 1e9), ("M", 1e6), ("k", 1e3)] where spacing >= size / 10 {
            if size == 1e3 && abs(value) < 1e4 { break }
            let digits = spacing >= size ? 0 : 1
            return ChartText.decimal(value / size, digits) + " " + unit
        }
        return ChartText.decimal(value, digits)
    }
}

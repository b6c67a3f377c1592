// The scale of a plot's axis and its ticks at round numbers.

import Foundation

/// One axis of a plot, which maps a range of values to a range of pixels.
struct PlotScale {
    /// The lowest and the highest value on the axis.
    let low, high: Double
    /// The pixels of `low` and `high`.
    let start, end: Double

    /// Makes an axis from pixel `start` to `end` that spans all `values` with a margin.
    init(_ values: [Double], from start: Double, to end: Double) {
        let least = values.min() ?? 0, most = values.max() ?? 1
        let room = most > least ? 0.05 * (most - least) : max(abs(least) * 0.05, 1e-3)
        (low, high) = (least - room, most + room)
        (self.start, self.end) = (start, end)
    }

    /// Makes an axis from pixel `start` to `end` that spans exactly `low` to `high`.
    init(from start: Double, to end: Double, low: Double, high: Double) {
        (self.low, self.high, self.start, self.end) = (low, high, start, end)
    }

    /// Returns the pixel of a value.
    func callAsFunction(_ value: Double) -> Double {
        start + (value - low) / (high - low) * (end - start)
    }

    /// Returns the distance between ticks that gives about `count` ticks: 1, 2 or 5 times a power of ten.
    private func spacing(_ count: Int) -> Double {
        let rough = (high - low) / Double(count)
        let power = pow(10, floor(log10(rough)))
        let factor = rough / power
        return power * (factor < 1.5 ? 1 : factor < 3.5 ? 2 : factor < 7.5 ? 5 : 10)
    }

    /// Returns about `count` ticks; labels of large numbers are in thousands (k), millions (M) or billions (G).
    func ticks(_ count: Int) -> [(value: Double, label: String)] {
        let spacing = spacing(count)
        let digits = max(0, Int(-floor(log10(spacing) + 1e-9)))
        return (Int((low / spacing).rounded(.up))...Int((high / spacing).rounded(.down))).map {
            let value = Double($0) * spacing
            return (value, Self.label(value, digits: digits, spacing: spacing))
        }
    }

    private static func label(_ value: Double, digits: Int, spacing: Double) -> String {
        for (unit, size) in [("G", 1e9), ("M", 1e6), ("k", 1e3)] where spacing >= size / 10 {
            if size == 1e3 && abs(value) < 1e4 { break }
            let digits = spacing >= size ? 0 : 1
            return ReportText.decimal(value / size, digits) + " " + unit
        }
        return ReportText.decimal(value, digits)
    }
}

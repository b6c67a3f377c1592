// A small line without axes, for tables and headings.

/// A sparkline.
public struct Sparkline: Chart {
    /// The name of the chart.
    public let title: String
    /// What the chart shows, in a sentence.
    public let summary: String
    private let values: [Double?]
    private let look: Int

    /// Makes a sparkline of values at equal distances; it is broken where a value is missing or not finite.
    public init(title: String, summary: String? = nil, _ values: [Double?], look: Int = 0) {
        self.title = title
        self.values = values.map { $0.flatMap { $0.isFinite ? $0 : nil } }
        self.look = max(0, look)
        let known = self.values.compactMap(\.self)
        if let first = known.first, let last = known.last {
            self.summary =
                summary
                ?? "\(known.count) values from \(ChartText.short(first)) to \(ChartText.short(last)), between"
                + " \(ChartText.short(known.min() ?? first)) and \(ChartText.short(known.max() ?? last))."
        } else {
            self.summary = summary ?? "No values."
        }
    }

    /// Returns the drawing in one size.
    public func drawing(_ size: ChartSize) -> Drawing {
        var drawing = Drawing(width: 160)
        drawing.height = 36
        drawing.fit = .natural
        let known = values.compactMap(\.self)
        let x = ChartScale(from: 4, to: 154, low: 0, high: Double(max(1, values.count - 1)))
        let y = ChartScale(known, from: 33, to: 3)
        let n = ChartText.number, colour = SeriesLook.colour(look)
        let places = values.enumerated().map { ($0, $1) }
        for part in places.split(whereSeparator: { $0.1 == nil }) {
            let path = part.map { "\(n(x(Double($0.0)))) \(n(y($0.1 ?? 0)))" }
            drawing.path(
                "line \(colour)", "M" + path.joined(separator: "L") + (part.count == 1 ? "h1" : ""))
        }
        if let last = places.last(where: { $0.1 != nil }), let value = last.1 {
            drawing.mark(
                "mark \(colour)", .circle, x(Double(last.0)), y(value), radius: 2.8,
                tip: ChartText.short(value))
        }
        return drawing
    }
}

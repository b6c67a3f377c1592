// Horizontal bars: costs by stage, device, day or host, with their parts and intervals, and what is used of budgets.

/// A chart of horizontal bars.
public struct BarChart: Chart {
    /// A bar.
    public struct Bar: Sendable {
        let label, text: String
        let parts: [Double?]
        let low, high, limit: Double?
        let tip, href: String?

        /// Makes a bar. `parts` are stacked in the order of the chart's parts; a bar without a known part is not drawn.
        /// `text` is its value in words, with the unit; `low` and `high` are the ends of the interval of the whole bar, and
        /// `limit` is what it may reach at most.
        public init(
            _ label: String, _ parts: [Double?], text: String, low: Double? = nil,
            high: Double? = nil, limit: Double? = nil, tip: String? = nil, href: String? = nil
        ) {
            func finite(_ value: Double?) -> Double? { value.flatMap { $0.isFinite ? $0 : nil } }
            (self.label, self.text, self.tip, self.href) = (label, text, tip, href)
            self.parts = parts.map(finite)
            (self.low, self.high, self.limit) = (finite(low), finite(high), finite(limit))
        }

        /// The sum of the known parts; nil if no part is known.
        var total: Double? {
            let known = parts.compactMap(\.self)
            return known.isEmpty ? nil : known.reduce(0, +)
        }
        var isOver: Bool {
            guard let total, let limit else { return false }
            return total > limit
        }
        /// The value in words, with what exceeds its limit.
        var shown: String { isOver ? text + ", over the limit" : text }
    }

    /// The name of the chart.
    public let title: String
    /// What the chart shows, in a sentence.
    public let summary: String
    private let caption: String
    private let names: [String]
    private let bars: [Bar]

    /// Makes a chart. `caption` names the measure and its unit, `parts` what bars are stacked of.
    public init(
        title: String, summary: String? = nil, caption: String, parts: [String] = [], bars: [Bar]
    ) {
        self.title = title
        self.summary =
            summary ?? "\(caption). "
            + (bars.isEmpty
                ? "no bars" : bars.map { "\($0.label): \($0.shown)" }.joined(separator: "; "))
            + "."
        (self.caption, self.names, self.bars) = (caption, parts, bars)
    }

    // MARK: Drawing

    /// The places of the columns of a drawing.
    private struct Columns {
        let label, left, right, text: Double
        let row: Double
        let size: ChartSize
    }

    /// Returns the drawing in one size. Wide charts have the labels left and the values right of the bars; narrow charts
    /// have both above the bars.
    public func drawing(_ size: ChartSize) -> Drawing {
        var drawing = Drawing(width: size.width)
        let columns = columns(size)
        let legend = Legend(items, from: 16, to: size.width - 16)
        let top = 8 + legend.height + (legend.rows > 0 ? 8 : 0)
        let bottom = top + columns.row * Double(bars.count)
        let x = ChartScale(
            bars.flatMap { bar in
                Self.edges(bar).flatMap { [$0.from, $0.to] }
                    + [bar.low, bar.high, bar.limit].compactMap(\.self)
            }, from: columns.left, to: columns.right, fromZero: true)
        legend.draw(&drawing, 20)
        let area = PlotArea(left: columns.left, right: columns.right, top: top, bottom: bottom)
        drawing.xAxis(x, area, size == .wide ? 6 : 4, caption: caption)
        for (place, bar) in bars.enumerated() {
            draw(bar, &drawing, x, columns, top + columns.row * Double(place))
        }
        let zero = ChartText.number(x(0))
        drawing.path("axis", "M\(zero) \(ChartText.number(top))V\(ChartText.number(bottom))")
        drawing.height = bottom + Drawing.xAxisHeight
        return drawing
    }

    private func columns(_ size: ChartSize) -> Columns {
        guard size == .wide else {
            return Columns(
                label: 16, left: 16, right: size.width - 16, text: size.width - 16, row: 40,
                size: size)
        }
        let labels = bars.map { ChartText.width($0.label) }.max() ?? 0
        let texts = bars.map { ChartText.width($0.shown) }.max() ?? 0
        let left = 16 + min(labels, 190) + 10
        return Columns(
            label: left - 10, left: left, right: size.width - 16 - min(texts, 190) - 10,
            text: size.width - 16, row: 26, size: size)
    }

    private var items: [Legend.Item] {
        guard names.count > 1 else { return [] }
        return names.enumerated().map { place, name in
            Legend.Item(words: name) { drawing, x, y in
                drawing.rect("fill \(SeriesLook.colour(place))", x - 6, y - 6, 12, 12)
            }
        }
    }

    /// Returns the parts of a bar between their edges: positive ones from 0 to the right, negative ones to the left.
    private static func edges(_ bar: Bar) -> [(part: Int, from: Double, to: Double)] {
        var right = 0.0, left = 0.0
        return bar.parts.enumerated().compactMap { place, value in
            guard let value else { return nil }
            if value < 0 {
                left += value
                return (place, left - value, left)
            }
            right += value
            return (place, right - value, right)
        }
    }

    private func draw(
        _ bar: Bar, _ drawing: inout Drawing, _ x: ChartScale, _ columns: Columns, _ top: Double
    ) {
        let isWide = columns.size == .wide
        let height = 13.0, y = isWide ? top + 6 : top + 20
        let base = isWide ? top + 17 : top + 14
        let tip = bar.tip ?? "\(bar.label): \(bar.shown)"
        drawing.group(tip: tip, href: bar.href) { drawing in
            let half = (columns.text - columns.label) * 0.55
            if isWide {
                drawing.text(columns.label, base, bar.label, anchor: .end, style: "name", fit: 190)
            } else {
                drawing.text(columns.label, base, bar.label, style: "name", fit: half)
            }
            let room =
                isWide
                ? 190 : columns.text - columns.label - min(half, ChartText.width(bar.label)) - 10
            drawing.text(
                columns.text, base, bar.shown, anchor: .end, style: bar.isOver ? "warn" : nil,
                fit: room)
            if let limit = bar.limit {
                drawing.rect(
                    "track", min(x(0), x(limit)), y, abs(x(limit) - x(0)), height)
            }
            for edge in Self.edges(bar) {
                let (from, to) = (min(x(edge.from), x(edge.to)), max(x(edge.from), x(edge.to)))
                let name = edge.part < names.count && names.count > 1 ? names[edge.part] : nil
                drawing.rect(
                    "fill \(SeriesLook.colour(edge.part))", from, y, max(1, to - from), height,
                    tip: name.map {
                        "\(bar.label), \($0): \(ChartText.short(bar.parts[edge.part] ?? 0))"
                    })
            }
            if let low = bar.low, let high = bar.high {
                drawing.interval("whisker", y: y + height / 2, from: x(low), to: x(high))
            }
            if let limit = bar.limit {
                let n = ChartText.number
                drawing.path("limit", "M\(n(x(limit))) \(n(y - 3))v\(n(height + 6))")
            }
        }
    }
}

// Points over two axes: accuracy over latency with a front and chosen networks, predicted against measured values.

/// A scatter plot.
public struct ScatterChart: Chart {
    /// A point. `deviation` is half the length of its interval along y; a point without a tip tells its coordinates.
    public struct Point: Sendable {
        let x, y, deviation: Double
        let tip: String?

        /// Makes a point.
        public init(x: Double, y: Double, deviation: Double? = nil, tip: String? = nil) {
            (self.x, self.y, self.tip) = (x, y, tip)
            self.deviation = deviation.flatMap { $0.isFinite ? abs($0) : nil } ?? 0
        }

        var isFinite: Bool { x.isFinite && y.isFinite }
    }

    /// How the points of a series are joined.
    public enum Join: Sendable {
        case none, straight
        /// Horizontally to the next point's x, then vertically: up to there the last point is the best.
        case steps
    }

    /// How the points of a series look.
    public enum Look: Sendable {
        /// Small dots, for many points.
        case dot
        /// Large marks, for points that were chosen or measured.
        case mark
        /// Large marks that are not filled, for expected values.
        case hollow
    }

    /// Points with one meaning.
    public struct Series: Sendable {
        let name: String
        let points: [Point]
        let join: Join
        let look: Look
        let colour: Int
        let shape: ChartShape

        /// Makes a series. `colour` is the number of the series whose colour it has. Points that are not finite are left
        /// out.
        public init(
            _ name: String, _ points: [Point], join: Join = .none, look: Look = .dot,
            colour: Int, shape: ChartShape? = nil
        ) {
            self.name = name
            self.points = points.filter(\.isFinite)
            (self.join, self.look, self.colour) = (join, look, max(0, colour))
            self.shape = shape ?? (look == .dot ? .circle : .series(max(0, colour)))
        }
    }

    /// The largest x that is allowed. If it lies far beyond all points, it is only stated.
    public struct Limit: Sendable {
        let value: Double
        let label: String

        /// Makes a limit.
        public init(_ value: Double, label: String) { (self.value, self.label) = (value, label) }
    }

    /// The name of the chart.
    public let title: String
    /// What the chart shows, in a sentence.
    public let summary: String
    private let xCaption, yCaption: String
    private let series: [Series]
    private let hasDiagonal: Bool
    private let limit: Limit?
    private let ties: [(from: Point, to: Point)]

    /// Makes a chart. Dots are drawn below marks, and series in their order. `hasDiagonal` draws y = x and gives
    /// both axes the same range; `ties` are pairs of points that belong together.
    public init(
        title: String, summary: String? = nil, xCaption: String, yCaption: String,
        series: [Series], hasDiagonal: Bool = false, limit: Limit? = nil,
        ties: [(from: Point, to: Point)] = []
    ) {
        self.title = title
        (self.xCaption, self.yCaption, self.series) = (xCaption, yCaption, series)
        self.hasDiagonal = hasDiagonal
        self.limit = limit.flatMap { $0.value.isFinite ? $0 : nil }
        self.ties = ties.filter { $0.from.isFinite && $0.to.isFinite }
        self.summary = summary ?? Self.described(series, xCaption, yCaption, limit)
    }

    private static func described(
        _ series: [Series], _ xCaption: String, _ yCaption: String, _ limit: Limit?
    ) -> String {
        let parts = series.filter { !$0.points.isEmpty }.map { one -> String in
            let name = one.name.isEmpty ? "points" : one.name
            if one.points.count == 1, let point = one.points.first {
                return
                    "\(name): \(point.tip ?? "\(ChartText.short(point.x)), \(ChartText.short(point.y))")"
            }
            let ys = one.points.map(\.y)
            return "\(name): \(one.points.count) points from \(ChartText.short(ys.min() ?? 0))"
                + " to \(ChartText.short(ys.max() ?? 0))"
        }
        let told = parts.isEmpty ? ["no points"] : parts
        return "\(yCaption) over \(xCaption). "
            + (told + (limit.map { [$0.label] } ?? [])).joined(separator: "; ") + "."
    }

    // MARK: Drawing

    private static let plotHeight = 290.0

    /// Returns the drawing in one size.
    public func drawing(_ size: ChartSize) -> Drawing {
        var drawing = Drawing(width: size.width)
        let right = size.width - (size == .wide ? 24 : 14)
        let legend = Legend(items, from: 16, to: right)
        let top = 10 + legend.height + (legend.rows > 0 ? 4 : 0) + 22
        var area = PlotArea(left: 0, right: right, top: top, bottom: top + Self.plotHeight)
        let ranges = ranges
        let y = ChartScale(
            from: area.bottom, to: area.top, low: ranges.y.lowerBound, high: ranges.y.upperBound)
        area.left = max(PlotArea.margin([y], 6), size == .wide ? 48 : 40)
        let x = ChartScale(
            from: area.left, to: right, low: ranges.x.lowerBound, high: ranges.x.upperBound)
        legend.draw(&drawing, 22)
        drawing.text(16, top - 10, yCaption, style: "cap", fit: right - 16)
        drawing.yAxis(y, area, 6)
        drawing.xAxis(x, area, size == .wide ? 7 : 4, caption: xCaption)
        draw(limit, &drawing, x, area)
        if hasDiagonal {
            let n = ChartText.number
            drawing.path(
                "diagonal", "M\(n(x(x.low))) \(n(y(x.low)))L\(n(x(x.high))) \(n(y(x.high)))")
        }
        for one in series where one.look == .dot { draw(one, &drawing, x, y, area) }
        for tie in ties {
            let n = ChartText.number
            drawing.path(
                "tie",
                "M\(n(x(tie.from.x))) \(n(y(tie.from.y)))L\(n(x(tie.to.x))) \(n(y(tie.to.y)))")
        }
        for one in series where one.look != .dot { draw(one, &drawing, x, y, area) }
        drawing.height = area.bottom + Drawing.xAxisHeight
        return drawing
    }

    /// The ranges of both axes.
    private var ranges: (x: ClosedRange<Double>, y: ClosedRange<Double>) {
        let points = series.flatMap(\.points)
        var xs = points.map(\.x)
        if let limit, isNear(limit) { xs.append(limit.value) }
        let x = ChartScale(xs, from: 0, to: 1)
        let y = ChartScale(
            points.flatMap { [$0.y - $0.deviation, $0.y + $0.deviation] }, from: 0, to: 1)
        guard hasDiagonal else { return (x.low...x.high, y.low...y.high) }
        let both = min(x.low, y.low)...max(x.high, y.high)
        return (both, both)
    }

    /// A limit far beyond the last point would squeeze the others.
    private func isNear(_ limit: Limit) -> Bool {
        guard let last = series.flatMap({ $0.points.map(\.x) }).max() else { return true }
        return limit.value <= max(last * 1.5, last)
    }

    private var items: [Legend.Item] {
        guard series.count > 1 else { return [] }
        return series.filter { !$0.name.isEmpty && !$0.points.isEmpty }.map { one in
            Legend.Item(words: one.name) { drawing, x, y in
                let n = ChartText.number, colour = SeriesLook.colour(one.colour)
                if one.join != .none {
                    drawing.path("line \(colour)", "M\(n(x - 10)) \(n(y))h20")
                }
                Self.mark(one, &drawing, x, y, nil)
            }
        }
    }

    private static func mark(
        _ series: Series, _ drawing: inout Drawing, _ x: Double, _ y: Double, _ tip: String?
    ) {
        let colour = SeriesLook.colour(series.colour)
        switch series.look {
        case .dot: drawing.mark("dot \(colour)", series.shape, x, y, radius: 2.3, tip: tip)
        case .mark: drawing.mark("mark \(colour)", series.shape, x, y, radius: 5.5, tip: tip)
        case .hollow: drawing.mark("hollow \(colour)", series.shape, x, y, radius: 5, tip: tip)
        }
    }

    /// Draws the region beyond the limit, or states a limit that lies beyond the right edge.
    private func draw(
        _ limit: Limit?, _ drawing: inout Drawing, _ x: ChartScale, _ area: PlotArea
    ) {
        guard let limit else { return }
        guard isNear(limit) else {
            return drawing.text(
                area.right - 6, area.bottom - 8, "\(limit.label), further right →", anchor: .end,
                style: "warn", fit: area.right - area.left - 12)
        }
        let at = x(limit.value), n = ChartText.number
        drawing.rect("over", at, area.top, area.right - at, area.bottom - area.top)
        drawing.path("limit", "M\(n(at)) \(n(area.top))V\(n(area.bottom))")
        let isRight = at > (area.left + area.right) / 2
        drawing.text(
            at + (isRight ? -6 : 6), area.bottom - 8, limit.label, anchor: isRight ? .end : .start,
            style: "warn", fit: isRight ? at - area.left - 8 : area.right - at - 8)
    }

    private func draw(
        _ one: Series, _ drawing: inout Drawing, _ x: ChartScale, _ y: ChartScale, _ area: PlotArea
    ) {
        let n = ChartText.number, colour = SeriesLook.colour(one.colour)
        let places = one.points.map { (x: x($0.x), y: y($0.y)) }
        if let first = places.first, one.join != .none {
            var path = "M\(n(first.x)) \(n(first.y))"
            for place in places.dropFirst() {
                path +=
                    one.join == .steps
                    ? "H\(n(place.x))V\(n(place.y))" : "L\(n(place.x)) \(n(place.y))"
            }
            if one.join == .steps { path += "H\(n(area.right))" }
            drawing.path("line \(colour)", path)
        }
        guard one.points.count <= DenseDots.few || one.look != .dot else {
            return DenseDots.draw(one.points, colour, &drawing, x, y) { tip(one, $0) }
        }
        for (point, place) in zip(one.points, places) {
            drawing.interval(
                colour, x: place.x, from: y(point.y - point.deviation),
                to: y(point.y + point.deviation))
            Self.mark(one, &drawing, place.x, place.y, tip(one, point))
        }
    }

    private func tip(_ series: Series, _ point: Point) -> String {
        point.tip
            ?? (series.name.isEmpty ? "" : series.name + ": ")
            + "\(ChartText.short(point.x)), \(ChartText.short(point.y))"
    }
}

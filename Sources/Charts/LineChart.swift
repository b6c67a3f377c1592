// Lines over a common x axis, in one panel or in several panels below each other, such as the curves of a training.

/// A chart of lines in panels.
public struct LineChart: Chart {
    /// A point of a line. The line is broken at a point without a finite y; `deviation` is half the length of the
    /// point's interval.
    public struct Point: Sendable {
        let x: Double
        let y: Double?
        let deviation: Double
        let tip: String?

        /// Makes a point.
        public init(x: Double, y: Double?, deviation: Double? = nil, tip: String? = nil) {
            self.x = x
            self.y = y.flatMap { $0.isFinite ? $0 : nil }
            self.deviation = deviation.flatMap { $0.isFinite ? abs($0) : nil } ?? 0
            self.tip = tip
        }
    }

    /// A line of a panel. Runs are not joined to each other.
    public struct Line: Sendable {
        let name: String
        let runs: [[Point]]
        let look: Int
        let hasDots: Bool

        /// Makes a line with the colour, the dashes and the shape of series `look`. Without `hasDots` only points that no
        /// line would show are drawn as dots.
        public init(_ name: String, _ runs: [[Point]], look: Int, hasDots: Bool = false) {
            self.name = name
            self.runs = runs.map { $0.filter { $0.x.isFinite } }
            self.look = max(0, look)
            self.hasDots = hasDots
        }

        var hasPoints: Bool { runs.contains { $0.contains { $0.y != nil } } }
    }

    /// A mark at the bottom of a panel.
    public struct Mark: Sendable {
        let x: Double
        let tip: String

        /// Makes a mark.
        public init(x: Double, tip: String) { (self.x, self.tip) = (x, tip) }
    }

    /// A value over the common axis.
    public struct Panel: Sendable {
        let caption: String
        let lines: [Line]
        let marks: [Mark]
        let isDodged: Bool

        /// Makes a panel; lines without a value are left out. With `isDodged` lines are drawn side by side, a few pixels
        /// apart, so that their intervals do not hide each other.
        public init(
            _ caption: String, _ lines: [Line], marks: [Mark] = [], isDodged: Bool = false
        ) {
            self.caption = caption
            self.lines = lines.filter(\.hasPoints)
            self.marks = marks.filter { $0.x.isFinite }
            self.isDodged = isDodged
        }
    }

    /// A part of the x axis with a name, such as a phase of training.
    public struct Phase: Sendable {
        let name, tip: String
        let from, to: Double

        /// Makes a phase.
        public init(_ name: String, from: Double, to: Double, tip: String) {
            (self.name, self.tip, self.from, self.to) = (name, tip, from, to)
        }
    }

    /// The name of the chart.
    public let title: String
    /// What the chart shows, in a sentence.
    public let summary: String
    private let xCaption: String
    private let range: ClosedRange<Double>?
    private let areTimes: Bool
    private let panels: [Panel]
    private let phases: [Phase]

    /// Makes a chart. `range` is the range of the x axis, by default that of the points; with `areTimes` x counts seconds
    /// since 1970.
    public init(
        title: String, summary: String? = nil, xCaption: String, range: ClosedRange<Double>? = nil,
        areTimes: Bool = false, panels: [Panel], phases: [Phase] = []
    ) {
        self.title = title
        self.summary = summary ?? Self.described(panels, xCaption)
        (self.xCaption, self.range, self.areTimes) = (xCaption, range, areTimes)
        self.panels = panels
        self.phases = phases.filter { $0.from.isFinite && $0.to.isFinite && $0.from <= $0.to }
    }

    private static func described(_ panels: [Panel], _ xCaption: String) -> String {
        let parts = panels.map { panel -> String in
            let lines = panel.lines.map { line -> String in
                let values = line.runs.flatMap { $0.compactMap(\.y) }
                guard let first = values.first, let last = values.last else { return line.name }
                return "\(line.name) from \(ChartText.short(first)) to \(ChartText.short(last))"
            }
            return "\(panel.caption): "
                + (lines.isEmpty ? "no values" : lines.joined(separator: ", "))
        }
        return "Over \(xCaption). " + parts.joined(separator: "; ") + "."
    }

    // MARK: Drawing

    private static let phaseHeight = 22.0, gap = 12.0

    /// Returns the drawing in one size.
    public func drawing(_ size: ChartSize) -> Drawing {
        var drawing = Drawing(width: size.width)
        let height =
            panels.count > 1 ? (size == .wide ? 150.0 : 120) : (size == .wide ? 290.0 : 250)
        let count = height > 200 ? 6 : 4
        let scales = panels.map { panel in
            ChartScale(
                panel.lines.flatMap { line in
                    line.runs.flatMap { run in
                        run.flatMap { point in
                            point.y.map { [$0 - point.deviation, $0 + point.deviation] } ?? []
                        }
                    }
                }, from: height, to: 0)
        }
        let left = max(PlotArea.margin(scales, count), size == .wide ? 48 : 40)
        let right = size.width - (size == .wide ? 20 : 12)
        let x = xScale(from: left, to: right)
        let top = phases.isEmpty ? 6.0 : Self.phaseHeight
        let heads = panels.map { legend($0, from: left, to: right) }
        let whole = heads.reduce(0) { $0 + $1.height + 8 + height + Self.gap }
        draw(phases, &drawing, x, bottom: top + whole - Self.gap)
        var y = top
        var area = PlotArea(left: left, right: right, top: y, bottom: y)
        for (place, panel) in panels.enumerated() {
            y += heads[place].height + 8
            area.top = y
            area.bottom = y + height
            head(panel, heads[place], &drawing, area)
            let scale = ChartScale(
                from: area.bottom, to: area.top, low: scales[place].low, high: scales[place].high)
            drawing.yAxis(scale, area, count)
            let isLast = place == panels.count - 1
            if isLast {
                drawing.xAxis(
                    x, area, size == .wide ? 8 : 4, caption: xCaption, hasGrid: panels.count == 1,
                    areTimes: areTimes)
            }
            draw(panel, &drawing, x, scale, area)
            y = area.bottom + Self.gap
        }
        drawing.height = (panels.isEmpty ? top : area.bottom) + Drawing.xAxisHeight
        return drawing
    }

    private func xScale(from left: Double, to right: Double) -> ChartScale {
        if let range {
            return ChartScale(from: left, to: right, low: range.lowerBound, high: range.upperBound)
        }
        let values = panels.flatMap { panel in
            panel.lines.flatMap { $0.runs.flatMap { $0.filter { $0.y != nil }.map(\.x) } }
        }
        let room = panels.contains(where: \.isDodged) ? 12.0 : 0
        return ChartScale(values, from: left + room, to: right - room)
    }

    /// The legend of a panel with more than one line stands right of its caption.
    private func legend(_ panel: Panel, from left: Double, to right: Double) -> PanelHead {
        let items = panel.lines.map { line in
            Legend.Item(words: line.name) { drawing, x, y in
                let n = ChartText.number, colour = SeriesLook.colour(line.look)
                drawing.path(
                    "line \(colour)", "M\(n(x - 10)) \(n(y))h20",
                    dashes: SeriesLook.dashes(line.look))
                guard line.hasDots else { return }
                drawing.mark("mark \(colour)", .series(line.look), x, y, radius: 3.4)
            }
        }
        let caption = ChartText.width(panel.caption) * 1.06
        let legend = Legend(
            panel.lines.count > 1 ? items : [], from: left, to: right,
            first: left + caption + Legend.gap)
        return PanelHead(legend: legend)
    }

    /// The caption and the legend above a panel.
    private struct PanelHead {
        let legend: Legend
        var height: Double { max(Legend.row, legend.height) }
    }

    private func head(_ panel: Panel, _ head: PanelHead, _ drawing: inout Drawing, _ area: PlotArea)
    {
        let base = area.top - head.height - 8 + 14
        drawing.text(area.left, base, panel.caption, style: "cap", fit: area.right - area.left)
        head.legend.draw(&drawing, base)
    }

    /// Draws the names of the phases above the panels, and the borders between phases. A name that has no room is shown
    /// only when the pointer is over the phase.
    private func draw(
        _ phases: [Phase], _ drawing: inout Drawing, _ x: ChartScale, bottom: Double
    ) {
        for phase in phases {
            let from = x(phase.from), to = x(phase.to)
            drawing.rect("phase", from, 4, to - from, bottom - 4, tip: phase.tip)
            drawing.path(
                "border", "M\(ChartText.number(from)) 4V\(ChartText.number(bottom))")
            if ChartText.width(phase.name) <= to - from - 8 {
                drawing.text(from + 4, 15, phase.name)
            }
        }
    }

    private func draw(
        _ panel: Panel, _ drawing: inout Drawing, _ x: ChartScale, _ y: ChartScale, _ area: PlotArea
    ) {
        for (place, line) in panel.lines.enumerated() {
            let middle = Double(panel.lines.count - 1) / 2
            let shift = panel.isDodged ? 3 * (Double(place) - middle) : 0
            for run in line.runs { draw(run, of: line, &drawing, x, y, shift) }
        }
        for mark in panel.marks {
            drawing.path(
                "skip", "M\(ChartText.number(x(mark.x))) \(ChartText.number(area.bottom))v-8",
                tip: mark.tip)
        }
    }

    /// Draws the parts of a run between points without a value, with intervals, and with dots where the line asks for
    /// them or would not be seen.
    private func draw(
        _ run: [Point], of line: Line, _ drawing: inout Drawing, _ x: ChartScale, _ y: ChartScale,
        _ shift: Double
    ) {
        let n = ChartText.number, colour = SeriesLook.colour(line.look)
        for part in run.split(whereSeparator: { $0.y == nil }) {
            let places = part.map { (point: $0, x: x($0.x) + shift, y: y($0.y ?? 0)) }
            let path = places.map { "\(n($0.x)) \(n($0.y))" }.joined(separator: "L")
            drawing.path("line \(colour)", "M\(path)", dashes: SeriesLook.dashes(line.look))
            for place in places {
                let value = place.point.y ?? 0, deviation = place.point.deviation
                drawing.interval(
                    colour, x: place.x, from: y(value - deviation), to: y(value + deviation))
                guard line.hasDots || part.count == 1 else { continue }
                let tip = place.point.tip ?? "\(line.name): \(ChartText.short(value))"
                drawing.mark(
                    "mark \(colour)", .series(line.look), place.x, place.y, radius: 3.4, tip: tip)
            }
        }
    }
}

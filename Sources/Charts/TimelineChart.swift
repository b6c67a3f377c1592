// When attempts ran, by stage or by host (a Gantt chart): a row for each, a bar for each attempt, and a line for now.

import Foundation

/// A chart of attempts over time.
public struct TimelineChart: Chart {
    /// An attempt. Without an end it lasts until now.
    public struct Bar: Sendable {
        let from: Double
        let to: Double?
        let state: ChartState
        let tip: String
        let href: String?

        /// Makes a bar. `label` names the attempt in its tip, which also has its state and times.
        public init(
            from: Date, to: Date?, state: ChartState, label: String, href: String? = nil
        ) {
            self.from = from.timeIntervalSince1970
            self.to = to.map { max($0.timeIntervalSince1970, from.timeIntervalSince1970) }
            (self.state, self.href) = (state, href)
            let end = self.to.map { TimeTicks.text($0) }
            tip =
                "\(label): \(state.rawValue), from \(TimeTicks.text(self.from))"
                + (end.map { " to \($0) UTC" } ?? " UTC on")
        }

        var isFinite: Bool { from.isFinite && (to ?? 0).isFinite }
    }

    /// A stage or a host with its attempts.
    public struct Row: Sendable {
        let name: String
        let bars: [Bar]
        let href: String?

        /// Makes a row; bars that overlap are drawn below each other.
        public init(_ name: String, _ bars: [Bar], href: String? = nil) {
            self.name = name
            self.bars = bars.filter(\.isFinite).sorted {
                ($0.from, $0.to ?? .infinity) < ($1.from, $1.to ?? .infinity)
            }
            self.href = href
        }
    }

    /// The name of the chart.
    public let title: String
    /// What the chart shows, in a sentence.
    public let summary: String
    private let rows: [Row]
    private let now: Double?

    /// Makes a chart. With `now`, which the run's clock says, bars without an end end there, and a line marks it.
    public init(title: String, summary: String? = nil, rows: [Row], now: Date? = nil) {
        self.title = title
        self.rows = rows
        self.now = now?.timeIntervalSince1970
        let counts = ChartState.allCases.compactMap { state -> String? in
            let count = rows.reduce(0) { $0 + $1.bars.count { $0.state == state } }
            return count > 0 ? "\(count) \(state.rawValue)" : nil
        }
        self.summary =
            summary ?? "\(rows.count) row\(rows.count == 1 ? "" : "s"); "
            + (counts.isEmpty ? "no attempts" : "attempts: " + counts.joined(separator: ", ")) + "."
    }

    // MARK: Drawing

    private static let lane = 15.0
    /// The most lanes of a row; further overlapping bars share the last one.
    private static let mostLanes = 12

    /// Bars of one state on less than a pixel each, or one bar.
    private struct Piece {
        var from, to: Double
        let state: ChartState
        var tips: [String]
        var count = 1
        let href: String?
        let lane: Int
        let isOpen: Bool
    }

    /// Returns the drawing in one size. Narrow charts have the names above the rows.
    public func drawing(_ size: ChartSize) -> Drawing {
        var drawing = Drawing(width: size.width)
        let names = rows.map { ChartText.width($0.name) }.max() ?? 0
        let left = size == .wide ? 16 + min(names, 170) + 12 : 16
        let right = size.width - 22
        let span = span
        let x = ChartScale(from: left, to: right, low: span.lowerBound, high: span.upperBound)
        let legend = Legend(items, from: 16, to: right)
        let top = 8 + legend.height + (legend.rows > 0 ? 6 : 0)
        let all = rows.map { pieces($0, x) }
        let head = size == .wide ? 8.0 : 24
        let heights = all.map { row -> Double in
            let lanes = (row.map(\.lane).max() ?? 0) + 1
            return Self.lane * Double(lanes) + head
        }
        let area = PlotArea(left: left, right: right, top: top, bottom: top + heights.reduce(0, +))
        legend.draw(&drawing, 20)
        drawing.xAxis(
            x, area, size == .wide ? 7 : 4, caption: "time from \(TimeTicks.dayText(x.low)), UTC",
            areTimes: true)
        var y = top
        for (place, row) in rows.enumerated() {
            draw(row, all[place], &drawing, y, left: left, size)
            y += heights[place]
        }
        if let now, now.isFinite, span.contains(now) {
            let at = ChartText.number(x(now))
            drawing.path(
                "limit", "M\(at) \(ChartText.number(top))V\(ChartText.number(area.bottom))")
            let isLeft = x(now) < left + 40
            drawing.text(
                x(now) + (isLeft ? 4 : -4), area.bottom - 3, "now", anchor: isLeft ? .start : .end,
                style: "warn")
        }
        drawing.height = area.bottom + Drawing.xAxisHeight
        return drawing
    }

    private var span: ClosedRange<Double> {
        var times = rows.flatMap { $0.bars.flatMap { [$0.from, $0.to ?? now ?? $0.from] } }
        if let now, now.isFinite { times.append(now) }
        guard let first = times.min(), let last = times.max() else { return 0...60 }
        let room = max((last - first) * 0.02, 1)
        return max(0, first - room)...max(last + room, 1)
    }

    /// The states of the bars.
    private var items: [Legend.Item] {
        let states = Set(rows.flatMap { $0.bars.map(\.state) })
        return ChartState.allCases.filter(states.contains).map { state in
            Legend.Item(words: state.rawValue) { drawing, x, y in
                drawing.rect("span \(state.rawValue)", x - 10, y - 5, 10, 10, radius: 2)
                drawing.icon(state, x + 7, y)
            }
        }
    }

    /// Returns a row's bars in pixels and lanes; bars narrower than a pixel that follow each other are one piece.
    private func pieces(_ row: Row, _ x: ChartScale) -> [Piece] {
        var pieces: [Piece] = [], ends: [Double] = []
        for bar in row.bars {
            let from = x(bar.from), to = max(x(bar.to ?? now ?? bar.from), from)
            if let last = pieces.indices.last, to - pieces[last].from < 1.5,
                pieces[last].state == bar.state
            {
                pieces[last].to = max(pieces[last].to, to)
                pieces[last].count += 1
                if pieces[last].tips.count < 3 { pieces[last].tips.append(bar.tip) }
                ends[pieces[last].lane] = max(ends[pieces[last].lane], to)
                continue
            }
            let free = ends.firstIndex { $0 <= from + 0.05 } ?? min(ends.count, Self.mostLanes - 1)
            if free == ends.count { ends.append(to) } else { ends[free] = max(ends[free], to) }
            pieces.append(
                Piece(
                    from: from, to: to, state: bar.state, tips: [bar.tip], href: bar.href,
                    lane: free, isOpen: bar.to == nil))
        }
        return pieces
    }

    private func draw(
        _ row: Row, _ pieces: [Piece], _ drawing: inout Drawing, _ top: Double, left: Double,
        _ size: ChartSize
    ) {
        let isWide = size == .wide
        drawing.group(href: row.href) { drawing in
            if isWide {
                drawing.text(
                    left - 12, top + 16, row.name, anchor: .end, style: "name", fit: 170)
            } else {
                drawing.text(left, top + 14, row.name, style: "name", fit: drawing.width - 32)
            }
        }
        for piece in pieces {
            let y = top + (isWide ? 5 : 20) + Self.lane * Double(piece.lane)
            let width = max(piece.to - piece.from, 1.5)
            var tip = piece.tips.joined(separator: "; ")
            if piece.count > piece.tips.count {
                tip += "; and \(piece.count - piece.tips.count) more"
            }
            drawing.group(tip: tip, href: piece.href) { drawing in
                drawing.rect(
                    "span \(piece.state.rawValue)", piece.from, y, width, Self.lane - 3,
                    radius: min(2, width / 2))
                // A failed attempt is marked at its end, so that it is told from others without colour.
                if piece.state == .failed {
                    let n = ChartText.number, end = piece.from + width
                    drawing.path(
                        "icon failed", "M\(n(end + 3)) \(n(y + 3))l6 6m0 -6l-6 6")
                }
            }
        }
    }
}

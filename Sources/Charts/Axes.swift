// The axes of a chart: grid lines, labels of ticks and captions.

/// The area between a chart's axes in pixels.
struct PlotArea {
    var left, right, top, bottom: Double

    /// Returns the room that the labels of the y axis need.
    static func margin(_ scales: [ChartScale], _ count: Int) -> Double {
        let labels = scales.flatMap { $0.ticks(count).map(\.label) }
        return (labels.map { ChartText.width($0) }.max() ?? 0) + 22
    }
}

extension Drawing {
    /// Draws grid lines and labels of the y axis.
    mutating func yAxis(_ y: ChartScale, _ area: PlotArea, _ count: Int) {
        let ticks = y.ticks(count), n = ChartText.number
        let lines = ticks.map { "M\(n(area.left)) \(n(y($0.value)))H\(n(area.right))" }
        if !lines.isEmpty { path("grid", lines.joined()) }
        for tick in ticks {
            text(area.left - 8, y(tick.value) + 4, tick.label, anchor: .end)
        }
    }

    /// Draws the labels of the x axis below the area, and grid lines unless there are other panels above.
    mutating func xAxis(
        _ x: ChartScale, _ area: PlotArea, _ count: Int, caption: String, hasGrid: Bool = true,
        areTimes: Bool = false
    ) {
        let ticks = x.spaced(count, areTimes: areTimes), n = ChartText.number
        let lines = ticks.map { "M\(n(x($0.value))) \(n(area.top))V\(n(area.bottom))" }
        if hasGrid && !lines.isEmpty { path("grid", lines.joined()) }
        for tick in ticks {
            let half = ChartText.width(tick.label) / 2, at = x(tick.value)
            text(
                min(max(at, half + 2), width - half - 2), area.bottom + 18, tick.label,
                anchor: .middle)
        }
        if !caption.isEmpty {
            text(
                area.right, area.bottom + 38, caption, anchor: .end, style: "cap",
                fit: area.right - 8)
        }
    }

    /// The height of labels and caption of the x axis.
    static let xAxisHeight = 48.0
}

// Numbers and texts of the plot of savings, as SVG.

import Charts

/// The scale of an axis.
typealias PlotScale = ChartScale

/// Formats coordinates and labels of plots.
enum PlotText {
    /// Formats a coordinate with one decimal.
    static func number(_ value: Double) -> String { ChartText.number(value) }

    /// Returns a text element. `style` is its CSS class; `more` are further attributes.
    static func text(
        _ x: Double, _ y: Double, _ words: String, anchor: String = "start", style: String? = nil,
        more: String = ""
    ) -> String {
        let style = style.map { " class=\"\($0)\"" } ?? ""
        return
            "<text x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\"\(style)\(more)>"
            + "\(ReportText.safe(words))</text>"
    }
}

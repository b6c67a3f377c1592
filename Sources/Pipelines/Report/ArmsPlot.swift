// Draws the accuracies of networks trained in several ways over their multiply-accumulates, one line for each way, as
// self-contained SVG. Equal figures give equal bytes.

import Foundation

/// The plot of a comparison of arms.
public struct ArmsPlot: Sendable {
    private let comparison: ArmComparison
    private let size: FrontPlot.Size

    private var width: Double { size == .wide ? 680 : 340 }
    private var left: Double { size == .wide ? 64 : 52 }
    private var right: Double { width - 20 }
    private var top: Double { 30 + 18 * Double(comparison.arms.count) }
    private var bottom: Double { top + 290 }

    /// Prepares the plot of `comparison`.
    public init(_ comparison: ArmComparison, _ size: FrontPlot.Size = .wide) {
        self.comparison = comparison
        self.size = size
    }

    /// Colours that are distinguishable on light and dark paper, with the dashes that tell repeated ones apart.
    private static let colours = [
        "#2f6fde", "#d6453d", "#1f9d6b", "#e8912a", "#7b4fc9", "#0e9aa7", "#8a6d3b", "#c2418f",
    ]

    private static func colour(_ place: Int) -> String { colours[place % colours.count] }

    private static func dashes(_ place: Int) -> String {
        place < colours.count ? "" : " stroke-dasharray=\"6 4\""
    }

    private static let style = """
        <style>
        .ofa-arms{font-family:system-ui,-apple-system,"Segoe UI",sans-serif;font-size:11.5px}
        .ofa-arms .paper{fill:#fff}.ofa-arms text{fill:#4a5260}.ofa-arms .grid{stroke:#e6e9ee}
        .ofa-arms .line{fill:none;stroke-width:1.6}.ofa-arms .bar{stroke-width:1.2}
        @media (prefers-color-scheme:dark){.ofa-arms .paper{fill:#1c2027}.ofa-arms text{fill:#b8c0cc}
        .ofa-arms .grid{stroke:#2d333d}}
        </style>
        """

    /// The plot as a standalone document, which can also be embedded in a page.
    public var svg: String {
        let cells = comparison.arms.flatMap { $0.cells.compactMap(\.self) }
        let x = PlotScale(
            comparison.networks.map { Double($0.macs) }, from: left + 14, to: right - 14)
        let y = PlotScale(
            cells.flatMap { cell in
                [-1, 1].map { 100 * (cell.test.mean + $0 * (cell.test.deviation ?? 0)) }
            }, from: bottom, to: top)
        let height = Int(bottom + 54)
        var lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(width)) \(height)\""
                + " width=\"\(Int(width))\" height=\"\(height)\" role=\"img\""
                + " class=\"ofa-arms \(size == .wide ? "wide" : "narrow")\">",
            "<title>Test accuracy of networks trained in \(comparison.arms.count) ways</title>",
            Self.style,
            "<rect class=\"paper\" width=\"\(Int(width))\" height=\"\(height)\" rx=\"6\"/>",
        ]
        for (place, arm) in comparison.arms.enumerated() {
            let at = 22 + 18 * Double(place)
            lines.append(
                "<path class=\"line\" stroke=\"\(Self.colour(place))\"\(Self.dashes(place)) d=\"M20 \(n(at))H44\"/>"
            )
            lines.append(text(52, at + 4, arm.name))
        }
        lines += grid(x, y)
        for place in comparison.arms.indices { lines += arm(place, x, y) }
        return (lines + ["</svg>"]).joined(separator: "\n") + "\n"
    }

    private func grid(_ x: PlotScale, _ y: PlotScale) -> [String] {
        var lines: [String] = []
        for tick in x.ticks(size == .wide ? 7 : 4) {
            let at = x(tick.value)
            lines.append("<path class=\"grid\" d=\"M\(n(at)) \(n(top))V\(n(bottom))\"/>")
            lines.append(text(at, bottom + 18, tick.label, anchor: "middle"))
        }
        for tick in y.ticks(6) {
            let at = y(tick.value)
            lines.append("<path class=\"grid\" d=\"M\(n(left)) \(n(at))H\(n(right))\"/>")
            lines.append(text(left - 8, at + 4, tick.label, anchor: "end"))
        }
        let middle = (top + bottom) / 2
        lines.append(
            text(
                (left + right) / 2, bottom + 40, "multiply-accumulates of one image",
                anchor: "middle"))
        lines.append(
            text(
                16, middle, "top-1 accuracy on test images, %", anchor: "middle",
                more: " transform=\"rotate(-90 16 \(n(middle)))\""))
        return lines
    }

    /// Returns the line of one arm, with error bars of one standard deviation. Arms are drawn side by side, a few
    /// pixels apart, so that their bars do not hide each other.
    private func arm(_ place: Int, _ x: PlotScale, _ y: PlotScale) -> [String] {
        let arm = comparison.arms[place], colour = Self.colour(place)
        let shift = 3 * (Double(place) - Double(comparison.arms.count - 1) / 2)
        var path = "", marks: [String] = []
        for (network, cell) in zip(comparison.networks, arm.cells) {
            guard let cell = cell?.test else { continue }
            let (at, high) = (x(Double(network.macs)) + shift, y(100 * cell.mean))
            path += "\(path.isEmpty ? "M" : "L")\(n(at)) \(n(high))"
            if let deviation = cell.deviation {
                let ends = [-1.0, 1].map { n(y(100 * (cell.mean + $0 * deviation))) }
                marks.append(
                    "<path class=\"bar\" stroke=\"\(colour)\" d=\"M\(n(at)) \(ends[0])V\(ends[1])\"/>"
                )
            }
            let tip =
                "\(arm.name), \(network.name): \(ReportText.decimal(100 * cell.mean, 2))"
                + (cell.deviation.map { " ± \(ReportText.decimal(100 * $0, 2))" } ?? "") + " %"
            marks.append(
                "<circle fill=\"\(colour)\" cx=\"\(n(at))\" cy=\"\(n(high))\" r=\"3.2\"><title>"
                    + "\(ReportText.safe(tip))</title></circle>")
        }
        guard !path.isEmpty else { return [] }
        return [
            "<path class=\"line\" stroke=\"\(colour)\"\(Self.dashes(place)) d=\"\(path)\"/>"
        ] + marks
    }

    private func text(
        _ x: Double, _ y: Double, _ words: String, anchor: String = "start", more: String = ""
    ) -> String {
        "<text x=\"\(n(x))\" y=\"\(n(y))\" text-anchor=\"\(anchor)\"\(more)>\(ReportText.safe(words))</text>"
    }

    private func n(_ value: Double) -> String { String(format: "%.1f", value) }
}

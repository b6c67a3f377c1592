// Draws the Pareto front of accuracy over one cost, with the chosen network and its measured accuracies, as
// self-contained SVG. Equal figures give equal bytes.

import Foundation
import Search

/// The plot of the front that one network was chosen from.
public struct FrontPlot: Sendable {
    /// A point of the plot with half the length of its error bar.
    struct Reading {
        let x, y, deviation: Double
    }

    private let axis: ParetoFront.Axis
    private let points: [(x: Double, y: Double, tip: String)]
    private let limit: Double?
    private let chosen: Reading?
    private let heldOut, test, due: Reading?
    private let title: String

    /// The size of the plot. A page contains the plot in both sizes and shows the one that fits the screen: text in a
    /// wide plot would be too small on a telephone.
    public enum Size: Sendable {
        /// 680 pixels wide, for screens of more than 760 pixels.
        case wide
        /// 340 pixels wide, for telephones.
        case narrow
    }

    private let size: Size
    private var width: Double { size == .wide ? 680 : 340 }
    private var height: Double { 344 + top }
    private var left: Double { size == .wide ? 64 : 52 }
    private var right: Double { width - (size == .wide ? 24 : 12) }
    /// The height of the legend above the plot. A row of the legend has up to three marks on a wide plot, one on a
    /// narrow plot.
    private var top: Double {
        let marks = Double(legendMarks.count)
        return size == .wide ? (marks > 3 ? 76 : 56) : 40 + 20 * marks
    }
    private var bottom: Double { top + 290 }

    /// Prepares the plot of a network's front; nil if the network's search stored no front.
    public init?(_ row: RunReport.NetworkRow, _ size: Size = .wide) {
        guard let front = row.front, !front.networks.isEmpty else { return nil }
        let figures = row.figures, axis = front.axis
        self.axis = axis
        self.size = size
        title = "Accuracy over \(axis.words) for \(figures.device)"
        points = front.networks.compactMap { network in
            axis.value(network.metrics).map { cost in
                (
                    cost, 100 * network.predictedAccuracy,
                    "\(ReportText.amount(cost)) \(axis.unit), predicted "
                        + ReportText.percent(network.predictedAccuracy)
                )
            }
        }
        limit = figures.target?.limits.limit(of: axis)
        let expected: Double? =
            switch axis {
            case .latency: figures.tableLatencyMs
            case .energy: figures.energyMJ
            case .macs: Double(figures.macs)
            }
        // Only latency is measured; over other costs, which are counted or modelled, measured
        // accuracies are drawn at the expected cost.
        let found = axis == .latency ? figures.latencyMs ?? expected : expected
        chosen = expected.flatMap { x in
            figures.predictedAccuracy.map {
                Reading(x: x, y: 100 * $0, deviation: 100 * (figures.accuracyUncertainty ?? 0))
            }
        }
        due = expected.flatMap { x in
            figures.expectedTestAccuracy.map {
                Reading(x: x, y: 100 * $0, deviation: 100 * (figures.expectedTestError ?? 0))
            }
        }
        test = found.map {
            Reading(
                x: $0, y: 100 * figures.testAccuracy, deviation: 100 * (figures.testError ?? 0))
        }
        heldOut = found.flatMap { x in
            figures.heldOutAccuracy.map {
                Reading(x: x, y: 100 * $0, deviation: 100 * (figures.heldOutError ?? 0))
            }
        }
    }

    /// The plot as a standalone document, which can also be embedded in a page.
    public var svg: String {
        let readings = [chosen, heldOut, test, due].compactMap(\.self)
        var xs = points.map(\.x) + readings.map(\.x)
        // A limit far beyond the most expensive network would squeeze the front, so the plot only states such a limit
        // in a label.
        let reach = (xs.max() ?? 1) * 1.5
        if let limit, limit <= reach { xs.append(limit) }
        let x = PlotScale(xs, from: left, to: right)
        let y = PlotScale(
            points.map(\.y) + readings.flatMap { [$0.y - $0.deviation, $0.y + $0.deviation] },
            from: bottom, to: top)
        var lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(width)) \(Int(height))\""
                + " width=\"\(Int(width))\" height=\"\(Int(height))\" role=\"img\""
                + " class=\"ofa-plot \(size == .wide ? "wide" : "narrow")\">",
            "<title>\(ReportText.safe(title))</title>", Self.style,
            "<rect class=\"paper\" width=\"\(Int(width))\" height=\"\(Int(height))\" rx=\"6\"/>",
        ]
        lines += legend + grid(x, y)
        if let limit {
            lines += limit <= reach ? forbidden(x(limit), limit) : [distant(limit)]
        }
        lines += curve(x, y)
        lines += marks(x, y)
        return (lines + ["</svg>"]).joined(separator: "\n") + "\n"
    }

    // MARK: Parts

    private static let style = """
        <style>
        .ofa-plot{font-family:system-ui,-apple-system,"Segoe UI",sans-serif;font-size:11.5px}
        .ofa-plot .paper{fill:#fff}.ofa-plot text{fill:#4a5260}.ofa-plot .grid{stroke:#e6e9ee}
        .ofa-plot .front{fill:none;stroke:#2f6fde;stroke-width:2}.ofa-plot .dot{fill:#2f6fde}
        .ofa-plot .over{fill:#d6453d;fill-opacity:.07}.ofa-plot .limit{stroke:#d6453d;stroke-dasharray:5 4}
        .ofa-plot .warn{fill:#c23b33}.ofa-plot .bar{stroke-width:1.5}.ofa-plot .tie{stroke:#8a93a3;stroke-dasharray:2 3}
        .ofa-plot .chosen{fill:#e8912a;stroke:#fff;stroke-width:1.5}.ofa-plot .bar.c{stroke:#e8912a}
        .ofa-plot .due{fill:#fff;stroke:#e8912a;stroke-width:2}
        .ofa-plot .held{fill:#1f9d6b;stroke:#fff;stroke-width:1.5}.ofa-plot .bar.h{stroke:#1f9d6b}
        .ofa-plot .test{fill:#7b4fc9;stroke:#fff;stroke-width:1.5}.ofa-plot .bar.t{stroke:#7b4fc9}
        @media (prefers-color-scheme:dark){.ofa-plot .paper{fill:#1c2027}.ofa-plot text{fill:#b8c0cc}
        .ofa-plot .grid{stroke:#2d333d}.ofa-plot .front{stroke:#6ea0ff}.ofa-plot .dot{fill:#6ea0ff}
        .ofa-plot .warn{fill:#ff8a80}.ofa-plot .chosen,.ofa-plot .held,.ofa-plot .test{stroke:#1c2027}
        .ofa-plot .due{fill:#1c2027}}
        </style>
        """

    /// The CSS classes of the plot's marks, with their meanings.
    private var legendMarks: [(style: String, words: String)] {
        let marks: [(Reading?, String, String)] = [
            (chosen, "chosen", "chosen, predicted"), (due, "due", "expected, test images"),
            (heldOut, "held", "measured, held-out images"),
            (test, "test", "measured, test images"),
        ]
        return marks.filter { $0.0 != nil }.map { ($0.1, $0.2) }
    }

    /// The legend above the plot: up to three marks per row, or one per row on narrow plots.
    private var legend: [String] {
        var lines = ["<path class=\"front\" d=\"M20 22H42\"/>", text(48, 26, "front, predicted")]
        var (x, y) = size == .wide ? (166.0, 22.0) : (31.0, 42.0)
        for (style, words) in legendMarks {
            lines.append(mark(style, x, y))
            lines.append(text(size == .wide ? x + 10 : 48, y + 4, words))
            if size == .wide { x += 30 + 6.5 * Double(words.count) }
            if size == .narrow { y += 20 } else if x > 500 { (x, y) = (166, y + 20) }
        }
        return lines
    }

    private func grid(_ x: PlotScale, _ y: PlotScale) -> [String] {
        var lines: [String] = []
        for tick in x.ticks(size == .wide ? 7 : 4) {
            let at = x(tick.value)
            lines.append(
                "<path class=\"grid\" d=\"M\(n(at)) \(n(top))V\(n(bottom))\"/>")
            lines.append(text(at, bottom + 18, tick.label, anchor: "middle"))
        }
        for tick in y.ticks(6) {
            let at = y(tick.value)
            lines.append(
                "<path class=\"grid\" d=\"M\(n(left)) \(n(at))H\(n(right))\"/>")
            lines.append(text(left - 8, at + 4, tick.label, anchor: "end"))
        }
        let middle = (top + bottom) / 2
        lines.append(text((left + right) / 2, bottom + 40, axis.caption, anchor: "middle"))
        lines.append(
            text(
                16, middle, "top-1 accuracy, %", anchor: "middle",
                more: " transform=\"rotate(-90 16 \(n(middle)))\""))
        return lines
    }

    /// Returns the region beyond the limit, which begins at pixel `at`.
    private func forbidden(_ at: Double, _ limit: Double) -> [String] {
        let isNarrow = at > (left + right) / 2
        return [
            "<rect class=\"over\" x=\"\(n(at))\" y=\"\(n(top))\" width=\"\(n(right - at))\""
                + " height=\"\(n(bottom - top))\"/>",
            "<path class=\"limit\" d=\"M\(n(at)) \(n(top))V\(n(bottom))\"/>",
            text(
                at + (isNarrow ? -6 : 6), bottom - 8,
                "limit \(ReportText.amount(limit)) \(axis.unit)",
                anchor: isNarrow ? "end" : "start", more: " class=\"warn\""),
        ]
    }

    /// Returns the label of a limit beyond the plot's right edge.
    private func distant(_ limit: Double) -> String {
        text(
            right - 6, bottom - 8,
            "limit \(ReportText.amount(limit)) \(axis.unit), further right →", anchor: "end",
            more: " class=\"warn\"")
    }

    /// Returns the front as a step function: up to the next network's cost, the previous network is the best.
    private func curve(_ x: PlotScale, _ y: PlotScale) -> [String] {
        guard let first = points.first else { return [] }
        var path = "M\(n(x(first.x))) \(n(y(first.y)))"
        for point in points.dropFirst() { path += "H\(n(x(point.x)))V\(n(y(point.y)))" }
        path += "H\(n(right))"
        return ["<path class=\"front\" d=\"\(path)\"/>"]
            + points.map { point in
                "<circle class=\"dot\" cx=\"\(n(x(point.x)))\" cy=\"\(n(y(point.y)))\" r=\"2.2\"><title>"
                    + "\(ReportText.safe(point.tip))</title></circle>"
            }
    }

    private func marks(_ x: PlotScale, _ y: PlotScale) -> [String] {
        var lines: [String] = []
        if let chosen, let lowest = [heldOut, test].compactMap(\.self).min(by: { $0.y < $1.y }) {
            lines.append(
                "<path class=\"tie\" d=\"M\(n(x(chosen.x))) \(n(y(chosen.y)))"
                    + "L\(n(x(lowest.x))) \(n(y(lowest.y)))\"/>")
        }
        let readings: [(Reading?, String, String, String)] = [
            (due, "due", "c", "expected on test images"),
            (test, "test", "t", "measured on test images"),
            (heldOut, "held", "h", "measured on held-out images"),
            (chosen, "chosen", "c", "predicted"),
        ]
        for (reading, style, bar, words) in readings {
            guard let reading else { continue }
            let at = x(reading.x)
            if reading.deviation > 0 {
                let high = n(y(reading.y + reading.deviation))
                let low = n(y(reading.y - reading.deviation))
                lines.append(
                    "<path class=\"bar \(bar)\" d=\"M\(n(at)) \(high)V\(low)M\(n(at - 4)) \(high)h8"
                        + "M\(n(at - 4)) \(low)h8\"/>")
            }
            let tip =
                "\(words): \(ReportText.decimal(reading.y, 2)) ± \(ReportText.decimal(reading.deviation, 2)) %"
                + " at \(ReportText.amount(reading.x)) \(axis.unit)"
            lines.append(mark(style, at, y(reading.y), tip: tip))
        }
        return lines
    }

    /// Returns a diamond for a predicted accuracy, a circle for a measured accuracy.
    private func mark(_ style: String, _ x: Double, _ y: Double, tip: String? = nil) -> String {
        let title = tip.map { "<title>\(ReportText.safe($0))</title>" } ?? ""
        return ["chosen", "due"].contains(style)
            ? "<path class=\"\(style)\" d=\"M\(n(x)) \(n(y - 7))l7 7l-7 7l-7 -7z\">\(title)</path>"
            : "<circle class=\"\(style)\" cx=\"\(n(x))\" cy=\"\(n(y))\" r=\"5.5\">\(title)</circle>"
    }

    private func text(
        _ x: Double, _ y: Double, _ words: String, anchor: String = "start", more: String = ""
    ) -> String {
        "<text x=\"\(n(x))\" y=\"\(n(y))\" text-anchor=\"\(anchor)\"\(more)>\(ReportText.safe(words))</text>"
    }

    private func n(_ value: Double) -> String { String(format: "%.1f", value) }
}

extension ParetoFront.Axis {
    /// The name of the cost in a sentence.
    var words: String {
        switch self {
        case .latency: "latency"
        case .energy: "energy"
        case .macs: "multiply-accumulates"
        }
    }

    /// The name of the cost's limit in a pipeline file.
    var limitName: String {
        switch self {
        case .latency: "max_latency_ms"
        case .energy: "max_energy_mj"
        case .macs: "max_macs"
        }
    }

    /// The unit of the cost.
    var unit: String {
        switch self {
        case .latency: "ms"
        case .energy: "mJ"
        case .macs: "MACs"
        }
    }

    /// The caption of the cost axis in a plot.
    var caption: String {
        switch self {
        case .latency: "latency of one batch, ms"
        case .energy: "energy of one batch, mJ"
        case .macs: "multiply-accumulates of one image"
        }
    }
}

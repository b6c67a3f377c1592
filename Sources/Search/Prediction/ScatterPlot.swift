// Draws scatter plots as SVG: predicted against measured accuracy, and accuracy over cost. The text is deterministic.
import Foundation

/// A scatter plot.
public struct ScatterPlot: Sendable {
    /// A point; `deviation` is half the length of its error bar along y.
    public struct Point: Sendable {
        let x, y, deviation: Double

        /// Makes a point; without a `deviation` the point has no error bar.
        public init(x: Double, y: Double, deviation: Double = 0) {
            (self.x, self.y, self.deviation) = (x, y, deviation)
        }
    }

    private let title, xLabel, yLabel: String
    private let points: [Point]
    private let hasDiagonal, hasLine: Bool

    /// The size of the plot and the margin for the labels, in pixels.
    private static let width = 480.0, height = 400.0, margin = 56.0

    /// Makes a plot; `hasDiagonal` draws y = x and gives both axes the same range, and `hasLine` joins the points.
    public init(
        title: String, xLabel: String, yLabel: String, points: [Point], hasDiagonal: Bool = false,
        hasLine: Bool = false
    ) {
        (self.title, self.xLabel, self.yLabel) = (title, xLabel, yLabel)
        self.points = points.filter { $0.x.isFinite && $0.y.isFinite && $0.deviation.isFinite }
        (self.hasDiagonal, self.hasLine) = (hasDiagonal, hasLine)
    }

    /// Returns the plot of predicted against measured accuracies of held-out networks, in percent, with the predicted
    /// deviations as error bars.
    public static func calibration(_ rows: [AccuracyPredictor.HeldOut], title: String)
        -> ScatterPlot
    {
        ScatterPlot(
            title: title, xLabel: "measured top-1, %", yLabel: "predicted top-1, %",
            points: rows.map {
                Point(
                    x: 100 * $0.measured, y: 100 * $0.predicted,
                    deviation: 100 * ($0.uncertainty ?? 0))
            }, hasDiagonal: true)
    }

    /// Returns the plot of a front, predicted accuracy over cost.
    public static func front(_ front: ParetoFront, title: String) -> ScatterPlot {
        ScatterPlot(
            title: title, xLabel: front.axis.label, yLabel: "predicted top-1, %",
            points: front.networks.compactMap { network in
                network.metrics.value(of: front.axis.quantity).map {
                    Point(x: $0, y: 100 * network.predictedAccuracy)
                }
            }, hasLine: true)
    }

    /// The plot as SVG.
    public var svg: String {
        var x = range(points.flatMap { [$0.x] })
        var y = range(points.flatMap { [$0.y - $0.deviation, $0.y + $0.deviation] })
        if hasDiagonal {
            let both = min(x.low, y.low)...max(x.high, y.high)
            (x, y) = ((both.lowerBound, both.upperBound), (both.lowerBound, both.upperBound))
        }
        func across(_ value: Double) -> Double {
            Self.margin + (value - x.low) / (x.high - x.low) * (Self.width - 2 * Self.margin)
        }
        func down(_ value: Double) -> Double {
            Self.height - Self.margin - (value - y.low) / (y.high - y.low)
                * (Self.height - 2 * Self.margin)
        }
        var lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"480\" height=\"400\" font-family=\"sans-serif\""
                + " font-size=\"11\">", "<rect width=\"480\" height=\"400\" fill=\"white\"/>",
            text(Self.width / 2, 24, title, size: 14),
            text(Self.width / 2, Self.height - 14, xLabel),
            text(16, Self.height / 2, yLabel, turned: true),
        ]
        for step in 0...4 {
            let xValue = x.low + (x.high - x.low) * Double(step) / 4
            let yValue = y.low + (y.high - y.low) * Double(step) / 4
            let left = number(Self.margin), bottom = number(Self.height - Self.margin)
            lines.append(
                "<path d=\"M\(left) \(number(down(yValue)))H\(number(Self.width - Self.margin))"
                    + "M\(number(across(xValue))) \(bottom)V\(number(Self.margin))\" stroke=\"#ddd\"/>"
            )
            lines.append(text(across(xValue), Self.height - Self.margin + 16, label(xValue)))
            lines.append(text(Self.margin - 24, down(yValue) + 4, label(yValue)))
        }
        if hasDiagonal {
            lines.append(
                "<path d=\"M\(number(across(x.low))) \(number(down(x.low)))L\(number(across(x.high)))"
                    + " \(number(down(x.high)))\" stroke=\"#888\" stroke-dasharray=\"4 3\"/>")
        }
        if hasLine && !points.isEmpty {
            let path = points.map { "\(number(across($0.x))) \(number(down($0.y)))" }
            lines.append(
                "<path d=\"M\(path.joined(separator: "L"))\" fill=\"none\" stroke=\"#36c\"/>")
        }
        for point in points {
            let at = number(across(point.x))
            if point.deviation > 0 {
                let high = number(down(point.y + point.deviation))
                lines.append(
                    "<path d=\"M\(at) \(high)V\(number(down(point.y - point.deviation)))\" stroke=\"#9bd\"/>"
                )
            }
            lines.append(
                "<circle cx=\"\(at)\" cy=\"\(number(down(point.y)))\" r=\"2\" fill=\"#36c\"/>")
        }
        return (lines + ["</svg>"]).joined(separator: "\n") + "\n"
    }

    /// Returns the range of the values with a margin; the range is never empty.
    private func range(_ values: [Double]) -> (low: Double, high: Double) {
        let low = values.min() ?? 0, high = values.max() ?? 1
        let room = high > low ? 0.04 * (high - low) : max(abs(low) * 0.01, 0.5)
        return (low - room, high + room)
    }

    private func text(
        _ x: Double, _ y: Double, _ text: String, size: Int = 11, turned: Bool = false
    ) -> String {
        let safe = text.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
        let turn = turned ? " transform=\"rotate(-90 \(number(x)) \(number(y)))\"" : ""
        return
            "<text x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"middle\" font-size=\"\(size)\"\(turn)>"
            + "\(safe)</text>"
    }

    private func number(_ value: Double) -> String { String(format: "%.1f", value) }
    private func label(_ value: Double) -> String { String(format: "%.4g", value) }
}

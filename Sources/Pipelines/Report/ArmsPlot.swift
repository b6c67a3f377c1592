// The chart of networks trained in several ways: accuracies over multiply-accumulates, one line for each way.

import Charts

/// The plot of a comparison of arms.
public struct ArmsPlot: Sendable {
    /// The chart.
    public let chart: LineChart

    /// Prepares the plot of `comparison`, with intervals of one standard deviation.
    public init(_ comparison: ArmComparison) {
        let lines = comparison.arms.enumerated().map { place, arm in
            let points = zip(comparison.networks, arm.cells).compactMap { network, cell in
                (cell?.test).map { test in
                    LineChart.Point(
                        x: Double(network.macs), y: 100 * test.mean,
                        deviation: test.deviation.map { 100 * $0 },
                        tip:
                            "\(arm.name), \(network.name): \(ReportText.decimal(100 * test.mean, 2))"
                            + (test.deviation.map { " ± \(ReportText.decimal(100 * $0, 2))" } ?? "")
                            + " %")
                }
            }
            return LineChart.Line(arm.name, [points], look: place, hasDots: true)
        }
        chart = LineChart(
            title: "Test accuracy of networks trained in \(comparison.arms.count) ways",
            xCaption: "multiply-accumulates of one image",
            panels: [.init("top-1 accuracy on test images, %", lines, isDodged: true)])
    }
}

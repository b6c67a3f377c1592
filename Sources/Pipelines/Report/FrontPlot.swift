// The chart of the Pareto front of accuracy over one cost, with the chosen network and its measured accuracies.

import Charts
import Search

/// The plot of the front that one network was chosen from.
public struct FrontPlot: Sendable {
    /// The size of plots.
    public typealias Size = ChartSize

    /// An accuracy of the chosen network in percent at a cost, with half the length of its interval.
    private struct Reading {
        let x, y, deviation: Double

        /// nil if the cost or the accuracy is unknown.
        init?(_ x: Double?, _ share: Double?, _ deviation: Double?) {
            guard let x, let share else { return nil }
            (self.x, self.y, self.deviation) = (x, 100 * share, 100 * (deviation ?? 0))
        }
    }

    /// The chart.
    public let chart: ScatterChart
    /// The networks of the front, cheapest first: the cost with its unit, and the predicted accuracy.
    public let rows: [(cost: String, accuracy: String)]

    /// Prepares the plot of a network's front; nil if the network's search stored no front.
    public init?(_ row: RunReport.NetworkRow) {
        guard let front = row.front, !front.networks.isEmpty else { return nil }
        let figures = row.figures, axis = front.axis
        let points = front.networks.compactMap { network in
            axis.value(network.metrics).map { cost in
                ScatterChart.Point(
                    x: cost, y: 100 * network.predictedAccuracy,
                    tip: "\(ReportText.amount(cost)) \(axis.unit), predicted "
                        + ReportText.percent(network.predictedAccuracy))
            }
        }
        rows = front.networks.compactMap { network in
            axis.value(network.metrics).map {
                (
                    "\(ReportText.amount($0)) \(axis.unit)",
                    ReportText.percent(network.predictedAccuracy)
                )
            }
        }
        let expected: Double? =
            switch axis {
            case .latency: figures.tableLatencyMs
            case .energy: figures.energyMJ
            case .macs: Double(figures.macs)
            }
        // Only latency is measured; over other costs, which are counted or modelled, measured
        // accuracies are drawn at the expected cost.
        let found = axis == .latency ? figures.latencyMs ?? expected : expected
        let chosen = Reading(expected, figures.predictedAccuracy, figures.accuracyUncertainty)
        let due = Reading(expected, figures.expectedTestAccuracy, figures.expectedTestError)
        let test = Reading(found, figures.testAccuracy, figures.testError)
        let heldOut = Reading(found, figures.heldOutAccuracy, figures.heldOutError)
        func series(
            _ name: String, _ reading: Reading?, _ words: String, _ colour: Int,
            _ shape: ChartShape, _ look: ScatterChart.Look = .mark
        ) -> ScatterChart.Series {
            .init(
                name, reading.map { [Self.point($0, words, axis)] } ?? [], look: look,
                colour: colour, shape: shape)
        }
        // Diamonds are predicted, circles and squares are measured.
        let marks = [
            series(
                "expected, test images", due, "expected on test images", 1, .diamond, .hollow),
            series("measured, test images", test, "measured on test images", 3, .square),
            series(
                "measured, held-out images", heldOut, "measured on held-out images", 2, .circle),
            series("chosen, predicted", chosen, "predicted", 1, .diamond),
        ]
        let lowest = [heldOut, test].compactMap(\.self).min { $0.y < $1.y }
        var ties: [(from: ScatterChart.Point, to: ScatterChart.Point)] = []
        if let chosen, let lowest {
            ties = [(Self.point(chosen, "", axis), Self.point(lowest, "", axis))]
        }
        chart = ScatterChart(
            title: "Accuracy over \(axis.words) for \(figures.device)", xCaption: axis.caption,
            yCaption: "top-1 accuracy, %",
            series: [.init("front, predicted", points, join: .steps, colour: 0)] + marks,
            limit: figures.target?.limits.limit(of: axis).map {
                .init($0, label: "limit \(ReportText.amount($0)) \(axis.unit)")
            }, ties: ties)
    }

    private static func point(_ reading: Reading, _ words: String, _ axis: ParetoFront.Axis)
        -> ScatterChart.Point
    {
        let tip =
            "\(words): \(ReportText.decimal(reading.y, 2)) ± \(ReportText.decimal(reading.deviation, 2)) %"
            + " at \(ReportText.amount(reading.x)) \(axis.unit)"
        return .init(x: reading.x, y: reading.y, deviation: reading.deviation, tip: tip)
    }
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

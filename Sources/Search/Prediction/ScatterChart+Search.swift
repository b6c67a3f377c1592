// The charts of predictors and fronts: predicted against measured accuracy, and accuracy over cost.

import Charts

extension ScatterChart {
    /// Returns the chart of predicted against measured accuracies of held-out networks, in percent, with the predicted
    /// deviations as intervals.
    public static func calibration(_ rows: [AccuracyPredictor.HeldOut], title: String)
        -> ScatterChart
    {
        let points = rows.map { row in
            let (measured, predicted) = (100 * row.measured, 100 * row.predicted)
            let deviation = row.uncertainty.map { 100 * $0 }
            let error = deviation.map { " ± " + ChartText.decimal($0, 2) } ?? ""
            return Point(
                x: measured, y: predicted, deviation: deviation,
                tip: "measured \(ChartText.decimal(measured, 2)) %, predicted"
                    + " \(ChartText.decimal(predicted, 2))\(error) %")
        }
        return ScatterChart(
            title: title, xCaption: "measured top-1, %", yCaption: "predicted top-1, %",
            series: [Series("networks", points, colour: 0)], hasDiagonal: true)
    }

    /// Returns the chart of a front, predicted accuracy over cost.
    public static func front(_ front: ParetoFront, title: String) -> ScatterChart {
        let points = front.networks.compactMap { network in
            network.metrics.value(of: front.axis.quantity).map {
                Point(x: $0, y: 100 * network.predictedAccuracy)
            }
        }
        return ScatterChart(
            title: title, xCaption: front.axis.label, yCaption: "predicted top-1, %",
            series: [Series("front", points, join: .straight, colour: 0)])
    }
}

// How the phases of a run trained, as a chart and as a table: loss, accuracy, learning rate, images per second and the norm
// of the gradient over the steps of all phases.

import Charts
import Foundation
import Jobs

/// The curves of a run's training stages, as a picture and as a table.
public struct TrainingPlot {
    private let curves: [TrainingCurve]
    private let title: String
    /// The number of steps before each phase.
    private let offsets: [Int]

    /// Takes the curves of a run, in the order of the stages.
    public init(_ curves: [TrainingCurve], title: String) {
        self.curves = curves
        self.title = title
        var offsets: [Int] = [], steps = 0
        for curve in curves {
            offsets.append(steps)
            steps += curve.lastStep
        }
        self.offsets = offsets
    }

    // MARK: The table

    /// The names of the columns of the table.
    public static let columns = [
        "stage", "first_step", "last_step", "skipped", "networks", "images", "images_per_second",
        "learning_rate", "loss", "distillation_loss", "accuracy", "gradient_norm", "network",
        "validation_accuracy", "validation_loss", "validation_images",
    ]

    /// The curves as comma-separated values with a head. A line has the metrics of a range of steps, or the validation of
    /// one network after a step; cells without a value are empty. Names with commas, quotes or line ends are quoted.
    public var csv: String {
        var text = Self.columns.joined(separator: ",") + "\n"
        func add(_ cells: [String]) { text += cells.joined(separator: ",") + "\n" }
        func cell(_ value: Double?) -> String { value.map { "\($0)" } ?? "" }
        for curve in curves {
            let stage = Self.quoted(curve.stage)
            for point in curve.points {
                add([
                    stage, "\(point.firstStep)", "\(point.lastStep)", "\(point.skipped)",
                    "\(point.networks)", "\(point.images)", cell(point.imagesPerSecond),
                    cell(point.learningRate), cell(point.loss), cell(point.distillationLoss),
                    cell(point.accuracy), cell(point.gradientNorm), "", "", "", "",
                ])
            }
            for one in curve.validations {
                add(
                    [stage, "\(one.step)", "\(one.step)"] + Array(repeating: "", count: 9) + [
                        one.network, cell(one.accuracy), cell(one.loss), "\(one.images)",
                    ])
            }
        }
        return text
    }

    private static func quoted(_ text: String) -> String {
        text.contains { [",", "\"", "\n", "\r"].contains($0) }
            ? "\"" + text.replacing("\"", with: "\"\"") + "\"" : text
    }

    // MARK: The picture

    /// The picture as a standalone document.
    public var svg: String { chart.svg() }

    /// The picture.
    public var chart: LineChart {
        let steps = Double(max(1, (offsets.last ?? 0) + (curves.last?.lastStep ?? 0)))
        return LineChart(
            title: title, xCaption: "steps of all phases", range: 0...steps, panels: panels,
            phases: zip(curves, offsets).map { curve, offset in
                LineChart.Phase(
                    curve.stage, from: Double(offset), to: Double(offset + curve.lastStep),
                    tip: "\(curve.stage): \(curve.lastStep) steps")
            })
    }

    private var panels: [LineChart.Panel] {
        let loss = [
            line("loss", 0) { $0.loss }, line("distillation loss", 5) { $0.distillationLoss },
        ]
        let accuracy =
            [line("training images", 0) { $0.accuracy.map { 100 * $0 } }]
            + [("largest", 3), ("middle", 2), ("smallest", 1)].map(validated)
        return [
            .init("loss", loss), .init("top-1, %", accuracy),
            .init("learning rate", [line("learning rate", 0) { $0.learningRate }]),
            .init("images/s", [line("images per second", 0) { $0.imagesPerSecond }]),
            .init(
                "gradient norm", [line("gradient norm", 0) { $0.gradientNorm }], marks: skipped),
        ]
    }

    /// Returns the line of one metric. A point lies in the middle of its steps.
    private func line(_ name: String, _ look: Int, _ value: (StepMetrics) -> Double?)
        -> LineChart.Line
    {
        LineChart.Line(
            name,
            zip(curves, offsets).map { curve, offset in
                curve.points.map { point in
                    let number = value(point).flatMap { $0.isFinite ? $0 : nil }
                    return LineChart.Point(
                        x: Double(offset) + Double(point.firstStep - 1 + point.lastStep) / 2,
                        y: number, tip: number.map { "\(name): \(ReportText.amount($0))" })
                }
            }, look: look)
    }

    /// Returns the line of one network's accuracy on held-out images.
    private func validated(_ network: String, _ look: Int) -> LineChart.Line {
        let name = "\(network), held-out images"
        return LineChart.Line(
            name,
            zip(curves, offsets).map { curve, offset in
                curve.validations.filter { $0.network == network }.map {
                    LineChart.Point(
                        x: Double(offset + $0.step), y: 100 * $0.accuracy,
                        tip: "\(name): \(ReportText.amount(100 * $0.accuracy))")
                }
            }, look: look, hasDots: true)
    }

    /// A mark for every range with skipped steps.
    private var skipped: [LineChart.Mark] {
        zip(curves, offsets).flatMap { curve, offset in
            curve.points.filter { $0.skipped > 0 }.map { point in
                LineChart.Mark(
                    x: Double(offset) + Double(point.firstStep - 1 + point.lastStep) / 2,
                    tip: "\(point.skipped) of steps \(point.firstStep) to \(point.lastStep) skipped"
                )
            }
        }
    }
}

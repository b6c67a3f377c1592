// The chart of a confusion matrix: a row for each class, a column for each predicted class.

import Charts
import Datasets
import Intake
import Training

/// A confusion matrix as a picture.
public struct ConfusionPlot: Sendable {
    /// The chart.
    public let chart: MatrixChart

    /// Takes the matrix and the names of the classes; a class without a name is shown as its number.
    public init(_ confusion: Confusion, names: [ByteName], title: String) {
        let whole = (0..<confusion.classes).map { label in
            label < names.count ? names[label].description : "\(label)"
        }
        var cells: [MatrixChart.Cell] = []
        for actual in 0..<confusion.classes {
            let images = confusion.images(of: actual)
            for predicted in 0..<confusion.classes {
                let count = confusion[actual, predicted]
                guard count > 0 else { continue }
                cells.append(
                    MatrixChart.Cell(
                        row: actual, column: predicted, text: "\(count)",
                        share: Double(count) / Double(images), isRight: actual == predicted,
                        tip: "\(whole[actual]) taken for \(whole[predicted]): \(count) of \(images)"
                    ))
            }
        }
        chart = MatrixChart(
            title: title, rowCaption: "actual", columnCaption: "predicted",
            names: whole.map(Self.short), cells: cells)
    }

    /// The plot as a standalone document.
    public var svg: String { chart.svg() }

    /// Returns a name of at most 18 characters.
    private static func short(_ name: String) -> String {
        name.count <= 18 ? name : name.prefix(17) + "…"
    }
}

// Draws a confusion matrix as SVG: a row for each class, a column for each predicted class. The text is deterministic.

import Datasets
import Foundation
import Intake
import Training

/// A confusion matrix as a picture.
public struct ConfusionPlot {
    private let confusion: Confusion
    private let title: String
    private let names: [String]

    /// The largest number of classes with which the plot shows names and counts.
    private static let mostNamed = 40
    /// The room for the names, in pixels.
    private static let margin = 150.0

    /// Takes the matrix and the names of the classes; a class without a name is shown as its number.
    public init(_ confusion: Confusion, names: [ByteName], title: String) {
        self.confusion = confusion
        self.title = title
        self.names = (0..<confusion.classes).map {
            Self.short($0 < names.count ? names[$0].description : "\($0)")
        }
    }

    /// The plot as SVG.
    public var svg: String {
        let classes = confusion.classes, isNamed = classes <= Self.mostNamed
        // Many classes share a square of at most 800 pixels.
        let cell = isNamed ? 32.0 : max(1, 800 / Double(classes))
        let left = isNamed ? Self.margin : 60, top = left, side = cell * Double(classes)
        let (width, height) = (left + side + 20, top + side + 20)
        var lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(number(width))\" height=\"\(number(height))\""
                + " font-family=\"sans-serif\" font-size=\"11\">",
            "<rect width=\"\(number(width))\" height=\"\(number(height))\" fill=\"white\"/>",
            text(width / 2, 18, title, "font-size=\"14\" text-anchor=\"middle\""),
            text(left + side / 2, isNamed ? 36 : top - 8, "predicted", "text-anchor=\"middle\""),
            text(
                14, top + side / 2, "actual",
                "text-anchor=\"middle\" transform=\"rotate(-90 14 \(number(top + side / 2)))\""),
        ]
        for actual in 0..<classes {
            let images = confusion.images(of: actual), y = top + cell * Double(actual)
            for predicted in 0..<classes where confusion[actual, predicted] > 0 {
                let share = Double(confusion[actual, predicted]) / Double(images)
                let x = left + cell * Double(predicted)
                // Right answers are green, wrong answers red. The opacity is the square root of the share, so that rare
                // confusions are visible.
                let colour = actual == predicted ? "27,120,55" : "178,24,43"
                lines.append(
                    "<rect x=\"\(number(x))\" y=\"\(number(y))\" width=\"\(number(cell))\" height=\"\(number(cell))\""
                        + " fill=\"rgb(\(colour))\" fill-opacity=\"\(String(format: "%.3f", share.squareRoot()))\"><title>"
                        + "\(ReportText.safe(names[actual])) taken for \(ReportText.safe(names[predicted])):"
                        + " \(confusion[actual, predicted]) of \(images)</title></rect>")
                guard isNamed else { continue }
                lines.append(
                    text(
                        x + cell / 2, y + cell / 2 + 4, "\(confusion[actual, predicted])",
                        "text-anchor=\"middle\" fill=\"\(share > 0.4 ? "white" : "black")\" font-size=\"10\""
                    ))
            }
            guard isNamed else { continue }
            lines.append(
                text(left - 6, y + cell / 2 + 4, names[actual], "text-anchor=\"end\""))
            let x = left + cell * (Double(actual) + 0.5) + 4, end = top - 6
            lines.append(
                text(
                    x, end, names[actual],
                    "text-anchor=\"start\" transform=\"rotate(-90 \(number(x)) \(number(end)))\""))
        }
        lines.append(
            "<rect x=\"\(number(left))\" y=\"\(number(top))\" width=\"\(number(side))\" height=\"\(number(side))\""
                + " fill=\"none\" stroke=\"#888\"/>")
        return (lines + ["</svg>"]).joined(separator: "\n") + "\n"
    }

    private func text(_ x: Double, _ y: Double, _ words: String, _ style: String) -> String {
        "<text x=\"\(number(x))\" y=\"\(number(y))\" \(style)>\(ReportText.safe(words))</text>"
    }

    private func number(_ value: Double) -> String { String(format: "%.1f", value) }

    /// Returns a name of at most 18 characters.
    private static func short(_ name: String) -> String {
        name.count <= 18 ? name : name.prefix(17) + "…"
    }
}

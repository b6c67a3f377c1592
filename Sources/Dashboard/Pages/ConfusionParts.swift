// ConfusionParts: a confusion matrix with the same in words: recall and precision of each class, and the most frequent confusions.

import Charts
import Foundation
import Pipelines

/// Parts of pages that show predictions by class.
enum ConfusionParts {
    /// What stands in place of a matrix that was not recorded.
    static let none = PageParts.note(
        "No predictions by class are recorded: an earlier version measured this network, or it has too many classes."
            + " ofa evaluate --confusion measures them.")

    /// Returns the matrix, the most frequent confusions and a table of the classes. `of` names the network in the chart's
    /// title; `id` is unique in the page.
    static func show(
        _ record: ConfusionRecord, names: [String], of what: String, id: String
    ) -> HTML {
        let table = record.confusion
        func name(_ label: Int) -> String { label < names.count ? names[label] : "\(label)" }
        let wrong = (0..<table.classes).flatMap { actual in
            (0..<table.classes).compactMap { predicted in
                actual != predicted && table[actual, predicted] > 0
                    ? (actual: actual, predicted: predicted, count: table[actual, predicted]) : nil
            }
        }.sorted { ($1.count, $0.actual, $0.predicted) < ($0.count, $1.actual, $1.predicted) }
        let worst = wrong.prefix(10).map { one -> [HTML] in
            [
                "\(name(one.actual))", "\(name(one.predicted))", "\(one.count)",
                "\(ratio(one.count, table.images(of: one.actual)))",
            ]
        }
        let most = 256
        let rows = (0..<min(table.classes, most)).map { label -> [HTML] in
            [
                "\(name(label))", "\(ReportText.grouped(table.images(of: label)))",
                "\(ratio(table[label, label], table.images(of: label)))",
                "\(ratio(table[label, label], table.predictions(of: label)))",
            ]
        }
        let plot = record.plot(names: names, title: "Predictions of \(what) by class")
        return """
            \(HTML.chart(plot.chart, id: id))
            \(PageParts.note(
                "\(ReportText.grouped(table.images)) test images; \(PageParts.percent(table.top1)) right. Rows are the classes of the"
                    + " images, columns those that the network predicted."))\
            <h3>Most frequent confusions</h3>
            \(Parts.table(
                "Pairs of classes that were confused most often",
                [.text("Class"), .text("Taken for"), .number("Images"), .number("Of the class")],
                worst, none: "None: every image was right."))\
            <details id="\(id)-list"><summary>Recall and precision of each class</summary>
            \(Parts.table(
                "Recall and precision of each class",
                [.text("Class"), .number("Images"), .number("Recall"), .number("Precision")], rows))\
            </details>

            """
    }

    private static func ratio(_ part: Int, _ whole: Int) -> String {
        whole > 0 ? PageParts.percent(Double(part) / Double(whole), 1) : "–"
    }
}

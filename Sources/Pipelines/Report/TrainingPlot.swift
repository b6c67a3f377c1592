// Draws how the phases of a run trained, as self-contained SVG: loss, accuracy, learning rate, images per second and the
// norm of the gradient over the steps of all phases. Equal curves give equal bytes.

import Foundation
import Jobs

/// The curves of a run's training stages, as a picture and as a table.
public struct TrainingPlot {
    /// One line of a panel: its CSS class, its name, and its points for each phase. The line is broken at a point whose
    /// value is nil.
    private struct Line {
        let style, name: String
        let runs: [[(x: Double, y: Double?)]]
        var hasDots = false
    }

    /// One panel: a value over the steps.
    private struct Panel {
        let caption: String
        let lines: [Line]
        /// Whether skipped steps are marked.
        var hasMarks = false
    }

    private let curves: [TrainingCurve]
    private let title: String
    /// The number of steps before each phase.
    private let offsets: [Int]

    private static let width = 860.0, left = 64.0, right = 836.0
    private static let panelHeight = 150.0, gap = 34.0, top = 64.0

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
    public var svg: String {
        let panels = panels,
            height = Self.top + Double(panels.count) * (Self.panelHeight + Self.gap)
        let steps = Double(max(1, (offsets.last ?? 0) + (curves.last?.lastStep ?? 0)))
        let x = PlotScale(from: Self.left, to: Self.right, low: 0, high: steps)
        var lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(Self.width)) \(Int(height))\""
                + " width=\"\(Int(Self.width))\" height=\"\(Int(height))\" role=\"img\" class=\"ofa-training\">",
            "<title>\(ReportText.safe(title))</title>", Self.style,
            "<rect class=\"paper\" width=\"\(Int(Self.width))\" height=\"\(Int(height))\" rx=\"6\"/>",
            PlotText.text(Self.left, 22, title, style: "head"),
        ]
        lines += phases(x, height - Self.gap)
        for (place, panel) in panels.enumerated() {
            lines += draw(
                panel, x, top: Self.top + Double(place) * (Self.panelHeight + Self.gap))
        }
        for tick in x.ticks(8) where tick.value >= 0 {
            lines.append(
                PlotText.text(x(tick.value), height - Self.gap + 18, tick.label, anchor: "middle"))
        }
        lines.append(
            PlotText.text(Self.right, height - 4, "steps of all phases", anchor: "end"))
        return (lines + ["</svg>"]).joined(separator: "\n") + "\n"
    }

    private var panels: [Panel] {
        let loss = [
            line("a", "loss") { $0.loss }, line("b", "distillation loss") { $0.distillationLoss },
        ]
        let accuracy =
            [line("a", "training images") { $0.accuracy.map { 100 * $0 } }]
            + [("largest", "d"), ("middle", "e"), ("smallest", "c")].map(validated)
        let panels = [
            Panel(caption: "loss", lines: loss), Panel(caption: "top-1, %", lines: accuracy),
            Panel(
                caption: "learning rate", lines: [line("a", "learning rate") { $0.learningRate }]),
            Panel(
                caption: "images/s", lines: [line("a", "images per second") { $0.imagesPerSecond }]),
            Panel(
                caption: "gradient norm", lines: [line("a", "gradient norm") { $0.gradientNorm }],
                hasMarks: true),
        ]
        return panels.map { panel in
            Panel(
                caption: panel.caption,
                lines: panel.lines.filter { $0.runs.contains { $0.contains { $0.y != nil } } },
                hasMarks: panel.hasMarks)
        }
    }

    /// Returns the line of one metric. A point lies in the middle of its steps.
    private func line(_ style: String, _ name: String, _ value: (StepMetrics) -> Double?) -> Line {
        Line(
            style: style, name: name,
            runs: zip(curves, offsets).map { curve, offset in
                curve.points.map { point in
                    (
                        Double(offset) + Double(point.firstStep - 1 + point.lastStep) / 2,
                        value(point).flatMap { $0.isFinite ? $0 : nil }
                    )
                }
            })
    }

    /// Returns the line of one network's accuracy on held-out images.
    private func validated(_ network: String, _ style: String) -> Line {
        Line(
            style: style, name: "\(network), held-out images",
            runs: zip(curves, offsets).map { curve, offset in
                curve.validations.filter { $0.network == network }.map {
                    (Double(offset + $0.step), 100 * $0.accuracy)
                }
            }, hasDots: true)
    }

    /// Returns the names of the phases above the panels, and the borders between phases. A name that has no room is only
    /// shown when the pointer is over the phase.
    private func phases(_ x: PlotScale, _ bottom: Double) -> [String] {
        zip(curves, offsets).flatMap { curve, offset -> [String] in
            let from = x(Double(offset)), to = x(Double(offset + curve.lastStep))
            let room = Int((to - from - 8) / 6.5)
            let name = ReportText.safe("\(curve.stage): \(curve.lastStep) steps")
            var lines = [
                "<rect class=\"phase\" x=\"\(PlotText.number(from))\" y=\"\(PlotText.number(Self.top - 22))\""
                    + " width=\"\(PlotText.number(to - from))\" height=\"\(PlotText.number(bottom - Self.top + 22))\">"
                    + "<title>\(name)</title></rect>",
                "<path class=\"border\" d=\"M\(PlotText.number(from)) \(PlotText.number(Self.top - 22))"
                    + "V\(PlotText.number(bottom))\"/>",
            ]
            if curve.stage.count <= room {
                lines.append(PlotText.text(from + 4, Self.top - 10, curve.stage))
            }
            return lines
        }
    }

    private func draw(_ panel: Panel, _ x: PlotScale, top: Double) -> [String] {
        let bottom = top + Self.panelHeight
        let y = PlotScale(
            panel.lines.flatMap { $0.runs.flatMap { $0.compactMap(\.y) } }, from: bottom, to: top)
        var lines: [String] = []
        for tick in y.ticks(4) {
            let at = PlotText.number(y(tick.value))
            lines.append(
                "<path class=\"grid\" d=\"M\(PlotText.number(Self.left)) \(at)H\(PlotText.number(Self.right))\"/>"
            )
            lines.append(
                PlotText.text(Self.left - 8, y(tick.value) + 4, tick.label, anchor: "end"))
        }
        let middle = PlotText.number((top + bottom) / 2)
        lines.append(
            PlotText.text(
                14, (top + bottom) / 2, panel.caption, anchor: "middle",
                more: " transform=\"rotate(-90 14 \(middle))\""))
        for line in panel.lines {
            for run in line.runs { lines += draw(run, of: line, x, y) }
        }
        if panel.hasMarks { lines += skipped(x, bottom) }
        guard panel.lines.count > 1 else { return lines }
        var at = Self.right
        for line in panel.lines.reversed() {
            at -= 6.2 * Double(line.name.count) + 4
            lines.append(PlotText.text(at, bottom + 14, line.name))
            lines.append(
                "<path class=\"line \(line.style)\" d=\"M\(PlotText.number(at - 22)) \(PlotText.number(bottom + 10))h16\"/>"
            )
            at -= 32
        }
        return lines
    }

    /// Returns the parts of a run between points without a value, and dots where the line asks for them or would not be
    /// seen.
    private func draw(
        _ run: [(x: Double, y: Double?)], of line: Line, _ x: PlotScale, _ y: PlotScale
    ) -> [String] {
        run.split { $0.y == nil }.flatMap { part -> [String] in
            let points = part.compactMap { point in point.y.map { (x: point.x, y: $0) } }
            let path = points.map { "\(PlotText.number(x($0.x))) \(PlotText.number(y($0.y)))" }
            let drawn =
                "<path class=\"line \(line.style)\" d=\"M\(path.joined(separator: "L"))\"/>"
            guard line.hasDots || points.count == 1 else { return [drawn] }
            return [drawn]
                + points.map { point in
                    "<circle class=\"dot \(line.style)\" cx=\"\(PlotText.number(x(point.x)))\""
                        + " cy=\"\(PlotText.number(y(point.y)))\" r=\"2.6\"><title>"
                        + "\(ReportText.safe(line.name)): \(ReportText.amount(point.y))</title></circle>"
                }
        }
    }

    /// Returns a mark at the bottom of a panel for every range with skipped steps.
    private func skipped(_ x: PlotScale, _ bottom: Double) -> [String] {
        zip(curves, offsets).flatMap { curve, offset in
            curve.points.filter { $0.skipped > 0 }.map { point in
                let at = Double(offset) + Double(point.firstStep - 1 + point.lastStep) / 2
                return
                    "<path class=\"skip\" d=\"M\(PlotText.number(x(at))) \(PlotText.number(bottom))v-8\"><title>"
                    + "\(point.skipped) of steps \(point.firstStep) to \(point.lastStep) skipped</title></path>"
            }
        }
    }

    private static let style = """
        <style>
        .ofa-training{font-family:system-ui,-apple-system,"Segoe UI",sans-serif;font-size:11.5px}
        .ofa-training .paper{fill:#fff}.ofa-training text{fill:#4a5260}.ofa-training .head{font-size:14px}
        .ofa-training .grid{stroke:#e6e9ee}.ofa-training .border{stroke:#c3cad4;stroke-dasharray:2 3}
        .ofa-training .phase{fill:#2f6fde;fill-opacity:0}.ofa-training .phase:hover{fill-opacity:.04}
        .ofa-training .skip{stroke:#d6453d;stroke-width:2}
        .ofa-training .line{fill:none;stroke-width:1.5;stroke-linejoin:round}
        .ofa-training .line.a{stroke:#2f6fde}.ofa-training .line.b{stroke:#8a93a3}.ofa-training .line.c{stroke:#e8912a}
        .ofa-training .line.d{stroke:#7b4fc9}.ofa-training .line.e{stroke:#1f9d6b}
        .ofa-training .dot.a{fill:#2f6fde}.ofa-training .dot.b{fill:#8a93a3}.ofa-training .dot.c{fill:#e8912a}
        .ofa-training .dot.d{fill:#7b4fc9}.ofa-training .dot.e{fill:#1f9d6b}
        @media (prefers-color-scheme:dark){.ofa-training .paper{fill:#1c2027}.ofa-training text{fill:#b8c0cc}
        .ofa-training .grid{stroke:#2d333d}.ofa-training .border{stroke:#505a68}
        .ofa-training .line.a{stroke:#6ea0ff}.ofa-training .dot.a{fill:#6ea0ff}}
        </style>
        """
}

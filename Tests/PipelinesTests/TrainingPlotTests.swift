// The curves of a run as a picture and as a table.
import Foundation
import FoundationXML
import TestSupport
import Testing

@testable import Jobs
@testable import Pipelines

@Suite struct TrainingPlotTests {
    private func curve(
        _ stage: String, job: JobID, steps: Int, validations: [ValidationMetrics] = []
    )
        -> TrainingCurve
    {
        var curve = TrainingCurve(job: job, stage: stage, lastStep: steps)
        curve.points = stride(from: 1, through: steps, by: 10).map { first in
            StepMetrics(
                firstStep: first, lastStep: first + 9, skipped: first == 11 ? 10 : 0, networks: 10,
                images: 640,
                seconds: 1, learningRate: 0.1, loss: first == 11 ? nil : 3 / Double(first),
                distillationLoss: nil, accuracy: 0.5,
                gradientNorm: first == 11 ? nil : 1)
        }
        curve.validations = validations
        return curve
    }

    private var plot: TrainingPlot {
        let validations = [20, 40].map {
            ValidationMetrics(
                step: $0, network: "largest", arch: "{}", accuracy: Double($0) / 100, loss: 1,
                images: 50)
        }
        return TrainingPlot(
            [
                curve("full", job: 1, steps: 40, validations: validations),
                curve("a <b>, \"c\"", job: 2, steps: 60),
            ], title: "Training of run 1 & more")
    }

    @Test("the picture is well-formed, self-contained, and has a panel for every metric")
    func svg() throws {
        let svg = plot.svg
        #expect(svg == plot.svg)
        let parser = XMLParser(data: Data(svg.utf8))
        #expect(parser.parse(), "\(parser.parserError.map { "\($0)" } ?? "")")
        for text in [
            ">loss<", ">top-1, %<", ">learning rate<", ">images/s<", ">gradient norm<", ">full<",
            "largest, held-out images: 20<",
            "Training of run 1 &amp; more", "a &lt;b&gt;",
        ] { #expect(svg.contains(text), "no \(text)") }
        #expect(!svg.contains("http") || svg.components(separatedBy: "http").count == 2)
        #expect(!svg.contains("nan") && !svg.contains("distillation"))
        // Where steps had no finite loss, the line is broken: a dot before, a line after, and a mark at the steps.
        let paths = svg.matches(of: /class="line s0" d="([^"]+)"/).map { String($0.1) }
        let points = paths.map { $0.components(separatedBy: "L").count }
        #expect(points.prefix(4) == [1, 2, 1, 4])
        #expect(svg.components(separatedBy: "class=\"skip\"").count == 1 + 2)
        #expect(svg.contains("10 of steps 11 to 20 skipped"))
        // No curve, no phase: still a picture.
        #expect(XMLParser(data: Data(TrainingPlot([], title: "").svg.utf8)).parse())
    }

    @Test("the table has a line for every range and every validation, and quotes names")
    func csv() throws {
        let lines = plot.csv.split(separator: "\n").map(String.init)
        #expect(lines[0].hasPrefix("stage,first_step,last_step,skipped,networks,images,"))
        #expect(lines[1] == "full,1,10,0,10,640,640.0,0.1,3.0,,0.5,1.0,,,,")
        #expect(lines[2] == "full,11,20,10,10,640,640.0,0.1,,,0.5,,,,,")
        #expect(lines[5] == "full,20,20,,,,,,,,,,largest,0.2,1.0,50")
        #expect(lines[7].hasPrefix("\"a <b>, \"\"c\"\"\",1,10,"))
        #expect(lines.count == 1 + 4 + 2 + 6)
        let columns = lines[0].split(separator: ",").count
        #expect(lines[1].components(separatedBy: ",").count == columns)
        #expect(lines[5].components(separatedBy: ",").count == columns)
    }
}

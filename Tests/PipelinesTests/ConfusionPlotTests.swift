// The picture of a confusion matrix: names, escapes, and many classes.
import Datasets
import Foundation
import FoundationXML
import Testing
import Training

@testable import Pipelines

@Suite struct ConfusionPlotTests {
    /// The plot of `classes` classes, of which the last is always taken for class 0.
    private func svg(_ classes: Int, names: [String], title: String = "t") -> String {
        var table = Confusion(classes: classes)
        for label in 0..<classes {
            var logits = Array(repeating: Float(0), count: classes)
            logits[label == classes - 1 ? 0 : label] = 1
            table.add(Confusion.Answer(logits[...], label: label), label: label)
        }
        return ConfusionPlot(table, names: names.map { ByteName($0) }, title: title).svg
    }

    @Test(
        "up to 40 classes are named beside their rows, with counts; more only where a pointer rests"
    )
    func named() {
        let names = (0..<41).map { "class \($0)" }
        let (forty, more) = (svg(40, names: names), svg(41, names: names))
        #expect(forty.contains("end\">class 3</text>") && !more.contains(">class 3</text>"))
        for (classes, plot) in [(40, forty), (41, more)] {
            let last = "<title>class \(classes - 1) taken for class 0: 1 of 1</title>"
            #expect(plot.contains(last))
            // Each cell that is not empty has a tip; the picture has a title.
            #expect(plot.components(separatedBy: "<title>").count == classes + 2)
            #expect(XMLParser(data: Data(plot.utf8)).parse())
        }
        #expect(forty.components(separatedBy: ">1</text>").count == 41)
        #expect(!more.contains(">1</text>"))
    }

    @Test("names and titles are text, whatever their characters; missing names are numbers")
    func escaped() {
        let plot = svg(3, names: ["<&\">'", "a name of more than eighteen"], title: "<title>&")
        #expect(plot.contains("end\">&lt;&amp;&quot;&gt;&#39;</text>"))
        #expect(plot.contains("end\">a name of more th…</text>"))
        #expect(plot.contains("end\">2</text>") && plot.contains("&lt;title&gt;&amp;"))
        #expect(XMLParser(data: Data(plot.utf8)).parse())
    }
}

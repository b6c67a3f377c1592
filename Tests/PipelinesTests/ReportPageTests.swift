// The page of a report: complete, harmless, and true to its figures.

import Accounting
import Artifacts
@testable import Devices
import Foundation
import FoundationXML
import Jobs
import Networks
import TestSupport
import Testing

@testable import Pipelines
@testable import Search

/// A report that was never in a database.
enum ReportFixture {
    static func choice(limit: Int? = 3_000_000, name: String = "watch <b>") throws -> Choice {
        let device = DeviceTarget(
            name: name, kind: .phone, limits: Constraints(flashKBMax: 1200, macsMax: limit))
        func result(_ macs: Int, _ accuracy: Double) -> SearchResult {
            SearchResult(
                arch: SearchSpace.fashion.smallest, predictedAccuracy: accuracy,
                metrics: NetworkMetrics(
                    latencyMs: nil, macs: macs, params: macs / 10, peakMemoryBytes: 40_000,
                    flashBytes: 800_000, energyMJ: 0.1),
                evaluations: 9, generations: 1, seed: 1)
        }
        var front = try JSONText.decode(
            ParetoFront.self, from: #"{"axis":"macs","networks":[]}"#, what: "test")
        front.networks = [
            result(1_400_000, 0.89), result(2_000_000, 0.9), result(2_900_000, 0.908),
            result(4_100_000, 0.912),
        ]
        return Choice(
            device: device, result: front.networks[2], space: "fashion-mbv3", uncertainty: 0.002,
            front: front)
    }

    static func figures(_ choice: Choice, latencyMs: Double? = nil) -> NetworkFigures {
        var figures = NetworkFigures(
            device: choice.device.name, arch: choice.result.arch, predictedAccuracy: 0.908,
            testAccuracy: 0.895, latencyMs: latencyMs, tableLatencyMs: latencyMs.map { $0 * 1.25 },
            macs: 2_900_000, params: 290_000, flashBytes: 800_000, peakActivationBytes: 40_000,
            assumption: choice.device.assumption)
        figures.target = choice.device
        figures.accuracyUncertainty = choice.uncertainty
        figures.testImages = 10_000
        figures.heldOutAccuracy = 0.906
        figures.heldOutImages = 5000
        return figures
    }

    static func row(
        limit: Int? = 3_000_000, latencyMs: Double? = nil, name: String = "watch <b>"
    ) throws -> RunReport.NetworkRow {
        let choice = try choice(limit: limit, name: name)
        return RunReport.NetworkRow(
            artifact: ArtifactID(rawValue: 7), figures: figures(choice, latencyMs: latencyMs),
            storedBytes: 700_000,
            choice: ArtifactID(rawValue: 6), front: choice.front, branch: nil)
    }
}

/// Whether XML is well formed, and which elements it has.
private final class Outline: NSObject, XMLParserDelegate {
    var elements: [String] = []
    var texts: [String] = []

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
        qualifiedName: String?, attributes: [String: String]
    ) {
        elements.append(name)
        texts.append("")
    }

    func parser(_ parser: XMLParser, foundCharacters text: String) {
        if !texts.isEmpty { texts[texts.count - 1] += text }
    }

    static func of(_ text: String) throws -> Outline {
        let outline = Outline()
        let parser = XMLParser(data: Data(text.utf8))
        parser.delegate = outline
        try #require(parser.parse(), "\(String(describing: parser.parserError))")
        outline.texts = outline.texts.map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
        return outline
    }
}

@Suite struct ReportPageTests {
    @Test(
        "a front's plot is well-formed SVG with a dot for every network, the choice and what was measured"
    )
    func plot() throws {
        let plot = try #require(FrontPlot(try ReportFixture.row())).chart
        let svg = plot.svg()
        let outline = try Outline.of(svg)
        #expect(outline.elements.first == "svg")
        // The front's dots, and what was chosen, held out and tested: once in the legend, once in the plot.
        #expect(svg.components(separatedBy: "class=\"dot s0\"").count == 1 + 1 + 4)
        for mark in ["class=\"mark s1\"", "class=\"mark s2\"", "class=\"mark s3\""] {
            #expect(svg.components(separatedBy: mark).count == 1 + 2, "\(mark)")
        }
        for words in [
            "front, predicted", "chosen, predicted", "measured, held-out images",
            "measured, test images",
        ] { #expect(outline.texts.contains(words), "\(words)") }
        #expect(outline.texts.contains("limit 3,000,000 MACs"))
        #expect(outline.texts.contains("Accuracy over multiply-accumulates for watch <b>"))
        #expect(outline.texts.contains("predicted: 90.80 ± 0.20 % at 2,900,000 MACs"))
        #expect(try #require(FrontPlot(try ReportFixture.row())).chart.svg() == svg)
    }

    @Test("every mark lies inside the plot, whatever the figures are")
    func inside() throws {
        for limit in [nil, 1_500_000, 3_000_000, 90_000_000] {
            let plot = try #require(FrontPlot(try ReportFixture.row(limit: limit))).chart
            let svg = plot.svg(.embedded)
            let places = svg.matches(of: /<circle class="[\w ]+" cx="([0-9.-]+)" cy="([0-9.-]+)"/)
            // The front's four dots and the held-out accuracy, each with one in the legend.
            #expect(places.count == 4 + 1 + 2)
            for place in places {
                let x = try #require(Double(place.1)), y = try #require(Double(place.2))
                #expect((0...680).contains(x) && (0...400).contains(y), "\(place.0)")
            }
            #expect(svg.contains("further right") == (limit == 90_000_000))
        }
    }

    @Test("a name of markup, quotes and control characters is text everywhere")
    func hostileNames() throws {
        let name = "</title><script>alert(1)</script>\" onload='x' \u{1B}[31m\u{202E}\u{0}&amp;"
        let row = try ReportFixture.row(name: name)
        let svg = try #require(FrontPlot(row)).chart.svg()
        let card = ReportCard(row, source: nil).lines.joined(separator: "\n")
        for markup in [svg, "<main>" + card + "</main>"] {
            let outline = try Outline.of(markup)
            #expect(!outline.elements.contains("script"))
            let shown =
                ##"</title><script>alert(1)</script>" onload='x' \u{1B}[31m\u{202E}\u{0}&amp;"##
            #expect(outline.texts.contains { $0.contains(shown) })
        }
    }

    @Test("a search without a front has no plot")
    func noFront() throws {
        let row = try ReportFixture.row()
        let bare = RunReport.NetworkRow(
            artifact: ArtifactID(rawValue: 7), figures: row.figures, storedBytes: 1, choice: nil,
            front: nil, branch: nil)
        #expect(FrontPlot(bare) == nil)
        #expect(ReportCard(bare, source: nil).lines.contains { $0.contains("<figure>") } == false)
    }

    @Test("a card is well formed, names are made safe, and figures stand beside their differences")
    func card() throws {
        let lines = ReportCard(try ReportFixture.row(latencyMs: 0.4), source: 1).lines
        let outline = try Outline.of(lines.joined(separator: "\n"))
        #expect(outline.elements.first == "section")
        #expect(outline.texts.contains { $0.hasPrefix("watch <b>") })
        let cells = Set(outline.texts)
        // √(0.895 · 0.105 / 10,000) = 0.31 points; √(0.906 · 0.094 / 5,000) = 0.41.
        for cell in [
            "90.80 ± 0.20 %", "89.50 ± 0.31 %", "90.60 ± 0.41 %", "−1.30 points", "−0.20 points",
            "−20.0 %", "3,000,000 MACs", "2,900,000 MACs",
        ] { #expect(cells.contains(cell), "\(cell)") }
        #expect(cells.contains("✓ met"))
    }

    @Test("a card has the device's threads, and says if its table was not measured like that")
    func threads() throws {
        func card(_ row: RunReport.NetworkRow) -> String {
            ReportCard(row, source: 1).lines.joined(separator: "\n")
        }
        let one = try ReportFixture.row(latencyMs: 0.4)
        #expect(card(one).contains("a batch on 1 thread, measured here"))
        #expect(one.tableDifference == nil && !card(one).contains("latency table"))
        var figures = one.figures
        figures.target?.threads = 2
        var row = RunReport.NetworkRow(
            artifact: ArtifactID(rawValue: 7), figures: figures, storedBytes: 1, choice: nil,
            front: nil, branch: nil)
        row.latencyTable = .init(
            ArtifactID(rawValue: 5),
            try JSONDecoder().decode(
                LatencyTableSummary.self, from: Data(#"{"host":"h","threads":2}"#.utf8)))
        #expect(card(row).contains("a batch on 2 threads, measured here"))
        let difference = try #require(row.tableDifference)
        #expect(difference.hasPrefix("its latency table (artifact 5) was measured by an earlier"))
        #expect(card(row).contains("<p class=\"note\">\(ReportText.safe(difference)).</p>"))
        let json = String(decoding: try JSONEncoder().encode(row), as: UTF8.self)
        for field in [
            #""threads":2"#, #""latency_table":5"#, #""latency_table_threads":2"#,
            #""latency_table_is_outdated":true"#,
        ] { #expect(json.contains(field), "\(field)") }
        let bare = String(decoding: try JSONEncoder().encode(one), as: UTF8.self)
        for field in ["latency_table", "latency_table_threads", "latency_table_is_outdated"] {
            #expect(bare.contains("\"\(field)\":null"), "\(field)")
        }
    }

    @Test("a limit that the measurement does not meet is said, though the table met it")
    func notMet() throws {
        var figures = ReportFixture.figures(try ReportFixture.choice())
        figures.target?.limits = Constraints(latencyMsMax: 0.5)
        let slow = NetworkFigures(
            device: figures.device, arch: figures.arch, predictedAccuracy: 0.9, testAccuracy: 0.9,
            latencyMs: 0.6, tableLatencyMs: 0.45, macs: 1, params: 1, flashBytes: 1,
            peakActivationBytes: 1, assumption: "", target: figures.target)
        let limit = try #require(slow.limitRows.first)
        #expect(limit.isMet == false && limit.value == 0.6 && limit.expected == 0.45)
        #expect(ReportPage.verdict(slow).contains("✗ max_latency_ms"))
    }

    @Test(
        "where others have shown how much harder test images are, so much less is expected there, and drawn"
    )
    func expected() throws {
        var figures = ReportFixture.figures(try ReportFixture.choice())
        // 0.895 − 0.906, twice that, and a third in between.
        let others = [0.0, 0.011, 0.0055].map { further in
            var other = figures
            other.heldOutAccuracy = 0.906 + further
            return other
        }
        #expect(TestOffset([figures]) == nil)
        var unmeasured = figures
        unmeasured.heldOutAccuracy = nil
        let offset = try #require(TestOffset(others + [unmeasured]))
        #expect(offset.networks == 3 && abs(offset.mean + 0.0165) < 1e-12)
        // The deviation of the three is 0.0055; that of one more from their mean √(4/3) times that.
        #expect(abs(offset.deviation - 0.0055 * (4.0 / 3).squareRoot()) < 1e-12)
        figures.heldOutAccuracy = nil
        figures.testOffset = offset
        #expect(abs(try #require(figures.expectedTestAccuracy) - 0.8915) < 1e-12)
        #expect(abs(try #require(figures.expectedDifference) - 0.0035) < 1e-12)
        let error = (0.002 * 0.002 + offset.deviation * offset.deviation).squareRoot()
        #expect(abs(try #require(figures.expectedTestError) - error) < 1e-12)
        let row = RunReport.NetworkRow(
            artifact: ArtifactID(rawValue: 7), figures: figures, storedBytes: 1, choice: nil,
            front: try ReportFixture.choice().front, branch: nil)
        let cells = try Outline.of(ReportCard(row, source: 1).lines.joined(separator: "\n")).texts
        #expect(cells.contains("89.15 ± 0.67 %") && cells.contains("+0.35 points"))
        let svg = try #require(FrontPlot(row)).chart.svg()
        #expect(svg.components(separatedBy: "class=\"hollow s1\"").count == 1 + 2)
        #expect(svg.contains("expected on test images: 89.15 ± 0.67 %"))
        #expect(!svg.contains("held-out images"))
    }

    @Test("networks that several stages made for one device are named with their stage")
    func severalSeeds() throws {
        func row(_ stage: String, _ device: String) throws -> RunReport.NetworkRow {
            var row = try ReportFixture.row(name: device)
            row.stage = stage
            return row
        }
        let rows = RunReport.named([
            try row("phone-20", "phone"), try row("phone-21", "phone"), try row("watch", "watch"),
        ])
        #expect(rows.map(\.name) == ["phone (phone-20)", "phone (phone-21)", "watch"])
        #expect(RunReport.named([try row("a", "phone")]).map(\.name) == ["phone"])
    }

    @Test("figures that an older version stored are still read")
    func older() throws {
        let text = """
            {"arch":{"d":[2],"e":[3],"ks":[3],"r":28},"assumption":"a","device":"d","flashBytes":1,"macs":2,\
            "params":3,"peakActivationBytes":4,"predictedAccuracy":0.9,"testAccuracy":0.8}
            """
        let figures = try JSONText.decode(NetworkFigures.self, from: text, what: "test")
        #expect(figures.testError == nil && figures.heldOutDifference == nil)
        #expect(figures.limitRows.isEmpty)
        let difference = try #require(figures.accuracyDifference)
        #expect(abs(difference + 0.1) < 1e-12)
    }
}

@Suite struct ChoiceTests {
    @Test("a network that the front lacks is put in its place, and what it beats goes")
    func including() throws {
        let choice = try ReportFixture.choice()
        let front = try #require(choice.front)
        var better = front.networks[1]
        better.metrics.macs = 1_900_000
        better.predictedAccuracy = 0.91
        let wider = front.including(better)
        #expect(wider.networks.map(\.metrics.macs) == [1_400_000, 1_900_000, 4_100_000])
        #expect(wider.networks.map(\.predictedAccuracy) == [0.89, 0.91, 0.912])
        #expect(front.including(front.networks[2]) == front)
        better.predictedAccuracy = 0.5
        #expect(front.including(better) == front)
    }

    @Test("the front is over the cost that is limited, and its own limit is left aside")
    func axis() {
        let limits = Constraints(latencyMsMax: 2, flashKBMax: 3, macsMax: 4, energyMJMax: 5)
        #expect(limits.frontAxis == .latency)
        #expect(Constraints(macsMax: 4, energyMJMax: 5).frontAxis == .energy)
        #expect(Constraints(flashKBMax: 4).frontAxis == .macs)
        for axis in ParetoFront.Axis.allCases {
            #expect(limits.limit(of: axis) != nil && limits.without(axis).limit(of: axis) == nil)
            #expect(limits.without(axis).flashKBMax == 3)
        }
    }

    @Test("small spaces are searched with less patience, large ones as the search would by itself")
    func effort() throws {
        let usual = EvolutionarySearch.Options()
        let small = EvolutionarySearch.Options(for: .fashion)
        #expect(small.patience < usual.patience && small.frontEvaluations < usual.frontEvaluations)
        let large = try SearchSpace.named("ofa-mbv3-w1.0")
        #expect(EvolutionarySearch.Options(for: large).patience == usual.patience)
    }
}

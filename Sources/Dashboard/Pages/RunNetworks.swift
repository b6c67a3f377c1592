// RunNetworks: what comes out of a run: its networks, and the accuracy of all measured subnets over their costs.

import Artifacts
import Charts
import Foundation
import Intake
import Jobs
import Pipelines
import Postgres

/// The networks of a run, and the subnets that it sampled.
struct RunNetworks {
    /// A network of the run.
    private struct Network {
        let artifact: ArtifactID
        let stage: String?
        let figures: NetworkFigures
    }

    private let run: RunID
    private let networks: [Network]
    private let samples: [SampledSubnets]
    private let fronts: [(name: String, plot: FrontPlot)]
    private let notes: [String]

    /// The most charts of fronts on a page; the report of a run has all.
    private static let mostFronts = 3
    /// The most sampled subnets in the table.
    private static let bestSubnets = 20
    /// The most networks in the table.
    private static let mostNetworks = 200

    /// Reads the networks. The fronts, which are in the search results, are read once the run has ended.
    init(_ page: RunPage) throws {
        let run = page.run.id, connection = page.connection
        self.run = run
        var notes: [String] = [], networks: [Network] = []
        for artifact in try ArtifactStore(connection).list(
            run: run, kind: ArtifactRole.subnet.rawValue)
        {
            try Self.noting(&notes) {
                networks.append(
                    Network(
                        artifact: artifact.id, stage: artifact.producer?.stage,
                        figures: try NetworkFigures(artifact)))
            }
        }
        var samples: [SampledSubnets] = []
        for artifact in try SampledSubnets.artifacts(run: run, over: connection) {
            try Self.noting(&notes) {
                if let found = try SubnetCache.shared.subnets(artifact, connection) {
                    samples.append(found)
                }
            }
        }
        var fronts: [(String, FrontPlot)] = []
        if !page.isRunning, !networks.isEmpty, case .success(let cost) = page.cost {
            try Self.noting(&notes) {
                let report = try RunReport(connection, run: run, factors: cost.stages.factors)
                fronts = report.networks.compactMap { row in
                    FrontPlot(row).map { (row.name, $0) }
                }
            }
        }
        self.networks = networks
        // A stage that goes on after another one holds the subnets of both.
        self.samples = samples.filter { one in
            !samples.contains {
                $0.artifact > one.artifact && $0.subnets.starts(with: one.subnets)
            }
        }
        self.fronts = fronts
        self.notes = notes
    }

    /// Runs `body`; what is damaged or of another version becomes a note. Errors of the database are thrown.
    private static func noting(_ notes: inout [String], _ body: () throws -> Void) throws {
        do { try body() } catch let error as PostgresError { throw error } catch let error
            as any Remedied
        {
            notes.append(error.reason)
        }
    }

    // MARK: Accuracy over cost

    /// The accuracy of sampled subnets and of the chosen networks over their multiply-accumulates, and the fronts.
    var accuracy: HTML {
        guard !samples.isEmpty || !networks.isEmpty else { return .empty }
        let shown = fronts.prefix(Self.mostFronts)
        let charts = shown.enumerated().map { place, front in
            HTML.joined([
                "<h3>\(front.name)</h3>\n", HTML.chart(front.plot.chart, id: "front-\(place)"),
                RunFigures.details(
                    "This front as a table", id: "front-\(place)-table",
                    Parts.table(
                        "Networks of the front for \(front.name), cheapest first",
                        [.number("Cost"), .number("Predicted accuracy")],
                        front.plot.rows.prefix(Self.mostNetworks).map {
                            ["\($0.cost)", "\($0.accuracy)"]
                        })),
            ])
        }
        var lines = notes.prefix(5).map { "Left out: \($0)." }
        if fronts.count > shown.count {
            lines.append("\(fronts.count - shown.count) more fronts are in the report of this run.")
        }
        for one in samples {
            let shares = one.subnets.map(\.accuracy)
            lines.append(
                "\(one.stage ?? "artifact \(one.artifact)"): \(RunFigures.count(one.subnets.count, "subnet")) measured on \(RunFigures.count(one.images, "held-out image"))\(one.areEightBits ? " in eight bits" : ""), top-1 from \(RunFigures.percent(shares.min())) to \(RunFigures.percent(shares.max()))."
            )
        }
        return Parts.section(
            "Accuracy over cost", id: "accuracy", HTML.chart(scatter, id: "subnets"), best,
            HTML.joined(charts), HTML.joined(lines.map { RunFigures.note($0) }))
    }

    /// The most accurate sampled subnets as a table.
    private var best: HTML {
        guard !samples.isEmpty else { return .empty }
        let all = samples.flatMap(\.subnets).sorted {
            ($1.accuracy, $0.macs) < ($0.accuracy, $1.macs)
        }
        return RunFigures.details(
            "The \(min(all.count, Self.bestSubnets)) most accurate subnets as a table",
            id: "subnets-table",
            Parts.table(
                "The most accurate sampled subnets",
                [.number("Accuracy"), .number("MACs"), .text("Subnet")],
                all.prefix(Self.bestSubnets).map {
                    [
                        "\(RunFigures.percent($0.accuracy))", "\(ReportText.grouped($0.macs))",
                        "\($0.words)",
                    ]
                }))
    }

    private var scatter: ScatterChart {
        let dots = samples.enumerated().map { place, one in
            ScatterChart.Series(
                "sampled" + (samples.count > 1 ? " by \(one.stage ?? "\(one.artifact)")" : ""),
                one.subnets.map { subnet in
                    ScatterChart.Point(
                        x: Double(subnet.macs) / 1e6, y: 100 * subnet.accuracy,
                        tip:
                            "\(RunFigures.percent(subnet.accuracy)), \(ReportText.grouped(subnet.macs)) MACs: \(subnet.words)"
                    )
                }, colour: place == 0 ? 0 : 3 + place)
        }
        func marks(
            _ name: String, _ colour: Int, _ shape: ChartShape,
            _ value: (NetworkFigures) -> (share: Double, error: Double?)?
        ) -> ScatterChart.Series {
            ScatterChart.Series(
                name,
                networks.compactMap { network in
                    value(network.figures).map { share, error in
                        ScatterChart.Point(
                            x: Double(network.figures.macs) / 1e6, y: 100 * share,
                            deviation: error.map { 100 * $0 },
                            tip:
                                "\(network.figures.label): \(name), \(RunFigures.percent(share, error: error)), \(ReportText.grouped(network.figures.macs)) MACs"
                        )
                    }
                }, look: .mark, colour: colour, shape: shape)
        }
        return ScatterChart(
            title: "Top-1 accuracy over multiply-accumulates",
            xCaption: "multiply-accumulates of one image, millions",
            yCaption: "top-1 accuracy, %",
            series: dots + [
                marks("networks, held-out images", 2, .circle) { figures in
                    figures.heldOutAccuracy.map { ($0, figures.heldOutError) }
                },
                marks("networks, test images", 3, .square) {
                    ($0.testAccuracy, $0.testError)
                },
            ])
    }

    // MARK: The table

    /// The networks with their predicted and measured figures.
    var table: HTML {
        guard !networks.isEmpty else { return .empty }
        let counts = Dictionary(grouping: networks, by: \.figures.label).mapValues(\.count)
        let rows = networks.prefix(Self.mostNetworks).map { network -> [HTML] in
            let figures = network.figures
            let isOneOfSeveral = counts[figures.label, default: 0] > 1
            let name =
                figures.label + (isOneOfSeveral ? network.stage.map { " (\($0))" } ?? "" : "")
            return [
                Parts.link(name, HTML.path("artifacts", "\(network.artifact)")),
                "\(RunFigures.percent(figures.predictedAccuracy, error: figures.accuracyUncertainty))",
                "\(RunFigures.percent(figures.heldOutAccuracy, error: figures.heldOutError))",
                "\(RunFigures.percent(figures.testAccuracy, error: figures.testError))",
                "\(figures.tableLatencyMs.map { "\(RunFigures.number($0)) ms" })",
                "\(figures.latencyMs.map { "\(RunFigures.number($0)) ms" })",
                "\(ReportText.grouped(figures.macs))", "\(RunFigures.bytes(figures.flashBytes))",
                Self.verdict(figures),
            ]
        }
        return Parts.section(
            "Networks", id: "networks",
            Parts.table(
                "Networks of the run, in the order in which they were made",
                [
                    .text("Network"), .number("Predicted"), .number("Held-out images"),
                    .number("Test images"), .number("Latency by table"),
                    .number("Latency measured"), .number("MACs"), .number("Flash"),
                    .text("Limits"),
                ], Array(rows)),
            networks.count > Self.mostNetworks
                ? RunFigures.note(
                    "\(networks.count - Self.mostNetworks) more are not shown: ofa report \(run) lists all."
                )
                : .empty,
            RunFigures.note(
                "Accuracies are top-1 with their standard errors. Predictions are for held-out images."
            ))
    }

    private static func verdict(_ figures: NetworkFigures) -> HTML {
        let rows = figures.limitRows
        guard !rows.isEmpty else { return "<span class=\"none\">none</span>" }
        let missed = rows.filter { $0.isMet == false }
        let unknown = rows.filter { $0.isMet == nil }
        if !missed.isEmpty {
            let names = missed.map(\.name).joined(separator: ", ")
            return "<span class=\"bad\">✗ exceeds \(names)</span>"
        }
        return unknown.isEmpty
            ? "<span class=\"good\">✓ met</span>"
            : "<span class=\"waiting\">\(unknown.map(\.name).joined(separator: ", ")) unknown</span>"
    }
}

// A run's report as one self-contained HTML file, without scripts, fonts or external images, so
// that it can be mailed and archived.

import Accounting
import Charts
import Devices
import Foundation
import Intake
import Jobs
import Networks

/// A run's report as an HTML page.
public struct ReportPage: Sendable {
    private let report: RunReport
    private let madeAt: Date

    /// Makes the page of `report`; `madeAt` is the time that the page states.
    public init(_ report: RunReport, madeAt: Date = Date()) {
        self.report = report
        self.madeAt = madeAt
    }

    /// The whole document.
    public var html: String {
        let names = report.networks.map(\.name)
        let title =
            names.isEmpty
            ? "Run \(report.run.id) \(report.run.name)" : "Networks for " + Self.list(names)
        var lines = [
            "<!doctype html>", "<html lang=\"en\">", "<head>", "<meta charset=\"utf-8\">",
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            "<title>\(ReportText.safe(title))</title>",
            "<style>\(ReportStyle.css)\n\(Charts.stylesheet)</style>",
            "</head>", "<body>", "<main>", "<header>", "<h1>\(ReportText.safe(title))</h1>",
            "<p class=\"lead\">\(lead)</p>", "</header>",
        ]
        lines += problems
        if report.networks.count > 1 { lines += overview }
        for row in report.networks { lines += ReportCard(row, source: report.source).lines }
        lines += ends + comparison + savings + classes + costs + ["</main>", "</body>", "</html>"]
        return lines.joined(separator: "\n") + "\n"
    }

    private var lead: String {
        var parts = ["Run \(report.run.id), <b>\(ReportText.safe(report.run.name))</b>"]
        if let source = report.source {
            let isTuned = report.networks.contains { $0.figures.fineTuning != nil }
            parts.append(
                "cut from the supernet of run \(source)" + (isTuned ? "" : ", without training"))
        }
        parts.append("as of \(madeAt.formatted(.iso8601))")
        return parts.joined(separator: ", ") + "."
    }

    private var problems: [String] {
        let failed = report.problems.filter { $0.state == .failed }
        guard !failed.isEmpty || !report.unreadable.isEmpty else { return [] }
        return ["<section class=\"problem\">", "<h2>Failed stages</h2>", "<ul>"]
            + failed.map {
                "<li><b>\(ReportText.safe($0.stage))</b>: \(ReportText.safe($0.reason))</li>"
            }
            + report.unreadable.map {
                let text = Remedy.joined($0.reason, $0.remedy)
                return "<li>a front is omitted: \(ReportText.safe(text))</li>"
            } + ["</ul>", "</section>"]
    }

    /// The networks of all devices in one table.
    private var overview: [String] {
        let latencies = ReportText.column(report.networks.map(\.figures.latencyMs), unit: "ms")
        let energies = Self.joules(report.networks.map { $0.branch?.cost.energy.microjoules })
        let rows = report.networks.enumerated().map { place, row -> [String] in
            let figures = row.figures
            return [
                "<a href=\"#network-\(row.artifact)\">\(ReportText.safe(row.name))</a>",
                figures.predictedAccuracy.map { ReportText.percent($0) } ?? "",
                ReportText.percent(figures.testAccuracy), String(figures.bits),
                latencies[place],
                ReportText.grouped(figures.macs), ReportText.bytes(figures.flashBytes),
                Self.verdict(figures),
                energies[place],
            ]
        }
        return ["<section>", "<h2>All devices</h2>"]
            + Self.table(
                [
                    "Device", "Predicted", "Test images", "Bits", "Latency", "MACs", "Flash",
                    "Limits", "Energy",
                ], rows) + ["</section>"]
    }

    /// The largest and smallest networks of supernets, if the run measured them.
    private var ends: [String] {
        let rows = report.ends.map { name, row in
            [
                ReportText.safe(name), ReportText.percent(row.figures.testAccuracy),
                ReportText.grouped(row.figures.macs), ReportText.grouped(row.figures.params),
            ]
        }
        guard !rows.isEmpty else { return [] }
        return ["<section>", "<h2>The ends of the supernet</h2>"]
            + Self.table(["Network", "Test images", "MACs", "Parameters"], rows) + ["</section>"]
    }

    /// Returns tables with their titles and notes.
    private static func shown(_ tables: [ArmComparison.Table]) -> [String] {
        tables.flatMap { table in
            ["<h3>\(ReportText.safe(table.title))</h3>"]
                + Self.table(
                    table.head.map { ReportText.safe($0) },
                    table.rows.map { $0.map { ReportText.safe($0) } })
                + ["<p class=\"note\">\(ReportText.safe(table.note))</p>"]
        }
    }

    /// The tables and the plot of what one supernet saved.
    private var savings: [String] {
        guard let savings = report.savings else { return [] }
        let plots = [FrontPlot.Size.wide, .narrow].compactMap { SavingsPlot(savings, $0)?.svg }
        return ["<section>", "<h2>What one supernet saved</h2>"] + Self.shown(savings.tables)
            + (plots.isEmpty ? [] : ["<figure>"] + plots + ["</figure>"]) + ["</section>"]
    }

    /// The table and the plot of the run's ways of training.
    private var comparison: [String] {
        guard let comparison = report.comparison else { return [] }
        return ["<section>", "<h2>Ways of training</h2>"] + Self.shown(comparison.tables)
            + ["<figure>", ArmsPlot(comparison).chart.pair(), "</figure>", "</section>"]
    }

    /// The names of the classes, in the order of the network's outputs.
    private var classes: [String] {
        let rows = report.networks + report.ends.map(\.row)
        guard let names = rows.compactMap({ $0.figures.classNames }).first else { return [] }
        let most = 200
        let listed = names.prefix(most).map { ReportText.safe($0) }.joined(separator: ", ")
        return [
            "<section>", "<h2>\(names.count) classes</h2>",
            "<p>\(listed)\(names.count > most ? ", …" : "")</p>", "</section>",
        ]
    }

    private var costs: [String] {
        let total = report.cost.total
        let all = report.cost.rows + [total]
        let energies = Self.joules(all.map { $0.isKnown ? $0.energy.microjoules : nil })
        let shares = ReportText.column(
            all.map { $0.share(of: total.energy.microjoules).map { 100 * $0 } }, unit: "%")
        let grams = ReportText.column(all.map(\.knownGrams), unit: "g")
        let rows = all.enumerated().map { place, row in
            [
                ReportText.safe(row.label), "\(row.attempts)",
                ReportText.duration(Double(row.wallNs) / 1e9),
                energies[place].isEmpty ? "not metered" : energies[place], shares[place],
                grams[place].isEmpty ? "unknown" : grams[place],
            ]
        }
        let zones = report.cost.zones.joined(separator: ", ")
        return ["<section>", "<h2>What it cost</h2>"]
            + Self.table(["Stage", "Attempts", "Time", "Energy", "Share", "CO₂e"], rows)
            + [
                "<p class=\"note\">IT energy, between \(Self.joules(total.energy.low)) and"
                    + " \(Self.joules(total.energy.high)) (\(ReportText.safe(total.methods.joined(separator: "; "))));"
                    + " CO₂e with factor set \(report.cost.factors.version), zone \(ReportText.safe(zones))."
                    + " <code>ofa cost explain \(report.run.id)</code> shows every formula and source.</p>",
                "</section>",
            ]
    }

    // MARK: Pieces

    /// Returns names as a list in a sentence.
    private static func list(_ names: [String]) -> String {
        guard let last = names.last, names.count > 1 else { return names.first ?? "" }
        return names.dropLast().joined(separator: ", ") + " and " + last
    }

    /// Formats energy in joules or kilojoules.
    static func joules(_ microjoules: Int64) -> String {
        let joules = Double(microjoules) / 1e6
        return joules < 10_000
            ? ReportText.decimal(joules, 1) + " J" : ReportText.decimal(joules / 1000, 1) + " kJ"
    }

    /// Formats the energies of one column, all in joules or all in kilojoules.
    static func joules(_ microjoules: [Int64?]) -> [String] {
        let joules = microjoules.map { $0.map { Double($0) / 1e6 } }
        let isLarge = joules.compactMap(\.self).contains { $0 >= 10_000 }
        return ReportText.column(
            joules.map { $0.map { isLarge ? $0 / 1000 : $0 } }, unit: isLarge ? "kJ" : "J")
    }

    /// Returns a mark that shows whether the limits are met; it is coloured, but readable without colour.
    static func verdict(_ figures: NetworkFigures) -> String {
        let rows = figures.limitRows
        guard !rows.isEmpty else { return "<span class=\"none\">no limits</span>" }
        let missed = rows.filter { $0.isMet == false }
        return missed.isEmpty
            ? "<span class=\"good\">✓ met</span>"
            : "<span class=\"bad\">✗ \(missed.map { ReportText.safe($0.name) }.joined(separator: ", "))</span>"
    }

    /// Returns a table. Cells are markup; the style sheet aligns all columns but the first to the right. Each cell has
    /// its column's title as an attribute, because narrow screens show a row as a block of lines without the table's
    /// head.
    static func table(_ head: [String], _ rows: [[String]]) -> [String] {
        let titles = head.map { "<th scope=\"col\">\($0)</th>" }.joined()
        let body = rows.map { row in
            "<tr>"
                + zip(head, row).map { title, cell in
                    "<td data-label=\"\(ReportText.safe(title))\">\(cell)</td>"
                }.joined() + "</tr>"
        }
        return [
            "<div class=\"scroll\"><table>", "<thead><tr>\(titles)</tr></thead>", "<tbody>",
        ] + body + ["</tbody>", "</table></div>"]
    }
}

// CostView: the page of costs: their sum, and the sums by day, machine, kind of stage, device, pipeline, zone, stage or run.

import Accounting
import Charts
import Foundation
import Intake
import Jobs
import Metering
import Pipelines
import Postgres

/// The page of costs.
struct CostView {
    private let report: CostReport
    private let budgets: [EnergyBudget]
    private let savings: [RunID]
    private let since: String?

    /// The groupings that the page offers. Attempts are listed by their run.
    private static let groupings: [(name: String, grouping: CostGrouping)] = [
        ("day", .day), ("host", .host), ("stage kind", .kind), ("device", .device),
        ("pipeline", .pipeline), ("zone", .zone), ("stage", .stage), ("run", .run),
    ]
    /// The most bars of a chart, and rows of the table.
    private static let mostBars = 40, mostRows = 200

    /// Reads the costs that the query's `by` and `since` ask for; by default by day, without limit. Errors: `notFound` for an
    /// unknown grouping or a text that is no day.
    init(_ request: PageRequest, _ connection: Connection) throws {
        let by = request.query["by"] ?? CostGrouping.day.rawValue
        guard let grouping = Self.groupings.first(where: { $0.grouping.rawValue == by })?.grouping
        else {
            throw DashboardError(
                .notFound, "costs are not summed by '\(Shown.excerpt(by))'",
                remedy: "the links of the page of costs lead to all sums")
        }
        let given = request.query["since"].flatMap { $0.isEmpty ? nil : $0 }
        var day: Date?
        if let given {
            do throws(InputFault) { day = try MomentText.read(given, orDay: true) } catch {
                throw DashboardError(
                    .notFound, "since \(error.reason)", remedy: error.remedy)
            }
        }
        since = given
        report = try CostLedger(connection).report(
            by: grouping, since: day, factors: try FactorSet.load(connection))
        budgets = try JobQueue(connection).budgets()
        savings = try SupernetSavings.candidates(connection)
    }

    /// Returns the page.
    func page() -> Page {
        Page(
            "Cost",
            body: """
                \(Parts.section("Total", id: "total", choices, tiles, notes))\
                \(Parts.section("By \(name)", id: "sums", chart, table, more))\
                \(budgetSection)\
                \(Parts.section("Networks", id: "networks", networks))\
                \(Parts.section("What the figures mean", id: "meaning", meaning))
                """)
    }

    private var name: String {
        Self.groupings.first { $0.grouping == report.grouping }?.name ?? report.grouping.rawValue
    }

    private func address(_ grouping: CostGrouping, since: String?) -> String {
        "/cost?by=\(grouping.rawValue)" + (since.map { "&since=\(HTML.encoded($0))" } ?? "")
    }

    private var choices: HTML {
        let style = Date.ISO8601FormatStyle(timeZone: .gmt).year().month().day()
        let periods =
            [("the beginning", nil)]
            + [90, 30, 7].map { days in
                let day = Date().addingTimeInterval(-86_400 * Double(days)).formatted(style)
                return ("\(days) days ago", Optional(day))
            }
        let isOther = since != nil && !periods.contains { $0.1 == since }
        return """
            \(PageParts.choices(
                "Summed by",
                Self.groupings.map {
                    ($0.name, address($0.grouping, since: since), $0.grouping == report.grouping)
                }))\
            \(PageParts.choices(
                "Since",
                periods.map { ($0.0, address(report.grouping, since: $0.1), $0.1 == since) }
                    + (isOther ? [(since ?? "", address(report.grouping, since: since), true)] : [])))
            """
    }

    // MARK: Total

    private var tiles: HTML {
        let total = report.total
        guard total.attempts > 0 else { return PageParts.note("No attempt has ended yet.") }
        var tiles: [(name: String, value: HTML)] = [
            (
                "energy of IT equipment",
                "\(total.isKnown ? CostParts.energy(total.energy.microjoules) : "unknown")"
            ),
            (
                "CO2e of that energy",
                "\(total.isCarbonKnown ? ReportText.amount(total.grams) + " g" : "unknown")"
            ),
            ("attempts", "\(ReportText.grouped(total.attempts))"),
            ("time of attempts", "\(Parts.duration(Double(total.wallNs) / 1e9))"),
        ]
        for (currency, money) in total.figures.money.sorted(by: { $0.key < $1.key }) {
            tiles.append(("money", "\(ReportText.amount(money.value)) \(currency)"))
        }
        return Parts.tiles(tiles)
    }

    private var notes: HTML {
        let total = report.total, figures = total.figures
        guard total.attempts > 0 else { return .empty }
        let money = figures.money.sorted { $0.key < $1.key }.map {
            CostParts.amount($0.value, $0.key)
        }
        let sci =
            report.sciGramsPerTarget.map {
                "\(ReportText.amount($0)) g CO2e for each of \(report.targets ?? 0) device targets"
            } ?? "unknown"
        let pue = report.pue
        let facts = Parts.list([
            ("energy", CostParts.energy(total)), ("CO2e", CostParts.grams(total)),
            ("money", money.isEmpty ? "unknown" : HTML.joined(money, separator: "; ")),
            ("water", CostParts.amount(figures.water, "litres")),
            (
                "embodied CO2e", CostParts.amount(figures.embodied, "g")
            ), ("software carbon intensity", "\(sci)"),
            (
                "factors",
                """
                set \(report.factors.version), intensities \(report.factors.basis.description), PUE \
                \(ReportText.amount(pue.interval.value))\(pue.isStated ? " as stated of the machines" : ""), zones \
                \(report.zones.isEmpty ? "none" : report.zones.joined(separator: ", "))
                """
            ),
        ])
        return HTML.joined([facts] + missing.map(PageParts.note))
    }

    /// What is missing in the sums, in sentences.
    private var missing: [String] {
        let total = report.total, figures = total.figures
        func time(_ ns: Int64) -> String { Parts.duration(Double(ns) / 1e9) }
        var lines: [String] = []
        if total.notCompleted > 0 {
            lines.append("\(total.notCompleted) attempts did not complete; they are charged too.")
        }
        if total.gaps > 0 {
            lines.append(
                "\(total.gaps) attempts were not metered: their energy is missing, not zero.")
        }
        if total.gapNs > 0 {
            lines.append("The energy of \(time(total.gapNs)) of attempts is missing, not zero.")
        }
        if figures.carbonMissingUj > 0 {
            lines.append(
                "\(CostParts.energy(figures.carbonMissingUj)) have no carbon intensity: their carbon is missing, not zero."
            )
        }
        if figures.standInUj > 0 {
            lines.append(
                "\(CostParts.energy(figures.standInUj)) are of hours that the series of their zone lacks: the zone's value of a longer period stands in."
            )
        }
        if figures.water != nil, figures.waterMissingUj > 0 {
            lines.append(
                "\(CostParts.energy(figures.waterMissingUj)) have no WUE: their water is missing.")
        }
        if !figures.money.isEmpty, figures.moneyMissingNs > 0 {
            lines.append("The price of \(time(figures.moneyMissingNs)) of attempts is missing.")
        }
        if figures.embodied != nil, figures.embodiedMissingNs > 0 {
            lines.append(
                "The embodied carbon of \(time(figures.embodiedMissingNs)) of attempts is missing.")
        }
        return lines
    }

    // MARK: Sums

    /// The rows in the order in which they are shown, at most `most`; the others are one row. Days and runs: the newest
    /// first; others: those with the most energy first.
    private func rows(most: Int) -> [CostRow] {
        let isByTime = [.day, .run].contains(report.grouping)
        let rows =
            isByTime
            ? Array(report.rows.reversed())
            : report.rows.sorted { $0.energy.microjoules > $1.energy.microjoules }
        guard rows.count > most else { return rows }
        let others = rows.count - most + 1
        return rows.prefix(most - 1) + [
            CostRow.sum(
                Array(rows.dropFirst(most - 1)),
                label: "\(others) \(isByTime ? "earlier" : "others")")
        ]
    }

    private var chart: HTML {
        let rows = rows(most: Self.mostBars)
        guard !rows.isEmpty else { return .empty }
        let largest = rows.map { Double($0.energy.high) / 1e6 }.max() ?? 0
        let (unit, size) =
            largest < 1e4 ? ("J", 1.0) : largest < 3.6e7 ? ("kJ", 1e3) : ("kWh", 3.6e6)
        func scaled(_ microjoules: Int64) -> Double { Double(microjoules) / 1e6 / size }
        let bars = rows.map { row in
            BarChart.Bar(
                row.label, [row.isKnown ? scaled(row.energy.microjoules) : nil],
                text: row.isKnown ? CostParts.energy(row.energy.microjoules) : "unknown",
                low: row.isKnown ? scaled(row.energy.low) : nil,
                high: row.isKnown ? scaled(row.energy.high) : nil,
                tip: tip(row), href: Self.path(row.label, report.grouping))
        }
        return HTML.chart(
            BarChart(
                title: "Energy by \(name)", caption: "energy of IT equipment, \(unit)", bars: bars),
            id: "sums-chart")
    }

    private func tip(_ row: CostRow) -> String {
        guard row.isKnown else { return "\(row.label): not metered" }
        let range =
            "\(CostParts.energy(row.energy.low)) to \(CostParts.energy(row.energy.high))"
        let grams = row.isCarbonKnown ? ReportText.amount(row.grams) + " g CO2e" : "CO2e unknown"
        return "\(row.label): \(CostParts.energy(row.energy.microjoules)), \(range); \(grams)"
    }

    /// The page of what a row is about; nil if it has none.
    private static func path(_ label: String, _ grouping: CostGrouping) -> String? {
        switch grouping {
        case .run: Int64(label).map { HTML.path("runs", "\($0)") }
        case .device:
            label.hasPrefix("(") || label.hasSuffix(" others") ? nil : HTML.path("devices", label)
        default: nil
        }
    }

    private var table: HTML {
        let rows = rows(most: Self.mostRows), total = report.total
        let figures = (rows + [total]).map(\.figures)
        let hasWater = figures.contains { $0.water != nil }
        let hasEmbodied = figures.contains { $0.embodied != nil }
        let currencies = Set(figures.flatMap(\.money.keys)).sorted()
        var columns: [Parts.Column] = [
            .text(name.prefix(1).uppercased() + name.dropFirst()), .number("Attempts"),
            .number("Time"), .number("Energy"), .number("Share"), .number("CO2e"),
        ]
        columns += currencies.map { .number($0) }
        if hasWater { columns.append(.number("Water")) }
        if hasEmbodied { columns.append(.number("Embodied CO2e")) }
        columns.append(.text("Tier"))
        func cells(_ row: CostRow) -> [HTML] {
            var cells: [HTML] = [
                Self.path(row.label, report.grouping).map { Parts.link(row.label, $0) }
                    ?? "\(row.label)",
                "\(ReportText.grouped(row.attempts))",
                "\(Parts.duration(Double(row.wallNs) / 1e9))", CostParts.energy(row),
                "\(row.share(of: total.energy.microjoules).map { PageParts.percent($0, 1) } ?? "–")",
                CostParts.grams(row),
            ]
            cells += currencies.map { CostParts.amount(row.figures.money[$0], $0) }
            if hasWater { cells.append(CostParts.amount(row.figures.water, "l")) }
            if hasEmbodied { cells.append(CostParts.amount(row.figures.embodied, "g")) }
            cells.append("\(row.tier?.rawValue ?? "–")")
            return cells
        }
        return Parts.table(
            "Costs by \(name)", columns,
            rows.map(cells) + (rows.count > 1 ? [cells(total)] : []),
            none: "No costs are recorded\(since == nil ? "" : " since that day").")
    }

    private var more: HTML {
        let isCut = report.rows.count > Self.mostRows
        return PageParts.note(
            "In brackets: the interval that meters, models and factors leave."
                + (isCut
                    ? " \(ReportText.grouped(report.rows.count)) rows in all; ofa cost --by \(report.grouping.rawValue) --csv lists them."
                    : ""))
    }

    // MARK: Budgets and networks

    private var budgetSection: HTML {
        let limits = budgets.flatMap(BudgetLimit.all)
        guard !limits.isEmpty else { return .empty }
        let bars = limits.map { limit in
            BarChart.Bar(
                "\(limit.subject), \(limit.measure)",
                [limit.share.map { 100 * $0 }], text: limit.text, limit: 100)
        }
        let rows = limits.map { limit -> [HTML] in
            [
                limit.run.map { Parts.link(limit.subject, HTML.path("runs", "\($0)")) }
                    ?? "\(limit.subject)",
                "\(limit.measure)", "\(limit.used)", "\(limit.most)",
                "\(limit.share.map { PageParts.percent($0, 1) } ?? "unknown")",
                "\(limit.isSoft ? "warn" : "hold")", "\(limit.reason)",
            ]
        }
        return Parts.section(
            "Budgets", id: "budgets",
            HTML.chart(
                BarChart(
                    title: "Budgets", caption: "used of the limit at the last check, %",
                    bars: Array(bars.prefix(Self.mostBars))), id: "budgets-chart"),
            Parts.table(
                "Budgets in force with what was used at the last check",
                [
                    .text("Limits"), .text("Measure"), .number("Used"), .number("At most"),
                    .number("Share"), .text("Then"), .text("Reached"),
                ], rows))
    }

    private var networks: HTML {
        let links = savings.map {
            Parts.link("run \($0)", HTML.path("cost", "savings", "\($0)"))
        }
        let measured: HTML =
            links.isEmpty
            ? .empty
            : """
            <p>Measured against networks trained alone: \(HTML.joined(links, separator: ", ")).</p>

            """
        return """
            <p>\(Parts.link("What each device's network cost", "/cost/networks"))</p>
            \(measured)
            """
    }

    private var meaning: HTML {
        let tiers = ["A", "B", "C", "M", "K", "U"].map { "<li>\(CostParts.words($0))</li>" as HTML }
        let methods = report.total.methods
        return """
            <p>A row is the sum of attempts, failed ones included. Energy is that of the IT equipment, without the overhead of \
            the building (PUE); CO2e is that energy × PUE × the carbon intensity of its zone and hour. The tier is that of the \
            worst measured part:</p>
            <ul>\(tiers)</ul>
            \(methods.isEmpty ? .empty : "<p>Methods here: \(methods.joined(separator: ", ")).</p>")
            <p class="note">ofa cost explain shows every formula, factor and source.</p>

            """
    }
}

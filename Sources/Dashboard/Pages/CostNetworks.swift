// CostNetworks: what each device's network cost: its own stages beside the run that trained the supernet, and its part of what
// several networks share. CostSavings has what a supernet saved, where that was measured.

import Accounting
import Charts
import Foundation
import Jobs
import Pipelines
import Postgres

/// The page of the costs of devices' networks.
enum CostNetworks {
    /// The most networks of a table, and bars of a chart.
    private static let mostRows = 200, mostBars = 30

    /// Shows the branches of the newest 100 runs with devices, and all costs divided over the networks.
    static func page(_ request: PageRequest, _ connection: Connection) throws -> Page {
        let ledger = CostLedger(connection), factors = try FactorSet.load(connection)
        let branches = try ledger.branches(factors: factors)
        return Page(
            "What networks cost", trail: [("Cost", "/cost")],
            body: """
                \(Parts.section("Beside the supernet", id: "branches", table(branches)))\
                \(Parts.section(
                    "With a part of what is shared", id: "amortised",
                    amortised(try ledger.amortised(runs: nil, factors: factors))))
                """)
    }

    private static func table(_ branches: [BranchCost]) -> HTML {
        let rows = branches.reversed().prefix(mostRows).map { branch -> [HTML] in
            [
                Parts.link(branch.device, HTML.path("devices", branch.device)),
                Parts.link("\(branch.run)", HTML.path("runs", "\(branch.run)")),
                branch.source.map { Parts.link("\($0)", HTML.path("runs", "\($0)")) } ?? .empty,
                "\(Parts.duration(Double(branch.cost.wallNs) / 1e9))",
                CostParts.energy(branch.cost), CostParts.grams(branch.cost),
                "\(branch.share.map { PageParts.percent($0) } ?? "unknown")",
            ]
        }
        return """
            <p>The stages of one device alone: measuring, search, cut and calibration. The share is of the energy of the run that \
            trained the supernet.</p>
            \(Parts.table(
                "Cost of each device's stages, newest run first",
                [
                    .text("Device"), .number("Run"), .number("Cut from run"), .number("Time"),
                    .number("Energy"), .number("CO2e"), .number("Share of that run"),
                ], rows, none: "No run has specialised for a device yet."))
            """
    }

    private static func amortised(_ costs: AmortisedCosts) -> HTML {
        let newest = costs.targets.sorted { $0.network.artifact > $1.network.artifact }
        let bars = newest.prefix(mostBars).map { share in
            let own = share.own.isKnown ? Double(share.own.energy.microjoules) / 1e9 : nil
            let all = share.cost.isKnown ? Double(share.cost.energy.microjoules) / 1e9 : nil
            return BarChart.Bar(
                "\(share.network.device) #\(share.network.artifact)",
                [own ?? 0, all.map { $0 - (own ?? 0) }],
                text: all == nil ? "unknown" : CostParts.energy(share.cost.energy.microjoules),
                low: all == nil ? nil : Double(share.cost.energy.low) / 1e9,
                high: all == nil ? nil : Double(share.cost.energy.high) / 1e9,
                href: HTML.path("artifacts", "\(share.network.artifact)"))
        }
        let rows = newest.prefix(mostRows).map { share -> [HTML] in
            [
                Parts.link(
                    "\(share.network.artifact)",
                    HTML.path("artifacts", "\(share.network.artifact)")),
                Parts.link(share.network.device, HTML.path("devices", share.network.device)),
                Parts.link("\(share.network.run)", HTML.path("runs", "\(share.network.run)")),
                energy(share.cost), energy(share.own), grams(share.cost),
            ]
        }
        return """
            <p>The cost of every stage, divided in equal parts over the networks for devices that descend from it. With every \
            further network the part of each falls. Failed attempts, and stages from which no network descends, are charged to \
            none: \(energy(costs.unallocatedCost)) of \(energy(costs.total)).</p>
            \(bars.isEmpty
                ? .empty
                : HTML.chart(
                    BarChart(
                        title: "Energy of networks", caption: "energy of IT equipment, kJ",
                        parts: ["its own stages", "its part of shared stages"], bars: bars),
                    id: "amortised-chart"))\
            \(Parts.table(
                "Cost of each network with its part of shared stages, newest first",
                [
                    .number("Network"), .text("Device"), .number("Run"), .number("Energy"),
                    .number("Of it its own"), .number("CO2e"),
                ], rows, none: "No network was cut for a device yet."))\
            \(newest.count > mostRows
                ? PageParts.note(
                    "Only the newest \(mostRows) of \(newest.count) networks are listed; ofa cost amortise --csv lists all.")
                : .empty)
            """
    }

    private static func energy(_ cost: CostSum) -> HTML {
        cost.isKnown ? "\(CostParts.energy(cost.energy.microjoules))" : "unknown"
    }

    private static func grams(_ cost: CostSum) -> HTML {
        let isKnown = cost.isKnown && cost.carbonMissingUj < max(cost.energy.microjoules, 1)
        return isKnown ? "\(ReportText.amount(cost.grams.value)) g" : "unknown"
    }
}

/// The page of what a supernet saved.
enum CostSavings {
    /// Shows the savings that a run measured. Errors: `notFound` for a run that measured none.
    static func page(_ request: PageRequest, _ connection: Connection) throws -> Page {
        let number = try request.number()
        let report = try RunReport(
            connection, run: try JobQueue(connection).run(number).id,
            factors: try FactorSet.load(connection))
        guard let savings = report.savings else {
            throw DashboardError(
                .notFound,
                "run \(number) has no networks that were trained alone beside those cut from its supernet",
                remedy: "ofa run pipelines/measured-savings.yaml makes both")
        }
        let plot = SavingsPlot(savings).map { HTML.chart($0.chart, id: "savings-chart") }
        let tables = savings.tables.enumerated().map { place, table -> HTML in
            let columns = table.head.enumerated().map { column, name -> Parts.Column in
                column == 0 ? .text(name) : .number(name)
            }
            return Parts.section(
                table.title, id: "savings-\(place)",
                Parts.table(
                    table.title, columns, table.rows.map { $0.map { cell -> HTML in "\(cell)" } }),
                PageParts.note(table.note))
        }
        return Page(
            "What the supernet of run \(number) saved", trail: [("Cost", "/cost")],
            body: """
                \(Parts.section(
                    "Over the number of devices", id: "savings",
                    "<p>\(Parts.link("Run \(number)", HTML.path("runs", "\(number)")))</p>\n",
                    plot ?? PageParts.note("Energy and time are unknown.")))\
                \(tables)
                """)
    }
}

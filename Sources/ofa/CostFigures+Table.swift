// The columns of water, money and embodied carbon of `ofa cost`, the notes about them, and the rows behind the sums.

import Accounting
import Foundation
import Intake
import Pipelines

/// The columns for figures of which something is known.
struct FigureColumns {
    /// The columns, and for each row their cells.
    let columns: [Table.Column]
    /// The cells of each row.
    let cells: [[String]]

    /// Takes the rows of a table, the sum last.
    init(_ rows: [CostRow]) {
        let figures = rows.map(\.figures)
        var columns: [Table.Column] = []
        var cells = [[String]](repeating: [], count: rows.count)
        func add(_ title: String, _ values: [CostAmount?]) {
            guard values.contains(where: { $0 != nil }) else { return }
            columns += [.number(title, .medium), .number("RANGE", .low)]
            let texts = ReportText.column(
                values.map { $0?.value } + values.map { $0?.low } + values.map { $0?.high })
            for place in values.indices {
                let (low, high) = (texts[place + values.count], texts[place + 2 * values.count])
                cells[place] +=
                    values[place] == nil ? ["unknown", ""] : [texts[place], "\(low)…\(high)"]
            }
        }
        add("LITRES", figures.map(\.water))
        for currency in Set(figures.flatMap(\.money.keys)).sorted() {
            add(currency, figures.map { $0.money[currency] })
        }
        add("EMBODIED gCO2e", figures.map(\.embodied))
        self.columns = columns
        self.cells = cells
    }

    /// Returns what is to be said about the figures of a table: what is unknown, and what stands in for it.
    static func notes(_ report: CostReport) -> [String] {
        let (total, figures) = (report.total, report.total.figures)
        func joules(_ uj: Int64) -> String { "\(Format.decimal(Double(uj) / 1e6, 3)) J" }
        func time(_ ns: Int64) -> String { Format.duration(Double(ns) / 1e9) }
        var lines: [String] = []
        let basis = report.factors.basis
        if basis != .usual || report.factors.others.contains(where: { $0.basis != nil }) {
            lines.append("carbon intensities are \(basis); those of another type are not mixed in")
        }
        if figures.standInUj > 0 {
            lines.append(
                "\(joules(figures.standInUj)) of hours without a value in the series of their zone: the zone's value of a"
                    + " longer period stands in")
        }
        if figures.carbonMissingUj > 0 {
            lines.append(
                "\(joules(figures.carbonMissingUj)) have no carbon intensity in factor set \(report.factors.version):"
                    + " their carbon is missing, not zero")
        }
        if figures.water != nil, figures.waterMissingUj > 0 {
            lines.append("\(joules(figures.waterMissingUj)) have no WUE: their water is missing")
        }
        if !figures.money.isEmpty, figures.moneyMissingNs > 0 {
            lines.append("the price of \(time(figures.moneyMissingNs)) of attempts is missing")
        }
        if figures.money.count > 1 {
            lines.append(
                "money of several currencies (\(figures.money.keys.sorted().joined(separator: ", "))) is not added"
            )
        }
        if figures.embodied != nil, figures.embodiedMissingNs > 0 {
            lines.append(
                "the embodied carbon of \(time(figures.embodiedMissingNs)) of attempts is missing")
        }
        if let sci = report.sciGramsPerTarget, let targets = report.targets {
            let embodied = figures.embodied?.value ?? 0
            lines.append(
                "SCI: (\(ReportText.amount(total.grams)) + \(ReportText.amount(embodied))) g / \(targets) device targets"
                    + " = \(ReportText.amount(sci)) gCO2e for each")
        }
        return lines
    }

    /// Returns a table of the rows behind sums.
    static func table(_ lines: [CostLine]) -> Table {
        var table = Table(
            .text("HOUR (UTC)"), .number("RUN", .medium), .text("STAGE"), .text("HOST", .medium),
            .text("ZONE"), .number("ENERGY J"), .number("PUE"), .number("g/kWh"),
            .number("gCO2e"), .number("LITRES", .low), .number("MONEY", .low), .text("", .low),
            .number("EMBODIED g", .low), .text("METHOD", .low), .text("", .medium))
        func millionths(_ value: Int64?) -> String {
            value.map { Format.decimal(Double($0) / 1e6, 6) } ?? ""
        }
        table.rows = lines.map { line in
            [
                line.is_day
                    ? "day of \(line.hour.formatted(.iso8601))" : line.hour.formatted(.iso8601),
                "\(line.run)", line.stage, line.host, line.zone ?? "",
                Format.decimal(Double(line.energy_uj) / 1e6, 6),
                line.pue.map { Format.decimal($0, 3) } ?? "",
                line.intensity.map { Format.decimal($0, 3) } ?? "unknown",
                line.emission_ug == nil ? "unknown" : millionths(line.emission_ug),
                millionths(line.water_ul), millionths(line.money_u), line.currency ?? "",
                millionths(line.embodied_ug), line.method,
                line.is_stand_in ? "value of a longer period" : "",
            ]
        }
        return table
    }
}

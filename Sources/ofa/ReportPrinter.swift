// Prints a run's report for people: in the terminal, or as an HTML page.

import Accounting
import Foundation
import Pipelines

/// Prints a report for people.
enum ReportPrinter {
    /// Writes the report as an HTML page.
    static func write(_ report: RunReport, to file: OutputFile) throws {
        try file.write(ReportPage(report).html)
        if !file.isStandardOutput { Output.note("the report is in \(file.path)") }
    }

    /// Prints the accuracy of the supernet's largest and smallest networks, the networks made for
    /// devices with their limits, and the costs.
    static func show(_ report: RunReport) throws {
        let source = report.source.map { ", cut from run \($0)" } ?? ""
        try Output.line(
            "run \(report.run.id) \(report.run.name): \(report.run.state.rawValue), \(Format.duration(report.seconds))\(source)"
        )
        for (name, row) in report.ends {
            let figures = row.figures
            try Output.line(
                "\(name) network: \(percent(figures.testAccuracy)) on the test images,"
                    + " \(Format.grouped(figures.macs)) MACs, \(Format.grouped(figures.params)) parameters"
            )
        }
        if !report.networks.isEmpty { try show(report.networks) }
        if let comparison = report.comparison {
            for content in comparison.tables { try show(content) }
        }
        if let savings = report.savings {
            try Output.line()
            try Output.line("What one supernet saved")
            for content in savings.tables { try show(content) }
        }
        for problem in report.problems where problem.state == .failed {
            try Output.line("\(problem.stage) failed: \(problem.reason)")
        }
        for missing in report.unreadable {
            try Output.line("a front is omitted: \(missing.reason)")
        }
        try Output.line()
        try Output.table(costs(report.cost))
        if !report.branches.isEmpty {
            try Output.line()
            try Output.table(BranchTable.table(report.branches))
        }
        try Output.line(
            "  energy and carbon with their intervals; \(report.cost.zones.isEmpty ? "" : "zone \(report.cost.zones.joined(separator: ", "));")"
                + " ofa cost explain shows their derivation")
    }

    /// Prints one table of a comparison of ways of training, or of what a supernet saved.
    private static func show(_ content: ArmComparison.Table) throws {
        var table = Table(
            columns: content.head.enumerated().map { place, title in
                place == 0
                    ? .text(title.uppercased())
                    : .number(title, place < content.figures ? .medium : .high)
            })
        table.rows = content.rows
        try Output.line()
        try Output.line(content.title)
        try Output.table(table)
        try Output.line("  \(content.note)")
    }

    /// Returns one line for each device limit that the device's network exceeds; nil if there is none.
    static func unmet(_ report: RunReport) -> String? {
        let lines = report.networks.flatMap { row in
            row.figures.limitRows.filter { $0.isMet == false }.map { limit in
                let value = limit.value.map { amount($0) } ?? "unknown"
                let second = row.figures.again.map { " " + again($0) } ?? ""
                return
                    "device \(row.device): \(limit.name) is \(amount(limit.limit)) \(limit.unit),"
                    + " and its network takes \(value) \(limit.unit);\(second) it is kept as artifact \(row.artifact)"
            }
        }
        return lines.isEmpty ? nil : lines.joined(separator: "\n")
    }

    /// Returns a text about a second search, which follows if the first network's measured latency exceeds the limit.
    private static func again(_ second: SecondSearch) -> String {
        let start =
            "the first network took \(amount(second.firstLatencyMs)) ms; searched again within"
            + " \(amount(second.boundMs)) ms by the table"
        return start
            + (second.outcome == .infeasible
                ? ", which no network meets;"
                : second.outcome == .kept ? ";" : ", and kept the first;")
    }

    private static func show(_ rows: [RunReport.NetworkRow]) throws {
        try Output.line()
        try Output.table(networks(rows))
        try Output.line()
        try Output.table(comparison(rows))
        try Output.line(
            "  ± one standard deviation: the predictor's and the table's own, and the sampling error of the images"
        )
        if let offset = rows.compactMap(\.figures.testOffset).first {
            try Output.line(
                "  predictions are for held-out images; test images are expected to differ by"
                    + " \(signed(100 * offset.mean, 2)) ± \(Format.decimal(100 * offset.deviation, 2)) points,"
                    + " from \(offset.networks) networks of this supernet")
        }
        let limits = limits(rows)
        if !limits.rows.isEmpty {
            try Output.line()
            try Output.table(limits)
        }
        for row in rows {
            try Output.line(
                "  \(row.device): \(row.figures.assumption)"
                    + (row.threads > 1 ? "; latency on \(row.threads) threads" : ""))
            if let note = row.figures.eightBitsNote {
                try Output.line("  \(row.device): \(note)")
            }
            if let second = row.figures.again {
                try Output.line("  \(row.device): \(again(second).dropLast())")
            }
            if let tuning = row.figures.fineTuning {
                try Output.line(
                    "  \(row.device): \(words(tuning, in: row.figures.eightBits == nil ? "" : " in floats"))"
                )
            }
        }
    }

    /// Returns a text about the networks before and after a fine-tuning.
    private static func words(_ tuning: FineTuning, in floats: String) -> String {
        "fine-tuned for \(amount(tuning.epochs)) epochs from artifact \(tuning.source):"
            + " \(accuracy(tuning.before.accuracy, tuning.error(tuning.before))) before,"
            + (tuning.after.map { " \(accuracy($0.accuracy, tuning.error($0))) after," } ?? "")
            + " on \(Format.grouped(tuning.heldOutImages)) held-out images\(floats); the network"
            + " \(tuning.kept.rawValue) is kept"
            + (tuning.failure.map { ", since the training diverged: \($0)" } ?? "")
    }

    private static func networks(_ rows: [RunReport.NetworkRow]) -> Table {
        var table = Table(
            .text("DEVICE"), .number("PREDICTED"), .number("TEST"), .number("BITS", .medium),
            .number("LATENCY ms"),
            .number("MACs"), .number("PARAMETERS", .medium), .number("FLASH", .medium),
            .number("PEAK MEMORY", .medium), .number("STORED", .low),
            .number("RESOLUTION", .low), .number("ARTIFACT"))
        table.rows = rows.map { row in
            let figures = row.figures
            return [
                row.name, figures.predictedAccuracy.map(percent) ?? "",
                percent(figures.testAccuracy), String(figures.bits),
                figures.latencyMs.map { Format.decimal($0, 3) } ?? "", Format.grouped(figures.macs),
                Format.grouped(figures.params), Format.bytes(figures.flashBytes),
                Format.bytes(figures.peakActivationBytes),
                Format.bytes(row.storedBytes), String(figures.arch.resolution),
                row.artifact.description,
            ]
        }
        return table
    }

    /// Returns a table of predicted and measured figures, up to three rows per network.
    private static func comparison(_ rows: [RunReport.NetworkRow]) -> Table {
        var table = Table(
            .text("DEVICE"), .text("WHAT"), .number("PREDICTED"), .number("MEASURED"),
            .number("DIFFERENCE"))
        for row in rows {
            let figures = row.figures
            let predicted = accuracy(figures.predictedAccuracy, figures.accuracyUncertainty)
            if let heldOut = figures.heldOutAccuracy {
                table.rows.append([
                    row.name, "accuracy\(figures.bitsSuffix), held-out images", predicted,
                    accuracy(heldOut, figures.heldOutError), points(figures.heldOutDifference),
                ])
            }
            if let floats = figures.eightBits?.floatHeldOutAccuracy {
                table.rows.append(floatRow(row, "held-out", floats, figures.heldOutImages))
            }
            let expected = accuracy(figures.expectedTestAccuracy, figures.expectedTestError)
            table.rows.append([
                row.name, "accuracy\(figures.bitsSuffix), test images",
                expected.isEmpty ? predicted : expected,
                accuracy(figures.testAccuracy, figures.testError),
                points(figures.expectedDifference ?? figures.accuracyDifference),
            ])
            if let floats = figures.eightBits?.floatTestAccuracy {
                table.rows.append(floatRow(row, "test", floats, figures.testImages))
            }
            guard figures.tableLatencyMs != nil || figures.latencyMs != nil else { continue }
            let error = figures.latencyError.map { " ± " + Format.decimal(100 * $0, 1) + " %" }
            table.rows.append([
                row.name, "latency" + (figures.latencyMs == nil ? "" : figures.bitsSuffix),
                figures.tableLatencyMs.map { Format.decimal($0, 3) + (error ?? "") + " ms" } ?? "",
                figures.latencyMs.map { Format.decimal($0, 3) + " ms" } ?? "not measured here",
                figures.latencyDifference.map { signed(100 * $0, 1) + " %" } ?? "",
            ])
        }
        return table
    }

    /// Returns the row of the accuracy in floats of a network that was measured in eight bits.
    private static func floatRow(
        _ row: RunReport.NetworkRow, _ part: String, _ share: Double, _ images: Int?
    ) -> [String] {
        let error = NetworkFigures.standardError(share, images)
        return [row.name, "the same in floats, \(part) images", "", accuracy(share, error), ""]
    }

    /// Returns a table of the devices' limits with the networks' values.
    private static func limits(_ rows: [RunReport.NetworkRow]) -> Table {
        var table = Table(
            .text("DEVICE"), .text("LIMIT"), .number("AT MOST"), .number("NEEDS"), .number("USED"),
            .text("", .medium))
        for row in rows {
            for limit in row.figures.limitRows {
                table.rows.append([
                    row.name, limit.name, amount(limit.limit) + " " + limit.unit,
                    limit.value.map { amount($0) + " " + limit.unit } ?? "not known",
                    limit.value.map { Format.decimal(100 * $0 / limit.limit, 1) + " %" } ?? "",
                    limit.isMet == false
                        ? "NOT MET" : limit.measured == nil ? "" : "measured",
                ])
            }
        }
        return table
    }

    private static func costs(_ report: CostReport) -> Table {
        var table = Table(
            .text("STAGE"), .number("ATTEMPTS", .low), .number("TIME"), .number("CPU", .low),
            .number("ENERGY J"), .number("SHARE", .medium), .number("INTERVAL", .medium),
            .number("gCO2e"), .text("TIER", .medium))
        let total = report.total.energy.microjoules
        let rows = report.rows + [report.total]
        let shares = Format.shares(rows.map { $0.share(of: total) })
        let grams = ReportText.column(rows.map(\.knownGrams))
        table.rows = rows.enumerated().map { place, row in
            [
                row.label, String(row.attempts), Format.duration(Double(row.wallNs) / 1e9),
                Format.duration(Double(row.cpuNs) / 1e9),
                Format.decimal(Double(row.energy.microjoules) / 1e6, 1),
                shares[place],
                "\(Format.decimal(Double(row.energy.low) / 1e6, 0))…\(Format.decimal(Double(row.energy.high) / 1e6, 0))",
                grams[place].isEmpty ? "unknown" : grams[place], row.tier?.rawValue ?? "",
            ]
        }
        return table
    }

    // MARK: Numbers

    private static func percent(_ share: Double) -> String { Format.decimal(100 * share, 2) + " %" }

    private static func accuracy(_ share: Double?, _ deviation: Double?) -> String {
        guard let share else { return "" }
        let error = deviation.map { " ± " + Format.decimal(100 * $0, 2) } ?? ""
        return Format.decimal(100 * share, 2) + error + " %"
    }

    private static func points(_ difference: Double?) -> String {
        difference.map { signed(100 * $0, 2) + " points" } ?? ""
    }

    private static func signed(_ value: Double, _ digits: Int) -> String {
        (value >= 0 ? "+" : "") + Format.decimal(value, digits)
    }

    private static func amount(_ value: Double) -> String { ReportText.amount(value) }
}

// TableParts: a latency or energy table in short: its origin, its quality, and its entries by image size.

import Artifacts
import Devices
import Foundation
import Intake
import Pipelines
import Postgres

/// Parts of pages that show tables of latencies or energies.
enum TableParts {
    /// Returns the origin of a table, and a row for each image size. Errors: those of reading the table.
    static func entries(
        of artifact: Artifact, isEnergy: Bool, _ connection: Connection
    ) throws -> HTML {
        let table = try DeviceStore(connection).table(artifact.id)
        let unit = isEnergy ? "mJ" : "ms"
        let rows = table.entries.sorted { $0.key < $1.key }.map { size, entries -> [HTML] in
            let means = entries.values.map(\.mean).sorted()
            let timings = entries.values.reduce(0) { $0 + $1.count }
            return [
                "\(size)", "\(ReportText.grouped(entries.count))",
                "\(ReportText.grouped(timings))", "\(number(means.first))",
                "\(number(means.isEmpty ? nil : means[means.count / 2]))",
                "\(number(means.last))",
            ]
        }
        return """
            \(Parts.list(try facts(artifact, connection)))
            \(Parts.table(
                "Entries of the table by image size",
                [
                    .number("Image size"), .number("Entries"),
                    .number(isEnergy ? "Measurements" : "Timings"), .number("Least, \(unit)"),
                    .number("Median, \(unit)"), .number("Most, \(unit)"),
                ], rows))
            """
    }

    /// Returns what the metadata of a table say about its origin and quality.
    static func facts(
        _ artifact: Artifact, _ connection: Connection
    ) throws -> [(name: String, value: HTML)] {
        let summary = try LatencyTableSummary(of: artifact)
        var facts: [(name: String, value: HTML)] = []
        if let host = summary.host { facts.append(("measured by", "host \(host)")) }
        if let reference = summary.reference {
            facts.append(
                ("calibrated from", Parts.link(reference, HTML.path("devices", reference))))
        }
        facts.append(
            (summary.host == nil ? "recorded" : "measured", Parts.time(artifact.createdAt)))
        if let threads = summary.knownThreads { facts.append(("threads", "\(threads)")) }
        if let method = summary.method { facts.append(("method", "\(method)")) }
        if let error = summary.meanError {
            facts.append(
                ("whole networks", "within \(PageParts.percent(error, 1)) on average"))
        }
        if summary.isOutdated {
            facts.append(("note", "by an earlier method: measured again when next needed"))
        }
        return facts
    }

    private static func number(_ value: Double?) -> String {
        value.map { ReportText.amount($0) } ?? "–"
    }
}

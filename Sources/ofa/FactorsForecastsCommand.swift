// `ofa factors forecasts`: lists the forecasts of carbon intensity by which deferrable runs start.

import Accounting
import ArgumentParser
import Foundation
import Intake
import Postgres

/// Lists the forecasts that hold.
struct FactorsForecasts: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forecasts",
        abstract:
            "Lists the forecasts by which deferrable runs start: of each zone and type the newest.",
        discussion: "Example:\n  ofa factors forecasts --zone DEU --json")

    /// The zone.
    @Option(help: "Only forecasts of this zone.") var zone: String?
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Refuses invalid names.
    mutating func validate() throws { zone = try zone.map { try ArgumentGate.name($0, "--zone") } }

    /// Prints the forecasts.
    mutating func run() throws {
        let all = try ForecastSummary.list(
            try database.connectToExisting(takesLong: true), zone: zone)
        try Output.answer(all, output) { try Output.table(Self.table(all)) }
    }

    /// Prints what an import did.
    static func show(_ answer: ForecastImport, _ file: String) throws {
        try Output.line(
            "\(answer.read) hours of \(file), issued \(answer.issued_at.formatted(.iso8601)); these forecasts hold now:"
        )
        try Output.table(table(answer.forecasts))
        for run in answer.planned {
            let isSame = run.before == run.starts_at
            try Output.line(
                "run \(run.run) \(isSame ? "still starts" : "starts") at \(run.starts_at.formatted(.iso8601))"
                    + (isSame ? "" : " instead of \(run.before.formatted(.iso8601))")
                    + ", because \(run.reason)")
        }
        for run in answer.kept {
            try Output.line(
                "run \(run) keeps its start: it started, ended or was changed by another program in this moment"
            )
        }
    }

    private static func table(_ forecasts: [ForecastSummary]) -> Table {
        var table = Table(
            .text("ZONE"), .text("TYPE"), .text("ISSUED"), .text("FROM", .medium),
            .text("UNTIL", .medium), .number("HOURS"), .number("MISSING"), .number("LEAST", .low),
            .number("MEAN", .medium), .number("MOST", .low), .wrapping("SOURCE"))
        table.rows = forecasts.map { one in
            [
                one.zone, "\(one.type) \(one.signal)", one.issued_at.formatted(.iso8601),
                one.from?.formatted(.iso8601) ?? "", one.until?.formatted(.iso8601) ?? "",
                "\(one.hours)", "\(one.missing_hours)",
            ]
                + [one.least, one.mean, one.most].map { $0.map { Format.decimal($0, 1) } ?? "" }
                + ["\(one.source), \(one.licence)"]
        }
        return table
    }

    /// Parses the value of `--issued`.
    @Sendable static func moment(_ text: String) throws -> Date {
        do throws(InputFault) { return try MomentText.zoned(text) } catch {
            throw ValueFault(error)
        }
    }
}

// `ofa factors`: imports, lists and shows the versioned factors that convert energy to carbon, water and money.

import Accounting
import ArgumentParser
import Foundation
import Intake
import Metering
import Postgres

/// The commands about factor sets.
struct FactorsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "factors",
        abstract: "Factor sets: carbon intensity, PUE, WUE and prices, by period or by the hour.",
        discussion: """
            Figures of `ofa cost` use the newest set, or --factors VERSION; what was metered never changes.

            Example:
              ofa factors import germany-2026.csv --note "ENTSO-E, hourly"
              ofa factors show 2 --zone DEU
            """,
        subcommands: [
            FactorsImport.self, FactorsList.self, FactorsShow.self, FactorsForecasts.self,
        ])
}

/// Imports a file of factors as a new set.
struct FactorsImport: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Adds a factor set from a CSV file.",
        discussion: """
            The first line names the columns kind,zone,value,unit,source and, optionally, from,until,low,high,type,signal,\
            licence,vintage. Kinds and units: intensity (g/kWh), with type lifecycle or direct and signal average or \
            marginal; pue (1); wue (L/kWh); price (such as EUR/kWh). The zone `default` of a PUE, WUE or price is for \
            zones without one. A period begins at `from` and ends before `until`; without a bound it is open. Times are \
            UTC (2026-01-31T12:00:00Z, or a day) or have an offset, at full hours. Intensities and prices may be series \
            of one hour each; hours without a value use that of a longer period.

            The new set also has the factors of the newest set (--base) for what the file does not have. A bad line is \
            refused with its number, and nothing is written.

            With --forecast the file has intensities of one hour each only. They are no factors, so no cost is computed from \
            them: they say when deferrable runs start (ofa cost when), and plan those anew that wait. Of several forecasts for \
            a zone, type and signal the one with the newest issue holds.

            Example:
              ofa factors import germany-2026.csv --note "ENTSO-E, hourly"
              ofa factors import tomorrow.csv --forecast --issued 2026-12-01T12:00Z
            """)

    /// The file.
    @Argument(help: "The CSV file.", completion: .file(extensions: ["csv"])) var file: String
    /// The description of the set.
    @Option(help: "A description of the set; by default the file's name.") var note: String?
    /// The set from which factors are taken over.
    @Option(
        help: "The set whose factors the new one goes on from; by default the newest.",
        transform: Number.whole(1...Int(Int32.max)))
    var base: Int?
    /// Whether no factors are taken over.
    @Flag(help: "Take nothing over from another set.") var alone = false
    /// Whether the file is a forecast.
    @Flag(help: "The file is a forecast of intensities, for the start of deferrable runs.")
    var forecast = false
    /// When the forecast was issued.
    @Option(
        help: ArgumentHelp(
            "With --forecast: when its publisher issued it; by default now.", valueName: "time"),
        transform: FactorsForecasts.moment)
    var issued: Date?
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Refuses contradictory options.
    mutating func validate() throws {
        guard !alone || base == nil else {
            throw ValidationError(
                "--alone and --base exclude each other", remedy: "omit one of them")
        }
        guard !forecast || note == nil && base == nil && !alone else {
            throw ValidationError(
                "--note, --base and --alone are of factor sets, and a forecast is none",
                remedy: "omit them; the column source describes a forecast")
        }
        guard forecast || issued == nil else {
            throw ValidationError(
                "--issued is the time of a forecast", remedy: "add --forecast, or omit it")
        }
    }

    /// Imports the file and shows what the new set has.
    mutating func run() throws {
        let connection = try database.connect()
        if forecast {
            let answer = try ForecastImport.run(file, issuedAt: issued, connection)
            return try Output.answer(answer, output) { try FactorsForecasts.show(answer, file) }
        }
        let newest = alone ? nil : try base ?? FactorSetSummary.newestVersion(connection)
        let answer: FactorImport
        do {
            answer = try FactorImport.run(file, note: note, base: newest, connection)
        } catch let error as AccountingError where error.code == .unknownFactorSet {
            throw CommandFailure.notFound(error.reason, remedy: error.remedy)
        }
        try Output.answer(answer, output) {
            try Output.line(
                "factor set \(answer.version): \(answer.read) factors of \(file)"
                    + (answer.base.map { ", \(answer.taken) of set \($0)" } ?? ""))
            for gaps in answer.series.compactMap(\.gapsInWords) {
                try Output.line("\(gaps); a longer period stands in, else carbon is unknown")
            }
        }
    }
}

/// Lists the factor sets.
struct FactorsList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists the factor sets, newest first.",
        discussion: "Example:\n  ofa factors list --json")

    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Prints the sets.
    mutating func run() throws {
        let sets = try FactorSetSummary.list(try database.connectToExisting(takesLong: true))
        try Output.answer(sets, output) {
            var table = Table(
                .number("VERSION"), .number("ZONES", .medium), .number("PERIODS", .medium),
                .number("HOURS", .medium), .text("KINDS"), .text("INTENSITIES", .medium),
                .text("ADDED", .low), .text("NOTE"))
            table.rows = sets.map { set in
                [
                    "\(set.version)", "\(set.zones)", "\(set.periods)", "\(set.hours)",
                    set.kinds.joined(separator: " "), set.intensities.joined(separator: ", "),
                    set.created_at.formatted(.iso8601), set.note,
                ]
            }
            try Output.table(table)
        }
    }
}

/// Shows one factor set.
struct FactorsShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows the periods and series of a factor set.",
        discussion: "Example:\n  ofa factors show 2 --zone DEU")

    /// The version.
    @Argument(
        help: "The version of the set; by default the newest.",
        transform: Number.whole(1...Int(Int32.max)))
    var version: Int?
    /// The zone.
    @Option(help: "Only factors of this zone.") var zone: String?
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    private struct Answer: Encodable {
        let version: Int
        let note: String
        let created_at: Date
        let periods: [FactorPeriod]
        let series: [FactorSeries]
    }

    /// Refuses invalid names.
    mutating func validate() throws { zone = try zone.map { try ArgumentGate.name($0, "--zone") } }

    /// Prints the factors.
    mutating func run() throws {
        let connection = try database.connectToExisting(takesLong: true)
        guard let set = try FactorSetSummary.head(connection, version: version) else {
            throw CommandFailure.notFound(
                "there is no factor set \(version.map(String.init) ?? "")",
                remedy: "`ofa factors list` lists them")
        }
        let answer = Answer(
            version: set.version, note: set.note, created_at: set.created_at,
            periods: try FactorPeriod.list(connection, version: set.version, zone: zone),
            series: try FactorSeries.list(connection, version: set.version, zone: zone))
        try Output.answer(answer, output) {
            try Output.line("factor set \(set.version): \(set.note)")
            try Output.table(Self.table(answer.periods))
            if answer.periods.count == FactorPeriod.most {
                try Output.line("only the first \(FactorPeriod.most) periods are shown")
            }
            guard !answer.series.isEmpty else { return }
            try Output.line()
            try Output.table(Self.table(answer.series))
            for gaps in answer.series.compactMap(\.gapsInWords) { try Output.line(gaps) }
        }
    }

    private static func words(_ type: String, _ signal: String) -> String {
        [type, signal].filter { $0 != "none" }.joined(separator: " ")
    }

    private static func table(_ periods: [FactorPeriod]) -> Table {
        var table = Table(
            .text("KIND"), .text("ZONE"), .text("TYPE", .medium), .text("FROM", .medium),
            .text("UNTIL", .medium), .number("VALUE"), .number("RANGE", .low), .text("UNIT"),
            .wrapping("SOURCE"))
        table.rows = periods.map { period in
            [
                period.kind, period.zone, words(period.type, period.signal),
                period.from?.formatted(.iso8601) ?? "", period.until?.formatted(.iso8601) ?? "",
                DecimalNumber.text(period.value),
                period.low.flatMap { low in
                    period.high.map { "\(DecimalNumber.text(low))…\(DecimalNumber.text($0))" }
                } ?? "", period.unit,
                [period.source, period.vintage, period.licence].joined(separator: ", "),
            ]
        }
        return table
    }

    private static func table(_ series: [FactorSeries]) -> Table {
        var table = Table(
            .text("BY THE HOUR"), .text("ZONE"), .text("TYPE", .medium), .text("FROM"),
            .text("UNTIL"), .number("HOURS"), .number("MISSING"), .number("LEAST", .low),
            .number("MEAN"), .number("MOST", .low), .text("UNIT"), .wrapping("SOURCE"))
        table.rows = series.map { one in
            [
                one.kind, one.zone, words(one.type, one.signal), one.from.formatted(.iso8601),
                one.until.formatted(.iso8601), "\(one.hours)", "\(one.missing_hours)",
                Format.decimal(one.least, 3), Format.decimal(one.mean, 3),
                Format.decimal(one.most, 3), one.unit,
                [one.source, one.vintage, one.licence].joined(separator: ", "),
            ]
        }
        return table
    }
}

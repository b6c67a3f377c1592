// What factor sets hold: their list, and periods and series of one.

import Foundation
import Intake
import Postgres
import Schema

/// A factor set in a list.
public struct FactorSetSummary: Sendable, Encodable {
    /// The version, printed with figures.
    public let version: Int
    /// The description of the set.
    public let note: String
    /// When the set was added.
    public let created_at: Date
    /// The number of factors that are no hours of a series, and the number of hours of series.
    public let periods, hours: Int
    /// The number of zones, without `default`.
    public let zones: Int
    /// The kinds of factors.
    public let kinds: [String]
    /// The types and signals of the intensities, such as `lifecycle average`.
    public let intensities: [String]

    /// Returns the version of the newest set; nil if there is none.
    public static func newestVersion(_ connection: Connection) throws -> Int? {
        try connection.query(.factorSetNewest).first?.int("version")
    }

    /// Returns the head of the set `version`, or of the newest set, without counting factors; nil if there is no such set.
    public static func head(
        _ connection: Connection, version: Int?
    ) throws -> (version: Int, note: String, created_at: Date)? {
        let rows =
            try version.map { try connection.query(.factorSetGet(version: $0)) }
            ?? connection.query(.factorSetNewest)
        return try rows.first.map {
            (try $0.int("version"), try $0.text("note"), try $0.date("created_at"))
        }
    }

    /// Returns all factor sets, newest first.
    public static func list(_ connection: Connection) throws -> [FactorSetSummary] {
        try connection.query(.factorSetList).map { row in
            FactorSetSummary(
                version: try row.int("version"), note: try row.text("note"),
                created_at: try row.date("created_at"), periods: try row.int("periods"),
                hours: try row.int("hours"), zones: try row.int("zones"),
                kinds: try row.textArray("kinds"), intensities: try row.textArray("intensities"))
        }
    }
}

/// A factor with the period in which it holds.
public struct FactorPeriod: Sendable, Encodable {
    /// `pue`, `wue`, `intensity` or `price`, and the zone.
    public let kind, zone: String
    /// The type and signal of an intensity, else `none`.
    public let type, signal: String
    /// The begin and the end of the period; nil for no bound.
    public let from, until: Date?
    /// The value, and its range if the source states one.
    public let value: Double
    /// The lower and the upper bound.
    public let low, high: Double?
    /// The unit, source, licence, and what the data describes.
    public let unit, source, licence, vintage: String

    /// The largest number of periods in a list.
    public static let most = 10_000

    /// Returns the factors of a set that are no hours of a series; with `zone`, those of that zone.
    public static func list(_ connection: Connection, version: Int, zone: String? = nil) throws
        -> [FactorPeriod]
    {
        try connection.query(.factorPeriods(version: version, zone: zone, most: most)).map { row in
            FactorPeriod(
                kind: try row.text("kind"), zone: try row.text("zone"), type: try row.text("type"),
                signal: try row.text("signal"), from: try row.optionalDate("valid_from"),
                until: try row.optionalDate("valid_until"), value: try row.double("value"),
                low: try row.optionalDouble("low"), high: try row.optionalDouble("high"),
                unit: try row.text("unit"), source: try row.text("source"),
                licence: try row.text("licence"), vintage: try row.text("vintage"))
        }
    }
}

/// A series of factors by the hour.
public struct FactorSeries: Sendable, Encodable {
    /// `intensity` or `price`, and the zone.
    public let kind, zone: String
    /// The type and signal of an intensity, else `none`.
    public let type, signal: String
    /// The begin of the first and the end of the last hour.
    public let from, until: Date
    /// The number of hours, and of those that are missing between the first and the last.
    public let hours, missing_hours: Int
    /// The number of gaps, and the first one.
    public let gaps: Int
    /// The begin and the end of the first gap; nil without gaps.
    public let gap_from, gap_until: Date?
    /// The smallest and the largest value, and the mean.
    public let least, mean, most: Double
    /// The unit, source, licence, and what the data describes.
    public let unit, source, licence, vintage: String

    /// Returns the series of a set; with `zone`, those of that zone.
    public static func list(_ connection: Connection, version: Int, zone: String? = nil) throws
        -> [FactorSeries]
    {
        try connection.query(.factorSeries(version: version, zone: zone)).map { row in
            FactorSeries(
                kind: try row.text("kind"), zone: try row.text("zone"), type: try row.text("type"),
                signal: try row.text("signal"), from: try row.date("valid_from"),
                until: try row.date("valid_until"), hours: try row.int("hours"),
                missing_hours: try row.int("missing"), gaps: try row.int("gaps"),
                gap_from: try row.optionalDate("gap_from"),
                gap_until: try row.optionalDate("gap_until"), least: try row.double("least"),
                mean: try row.double("mean"), most: try row.double("most"),
                unit: try row.text("unit"), source: try row.text("source"),
                licence: try row.text("licence"), vintage: try row.text("vintage"))
        }
    }

    /// The gaps in words; nil without gaps.
    public var gapsInWords: String? {
        guard gaps > 0, let gap_from, let gap_until else { return nil }
        let style = Date.ISO8601FormatStyle()
        return
            "\(kind) of \(zone): \(missing_hours) hour\(missing_hours == 1 ? " is" : "s are") missing in \(gaps) gap\(gaps == 1 ? "" : "s"),"
            + " the first from \(gap_from.formatted(style)) to \(gap_until.formatted(style))"
    }
}

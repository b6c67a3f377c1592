// Forecasts of carbon intensity by the hour. They are apart from factor sets, so that no cost of the past is computed from one.

import Foundation
import Metering
import Postgres
import Schema

/// A forecast of the intensity of one zone, of one type and signal.
public struct IntensityForecast: Sendable, Equatable {
    /// The number of the forecast.
    public let id: Int64
    /// The zone of the forecast.
    public let zone: String
    /// The type and signal of the intensities.
    public let basis: IntensityBasis
    /// When it was issued, and when it was imported.
    public let issuedAt, importedAt: Date
    /// The publisher of the data and their licence.
    public let source, licence: String

    init(_ row: Row) throws {
        id = try row.int64("id")
        zone = try row.text("zone")
        basis = IntensityBasis(type: try row.text("type"), signal: try row.text("signal"))
        issuedAt = try row.date("issued_at")
        importedAt = try row.date("imported_at")
        source = try row.text("source")
        licence = try row.text("licence")
    }

    /// Returns the forecast `id`; nil if there is none.
    public static func get(_ id: Int64, _ connection: Connection) throws -> IntensityForecast? {
        try connection.query(.forecastGet(forecast: id)).first.map { try IntensityForecast($0) }
    }

    /// Returns its intensities from the hour of `from` until `until`.
    public func course(_ connection: Connection, from: Date, until: Date) throws -> IntensityCourse
    {
        let hours = try connection.query(.forecastHours(forecast: id, from: from, until: until))
        return IntensityCourse(
            try hours.map { row in
                let begin = try row.int64("begin_s")
                return IntensityPiece(
                    from: begin, until: begin + 3600,
                    grams: Interval(
                        value: try row.double("value"), low: try row.double("low"),
                        high: try row.double("high")))
            })
    }
}

/// A forecast that holds: of its zone, type and signal the one with the newest issue.
public struct ForecastSummary: Sendable, Encodable {
    /// The number of the forecast.
    public let forecast: Int64
    /// The zone of the forecast.
    public let zone: String
    /// The type and signal of the intensities.
    public let type, signal: String
    /// When it was issued, and when it was imported.
    public let issued_at, imported_at: Date
    /// The begin of the first and the end of the last hour; nil without hours.
    public let from, until: Date?
    /// The number of hours, and of those that are missing between the first and the last.
    public let hours, missing_hours: Int
    /// The smallest and the largest value, and the mean, in grams for each kWh; nil without hours.
    public let least, mean, most: Double?
    /// The publisher of the data and their licence.
    public let source, licence: String

    /// Returns the forecasts that hold; with `zone`, those of that zone.
    public static func list(_ connection: Connection, zone: String? = nil) throws
        -> [ForecastSummary]
    {
        try connection.query(.forecastsNewest(zone: zone)).map { row in
            ForecastSummary(
                forecast: try row.int64("id"), zone: try row.text("zone"),
                type: try row.text("type"), signal: try row.text("signal"),
                issued_at: try row.date("issued_at"), imported_at: try row.date("imported_at"),
                from: try row.optionalDate("valid_from"),
                until: try row.optionalDate("valid_until"), hours: try row.int("hours"),
                missing_hours: try row.int("missing"), least: try row.optionalDouble("least"),
                mean: try row.optionalDouble("mean"), most: try row.optionalDouble("most"),
                source: try row.text("source"), licence: try row.text("licence"))
        }
    }
}

extension IntensityForecast {
    /// The forecast for a zone, or why there is none.
    enum Found: Equatable {
        /// The forecast that holds.
        case forecast(IntensityForecast)
        /// Why none can be used, such as `there is no forecast for zone DEU`.
        case none(String)
    }

    /// Returns the forecast that holds for a zone: of `basis`, or of lifecycle averages, or of the only type and signal there
    /// is. Types and signals are not mixed.
    static func find(_ zone: String, basis: IntensityBasis?, _ connection: Connection) throws
        -> Found
    {
        let all = try connection.query(.forecastsNewest(zone: zone)).map {
            try IntensityForecast($0)
        }
        let names = all.map(\.basis.description).joined(separator: ", ")
        if let basis {
            if let one = all.first(where: { $0.basis == basis }) { return .forecast(one) }
            return .none(
                "there is no \(basis) forecast for zone \(zone)"
                    + (all.isEmpty ? "" : ", only \(names)"))
        }
        if let one = all.first(where: { $0.basis == .usual }) ?? (all.count == 1 ? all[0] : nil) {
            return .forecast(one)
        }
        return .none(
            all.isEmpty
                ? "there is no forecast for zone \(zone)"
                : "the forecasts for zone \(zone) are of several types, which are not mixed: \(names)"
        )
    }
}

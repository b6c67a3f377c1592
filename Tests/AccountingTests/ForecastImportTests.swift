// Forecasts that are imported: whole or not at all, apart from factors, and the newest issue holds.

import Foundation
import Jobs
import Metering
import Postgres
import TestSupport
import Testing

@testable import Accounting

/// The text of a forecast of zone DEU by the hour from `begin` on; nil is a missing hour.
func forecastText(
    _ values: [Double?], from begin: Date, zone: String = "DEU", basis: String = "lifecycle,average"
) -> String {
    "kind,zone,value,unit,source,from,until,type,signal\n"
        + values.enumerated().compactMap { hour, value in
            value.map {
                let from = begin + 3600 * Double(hour)
                return "intensity,\(zone),\($0),g/kWh,a grid,\(from.formatted(.iso8601)),"
                    + "\((from + 3600).formatted(.iso8601)),\(basis)\n"
            }
        }.joined()
}

/// Writes a forecast, imports it and removes it.
@discardableResult
func importForecast(_ text: String, issued: Date? = nil, _ connection: Connection) throws
    -> ForecastImport
{
    let file = FileManager.default.temporaryDirectory.appending(path: "forecast-\(UUID()).csv")
    try text.write(to: file, atomically: true, encoding: .utf8)
    defer {
        do { try FileManager.default.removeItem(at: file) } catch { Issue.record(error) }
    }
    return try ForecastImport.run(file.path, issuedAt: issued, connection)
}

@Suite struct ForecastImportTests {
    /// 2026-10-24T22:00:00Z.
    private let begin = Date(timeIntervalSince1970: 1_792_879_200)
    private let database: TemporaryDatabase
    private let connection: Connection

    init() throws {
        database = try TemporaryDatabase()
        connection = try database.connect()
    }

    private func course(_ zone: String = "DEU", basis: IntensityBasis? = nil) throws -> [Double] {
        guard
            case .forecast(let forecast) = try IntensityForecast.find(
                zone, basis: basis, connection)
        else { return [] }
        return try forecast.course(connection, from: begin, until: begin + 86_400).pieces.map(
            \.grams.value)
    }

    @Test("the newest issue holds, of equal issues the last one imported; no factor set is added")
    func newest() throws {
        let now = Date()
        let first = try importForecast(
            forecastText([1, 2, nil, 4], from: begin), issued: now - 7200, connection)
        #expect(first.read == 3 && first.planned.isEmpty && first.kept == [])
        let listed = try #require(first.forecasts.first)
        #expect(listed.hours == 3 && listed.missing_hours == 1 && listed.source == "a grid")
        #expect(listed.from == begin && listed.until == begin + 4 * 3600)
        #expect(listed.least == 1 && listed.most == 4)
        try importForecast(forecastText([9], from: begin), issued: now - 10_000, connection)
        #expect(try course() == [1, 2, 4])
        try importForecast(forecastText([5, 6], from: begin), issued: now - 7200, connection)
        #expect(try course() == [5, 6])
        try importForecast(forecastText([7], from: begin), connection)
        #expect(try course() == [7])
        #expect(try FactorSetSummary.list(connection).map(\.version) == [1])
        #expect(try FactorSet.load(connection).hourlyZones.isEmpty)
        #expect(throws: PostgresError.self) {
            try connection.script("update ofa.forecast_hour set value = 3")
        }
    }

    @Test("types and signals are not mixed: of several the wanted one is used, or the usual one")
    func types() throws {
        try importForecast(
            forecastText([50], from: begin, basis: "direct,marginal"), connection)
        #expect(try course() == [50])
        try importForecast(
            forecastText([60], from: begin, basis: "direct,average"), connection)
        #expect(
            try IntensityForecast.find("DEU", basis: nil, connection)
                == .none(
                    "the forecasts for zone DEU are of several types, which are not mixed: direct average, direct marginal"
                ))
        #expect(try course(basis: IntensityBasis("direct-marginal")) == [50])
        try importForecast(forecastText([70], from: begin), connection)
        #expect(try course() == [70])
        #expect(
            try IntensityForecast.find("FRA", basis: nil, connection)
                == .none("there is no forecast for zone FRA"))
        #expect(
            try IntensityForecast.find(
                "DEU", basis: IntensityBasis("lifecycle-marginal"), connection)
                == .none(
                    "there is no lifecycle marginal forecast for zone DEU, only direct average, direct marginal, lifecycle"
                        + " average"))
    }

    @Test(
        "a bad line is refused with its number, and nothing is written",
        arguments: [
            ("pue,default,1.2,1,s,,,,\n", "is no intensity of one hour"),
            ("intensity,DEU,1,g/kWh,s,2026-01-01,,direct,average\n", "is no intensity of one hour"),
            (
                "intensity,DEU,1,g/kWh,s,2026-10-25T02:00,2026-10-25T03:00,direct,average\n",
                "has a time from that is '2026-10-25T02:00'"
            ),
            (
                "intensity,DEU,1,g/kWh,s,2026-10-25T00:00+02:00,2026-10-24T23:00Z,direct,average\n",
                "is an hour of DEU that line 2 has too"
            ),
        ])
    func refused(line: String, word: String) throws {
        let good = forecastText([1], from: begin, basis: "direct,average")
        let error = #expect(throws: AccountingError.self) {
            try importForecast(good + line, connection)
        }
        #expect(error?.reason.contains(".csv:3: ") == true, "\(error?.reason ?? "")")
        #expect(error?.reason.contains(word) == true, "\(error?.reason ?? "")")
        #expect(try ForecastSummary.list(connection).isEmpty)
    }

    @Test("a forecast that is issued after now is refused: it would hold against all later ones")
    func future() throws {
        let error = #expect(throws: AccountingError.self) {
            try importForecast(
                forecastText([1], from: begin), issued: Date() + 7200, connection)
        }
        #expect(error?.reason.contains("after now") == true)
        #expect(try ForecastSummary.list(connection).isEmpty)
    }

    @Test("an import that a deadlock ended is repeated, whole")
    func repeated() throws {
        // A sequence counts on when a transaction is undone.
        try connection.script(
            """
            create sequence public.tries;
            create function public.stumble() returns trigger language plpgsql as $$
            begin
              if nextval('public.tries') = 1 then
                raise exception 'deadlock detected' using errcode = 'deadlock_detected';
              end if;
              return null;
            end $$;
            create trigger stumble after insert on ofa.forecast_hour
              for each statement execute function public.stumble()
            """)
        let imported = try importForecast(forecastText([1, 2], from: begin), connection)
        #expect(imported.read == 2)
        #expect(try course() == [1, 2])
        let count = Statement(name: "Forecasts", sql: "select count(*) as n from ofa.forecast")
        #expect(try connection.queryOne(count).int("n") == 1)
    }

    @Test("the night in which summer time ends has 25 hours, two of which are called 2 o'clock")
    func summerTimeEnds() throws {
        let hours = [
            ("00:00+02:00", "01:00+02:00"), ("01:00+02:00", "02:00+02:00"),
            ("02:00+02:00", "02:00+01:00"), ("02:00+01:00", "03:00+01:00"),
            ("03:00+01:00", "04:00+01:00"),
        ]
        let lines = hours.enumerated().map { place, hour in
            "intensity,DEU,\(100 * (place + 1)),g/kWh,s,2026-10-25T\(hour.0),2026-10-25T\(hour.1),lifecycle,average\n"
        }
        try importForecast(
            "kind,zone,value,unit,source,from,until,type,signal\n" + lines.joined(), connection)
        #expect(try course() == [100, 200, 300, 400, 500])
        let listed = try #require(try ForecastSummary.list(connection).first)
        #expect(listed.from == begin && listed.missing_hours == 0 && listed.hours == 5)
    }
}

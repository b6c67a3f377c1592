// Imports a file of forecasts, and plans the start of the runs that wait by it: in one transaction, or not at all.

import Foundation
import Intake
import Jobs
import Postgres
import Schema

/// Forecasts that were imported.
public struct ForecastImport: Sendable, Encodable {
    /// A run whose start was planned by the new forecasts.
    public struct Planned: Sendable, Encodable {
        /// The run.
        public let run: Int64
        /// When it was to start, and when it starts now.
        public let before, starts_at: Date
        /// Why then.
        public let reason: String
    }

    /// The number of hours in the file.
    public let read: Int
    /// When the forecasts were issued.
    public let issued_at: Date
    /// The forecasts that hold now for the zones of the file.
    public let forecasts: [ForecastSummary]
    /// The runs whose start was planned anew.
    public let planned: [Planned]
    /// The runs that keep their start because they started, ended or were locked in this moment.
    public let kept: [Int64]

    /// The number of hours sent to the database at once.
    private static let batch = 5000
    /// The largest number of hours in a file.
    private static let most = 1_000_000

    /// The hours of one zone, type and signal.
    private struct Series {
        let zone: String
        let basis: IntensityBasis
        let source, licence: String
        var hours: [(us: Int64, value: Double, low: Double, high: Double)] = []
        var lines: [Int64: Int] = [:]
    }

    /// Imports the file `path`, which has the form of a file of factors, with intensities of one hour each only. The
    /// forecasts were issued at `issuedAt`, or now.
    ///
    /// Errors: `badFactors`, naming file and line. Then nothing is written.
    public static func run(_ path: String, issuedAt: Date?, _ connection: Connection) throws
        -> ForecastImport
    {
        let (all, read) = try series(path)
        // Runs that wait are locked up to the commit, so this may be the victim of a deadlock. Repeated after a commit whose answer
        // was lost, it adds the same forecast again, of which the later holds.
        let policy = ReconnectPolicy(limitSeconds: 30, maxCancellations: 2)
        return try connection.withReconnect(policy) { connection in
            try connection.transaction { try add(all, read, path, issuedAt: issuedAt, $0) }
        }
    }

    /// Adds the forecasts, and plans the starts of the runs that wait.
    private static func add(
        _ all: [Series], _ read: Int, _ path: String, issuedAt: Date?, _ connection: Connection
    ) throws -> ForecastImport {
        let now = try CostLedger(connection).moment()
        let issued = issuedAt ?? now
        guard issued <= now else {
            throw AccountingError(
                .badFactors,
                "\(path): the forecast is issued at \(issued.formatted(.iso8601)),"
                    + " after now (\(now.formatted(.iso8601)))",
                remedy: "state when its publisher computed it, not the time that it describes")
        }
        for one in all { try add(one, issued, path, connection) }
        let zones = Set(all.map(\.zone)).sorted()
        try connection.note(
            "import", "forecast",
            [
                "file": URL(filePath: path).lastPathComponent, "hours": "\(read)",
                "zones": zones.prefix(10).joined(separator: ", "),
            ])
        let ledger = DeferralLedger(connection)
        let (planned, kept) = try ledger.planWaiting()
        return ForecastImport(
            read: read, issued_at: issued,
            forecasts: try zones.flatMap {
                try ForecastSummary.list(connection, zone: $0)
            }, planned: planned, kept: kept)
    }

    private static func series(_ path: String) throws -> ([Series], Int) {
        var file = try FactorFile(path: path)
        var all: [Series] = []
        var places: [String: Int] = [:]
        var read = 0
        while let line = try file.next() {
            guard line.kind == FactorKind.intensity.rawValue, line.isHourly, let us = line.fromUs
            else {
                throw file.refusal(
                    "is no intensity of one hour, and a forecast has nothing else",
                    "state from and until of each hour; import factors without --forecast")
            }
            let key = "\(line.type) \(line.signal) \(line.zone)"
            let place = places[key] ?? all.count
            if place == all.count {
                places[key] = place
                all.append(
                    Series(
                        zone: line.zone,
                        basis: IntensityBasis(type: line.type, signal: line.signal),
                        source: line.source, licence: line.licence))
            }
            if let earlier = all[place].lines.updateValue(line.number, forKey: us) {
                throw file.refusal(
                    "is an hour of \(line.zone) that line \(earlier) has too",
                    "give each hour once; in the night in which summer time ends, the local hour that comes twice has two"
                        + " offsets")
            }
            let value = try DecimalNumber.real(line.value)
            all[place].hours.append(
                (
                    us, value, try line.low.map { try DecimalNumber.real($0) } ?? value,
                    try line.high.map { try DecimalNumber.real($0) } ?? value
                ))
            read += 1
            guard read <= most else {
                throw AccountingError(.badFactors, "\(path) has more than \(most) hours")
            }
        }
        guard read > 0 else {
            throw AccountingError(.badFactors, "\(path) has no hour below its header")
        }
        return (all, read)
    }

    private static func add(
        _ series: Series, _ issued: Date, _ path: String, _ connection: Connection
    ) throws {
        let id = try connection.queryOne(
            .forecastAdd(
                zone: series.zone, type: series.basis.type, signal: series.basis.signal,
                issuedUs: issued.microseconds, source: series.source, licence: series.licence)
        ).int64("id")
        var rest = series.hours[...]
        while !rest.isEmpty {
            let part = rest.prefix(batch)
            rest = rest.dropFirst(batch)
            let refused = try connection.queryOne(
                .forecastHoursAdd(
                    forecast: id, fromUs: part.map(\.us), values: part.map(\.value),
                    lows: part.map(\.low), highs: part.map(\.high))
            ).int("refused")
            guard refused == 0 else {
                throw AccountingError(.badFactors, "\(path) has an hour of \(series.zone) twice")
            }
        }
    }
}

extension Date {
    /// The time in microseconds since 1970.
    var microseconds: Int64 { Int64((timeIntervalSince1970 * 1e6).rounded()) }
}

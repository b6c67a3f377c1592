// Imports a file of factors as a new factor set: in one transaction, or not at all.

import Foundation
import Intake
import Jobs
import Postgres
import Schema

/// A factor set that was imported.
public struct FactorImport: Sendable, Encodable {
    /// The version of the new set.
    public let version: Int
    /// The description of the set.
    public let note: String
    /// The number of factors in the file.
    public let read: Int
    /// The set whose factors were taken over for what the file does not have; nil for none.
    public let base: Int?
    /// The number of factors taken over.
    public let taken: Int
    /// The series by the hour of the new set.
    public let series: [FactorSeries]

    /// The number of lines sent to the database at once.
    private static let batch = 5000
    /// The largest number of factors in a file: 100 zones by the hour for more than 11 years.
    private static let most = 10_000_000

    /// Imports the file `path` as a new version. Of the set `base` (nil: of none), it also has the factors for the
    /// periods of which the file has none of the same kind, zone, type and signal.
    ///
    /// Errors: `badFactors`, naming file and line; `unknownFactorSet` for an unknown base, and if the new set would have
    /// no PUE. Then nothing is written.
    public static func run(
        _ path: String, note: String?, base: Int?, _ connection: Connection
    ) throws -> FactorImport {
        let name = URL(filePath: path).lastPathComponent
        let note = try checked(note ?? name)
        var file = try FactorFile(path: path)
        return try connection.transaction { connection in
            if let base, try connection.query(.factorSetGet(version: base)).isEmpty {
                throw AccountingError(
                    .unknownFactorSet, "there is no factor set \(base)",
                    remedy: "`ofa factors list` lists them")
            }
            let version = try connection.queryOne(.factorSetAdd(note: note)).int("version")
            var (lines, read) = ([FactorLine](), 0)
            while let line = try file.next() {
                lines.append(line)
                read += 1
                guard read <= most else {
                    throw AccountingError(
                        .badFactors, "\(path) has more than \(most) factors",
                        remedy: "import it in parts: each import goes on from the newest set")
                }
                if lines.count == batch {
                    try add(lines, to: version, file, connection)
                    lines.removeAll(keepingCapacity: true)
                }
            }
            if !lines.isEmpty { try add(lines, to: version, file, connection) }
            guard read > 0 else {
                throw AccountingError(.badFactors, "\(path) has no factor below its header")
            }
            let taken =
                if let base {
                    try connection.queryOne(.factorTake(version: version, base: base)).int("taken")
                } else { 0 }
            try check(version, path, connection)
            try connection.note(
                "import", "factor set \(version)", ["file": name, "factors": "\(read)"])
            return FactorImport(
                version: version, note: note, read: read, base: base, taken: taken,
                series: try FactorSeries.list(connection, version: version))
        }
    }

    /// Refuses a set that programs could not load: every command and worker loads the newest.
    private static func check(_ version: Int, _ path: String, _ connection: Connection) throws {
        do { _ = try FactorSet.load(connection, version: version) } catch let error
            as AccountingError
        {
            let remedy =
                error.code == .mixedFactors
                ? "the set needs lifecycle averages, too: go on from a set that has them, or import a file for each type"
                : "add a line such as pue,default,1.3,1,my estimate, or go on from a set that has one"
            throw AccountingError(.badFactors, "\(path): \(error.reason)", remedy: remedy)
        }
    }

    private static func checked(_ note: String) throws(AccountingError) -> String {
        do throws(InputFault) { return try TextRule.composed.checked(note) } catch {
            throw AccountingError(.badFactors, "the note \(error.reason)", remedy: error.remedy)
        }
    }

    private static func add(
        _ lines: [FactorLine], to version: Int, _ file: FactorFile, _ connection: Connection
    ) throws {
        let place = try connection.queryOne(
            .factorAdd(
                version: version, kinds: lines.map(\.kind), zones: lines.map(\.zone),
                fromUs: lines.map(\.fromUs), untilUs: lines.map(\.untilUs),
                values: lines.map(\.value), lows: lines.map(\.low), highs: lines.map(\.high),
                units: lines.map(\.unit), types: lines.map(\.type), signals: lines.map(\.signal),
                sources: lines.map(\.source), licences: lines.map(\.licence),
                vintages: lines.map(\.vintage))
        ).int("refused")
        guard place > 0 else { return }
        let line = lines[place - 1]
        let what = ([line.kind] + [line.type, line.signal].filter { $0 != "none" })
            .joined(separator: " ")
        let remedy =
            line.isHourly
            ? "give each hour once; in the night in which summer time ends, the local hour that comes twice has two offsets"
            : "periods of a kind, zone, type and signal must not overlap"
        throw file.refusal(
            "is the \(what) of \(line.zone) for a time that an earlier line has too", remedy,
            line: line.number)
    }
}

// Factor sets that are imported: whole or not at all, on top of another set, never with overlaps or mixed types.

import Foundation
import Metering
import Postgres
import TestSupport
import Testing

@testable import Accounting

/// Writes a file, imports it and removes it.
func importFactors(
    _ text: String, base: Int? = 1, note: String? = nil, _ connection: Connection
) throws -> FactorImport {
    let file = FileManager.default.temporaryDirectory.appending(path: "factors-\(UUID()).csv")
    try text.write(to: file, atomically: true, encoding: .utf8)
    defer {
        do { try FileManager.default.removeItem(at: file) } catch { Issue.record(error) }
    }
    return try FactorImport.run(file.path, note: note, base: base, connection)
}

@Suite struct FactorImportTests {
    private static let head = "kind,zone,value,unit,source,from,until,type,signal\n"
    private let database: TemporaryDatabase
    private let connection: Connection

    init() throws {
        database = try TemporaryDatabase()
        connection = try database.connect()
    }

    /// A line for an hour of 2026-01-01 (UTC), counted from its begin.
    private func hour(_ hour: Int, _ value: Double, basis: String = "lifecycle,average") -> String {
        let begin = Date(timeIntervalSince1970: 1_767_225_600 + 3600 * Double(hour))
        return "intensity,DEU,\(value),g/kWh,s,\(begin.formatted(.iso8601)),"
            + "\((begin + 3600).formatted(.iso8601)),\(basis)\n"
    }

    private func count() throws -> Int {
        try connection.queryOne(
            Statement(
                name: "Factors",
                sql: """
                    select (select count(*) from ofa.factor) + (select count(*) from ofa.factor_set)
                      + (select count(*) from ofa.action) as count
                    """)
        ).int("count")
    }

    @Test("a new set has the file's factors and those of its base for what the file lacks")
    func onTop() throws {
        let answer = try importFactors(
            Self.head + hour(0, 100) + hour(1, 400) + hour(4, 0)
                + "pue,default,1.5,1,s,,,,\nwue,default,1.8,L/kWh,s,,,,\n", note: "two hours",
            connection)
        #expect(answer.version == 2 && answer.read == 5 && answer.base == 1)
        // All of the first set but its PUE: the yearly value of DEU stands in for hours without one.
        #expect(answer.taken == 13)
        let series = try #require(answer.series.first)
        #expect(series.hours == 3 && series.missing_hours == 2 && series.gaps == 1)
        #expect(series.gap_from?.formatted(.iso8601) == "2026-01-01T02:00:00Z")
        #expect(series.gapsInWords?.contains("2 hours are missing in 1 gap") == true)
        let factors = try FactorSet.load(connection)
        #expect(factors.version == 2 && factors.note == "two hours")
        #expect(factors.pue.interval.value == 1.5 && factors.hourlyZones == ["DEU"])
        #expect(try factors.intensity("DEU").interval.value == 380.95)
        #expect(try FactorSet.load(connection, version: 1).hourlyZones.isEmpty)
        let sets = try FactorSetSummary.list(connection)
        #expect(sets.map(\.version) == [2, 1] && sets.map(\.hours) == [3, 0])
        #expect(sets[0].kinds == ["intensity", "pue", "wue"])
        #expect(try FactorPeriod.list(connection, version: 2, zone: "DEU").count == 1)
        // A next set replaces an hour of the series, and goes on with the others.
        let next = try importFactors(Self.head + hour(1, 7) + hour(2, 8), base: 2, connection)
        #expect(next.taken == 17 && next.series.first?.hours == 4)
        #expect(next.series.first?.least == 0 && next.series.first?.most == 100)
    }

    @Test(
        "an overlap and a bad line are refused with the number of the line, and nothing is written",
        arguments: [
            (
                "pue,a,1.1,1,s,,2026-01-01,,\npue,a,1.2,1,s,2026-01-01,,,\npue,a,1.3,1,s,2025-12-31,,,\n",
                4
            ),
            ("intensity,A,1,g/kWh,s,,,direct,average\nintensity,A,2,g/kWh,s,,,direct,average\n", 3),
            ("intensity,A,1,g/kWh,s,,,direct,average\nnonsense\n", 3),
        ])
    func refused(lines: String, number: Int) throws {
        let before = try count()
        let error = #expect(throws: AccountingError.self) {
            try importFactors(Self.head + lines, connection)
        }
        #expect(error?.code == .badFactors)
        #expect(error?.reason.contains(".csv:\(number): ") == true, "\(error?.reason ?? "")")
        #expect(try count() == before)
    }

    @Test("an hour that is there twice is refused, and the daylight-saving night is named")
    func twice() throws {
        // Beyond one batch, so that the first of the two is in the database.
        let many = (0..<5002).map { hour($0, 1) }.joined()
        let error = #expect(throws: AccountingError.self) {
            try importFactors(Self.head + many + hour(17, 2), connection)
        }
        #expect(error?.reason.contains(".csv:5004: ") == true, "\(error?.reason ?? "")")
        #expect(error?.remedy?.contains("summer time") == true)
    }

    @Test("intensities of several types are kept apart: a table uses one, and says which")
    func types() throws {
        _ = try importFactors(
            Self.head + hour(0, 50, basis: "direct,marginal")
                + "intensity,XYZ,9,g/kWh,s,,,direct,marginal\n", connection)
        let usual = try FactorSet.load(connection)
        #expect(usual.basis == .usual && usual.hourlyZones.isEmpty)
        let unknown = #expect(throws: AccountingError.self) { try usual.intensity("XYZ") }
        #expect(unknown?.remedy?.contains("--intensity direct-marginal") == true)
        #expect(try usual.zone(environment: ["OFA_ZONE": "XYZ"]) == "XYZ")
        let basis = try IntensityBasis("direct-marginal")
        let other = try FactorSet.load(connection, basis: basis)
        #expect(other.intensities.keys.sorted() == ["DEU", "XYZ"])
        #expect(try other.intensity("DEU").isHourly)
        let error = #expect(throws: AccountingError.self) {
            try FactorSet.load(connection, version: 1, basis: basis)
        }
        #expect(error?.code == .mixedFactors)
    }

    @Test(
        "a set that programs could not load is refused: without PUE, or of several types none of which is usual"
    )
    func unusable() throws {
        for lines in [
            "intensity,A,1,g/kWh,s,,,lifecycle,average\n",
            "pue,default,1.2,1,s,,,,\nintensity,A,1,g/kWh,s,,,direct,average\n"
                + "intensity,A,1,g/kWh,s,,,direct,marginal\n",
        ] {
            let before = try count()
            #expect(throws: AccountingError.self) {
                try importFactors(Self.head + lines, base: nil, connection)
            }
            #expect(try count() == before)
        }
        #expect(throws: AccountingError.self) {
            try importFactors(Self.head + hour(0, 1), base: 9, connection)
        }
    }

    @Test("a set is complete once its import has ended: nothing can be added to it")
    func complete() throws {
        let error = #expect(throws: PostgresError.self) {
            try connection.query(.factorTake(version: 1, base: 1))
        }
        #expect(error?.message.contains("complete") == true)
    }
}

// Files of factors: what is accepted, and what is refused with the number of its line.

import Foundation
import Testing

@testable import Accounting

@Suite struct FactorFileTests {
    private static let head = "kind,zone,value,unit,source,from,until,low,high,type,signal\n"

    /// Reads a file of this text, in pieces of `size` bytes.
    private func lines(_ text: String, piece size: Int = 7) throws -> [FactorLine] {
        var rest = Array(text.utf8)[...]
        var file = FactorFile(source: "made-up.csv") {
            guard !rest.isEmpty else { return nil }
            defer { rest = rest.dropFirst(size) }
            return Array(rest.prefix(size))
        }
        var lines: [FactorLine] = []
        while let line = try file.next() { lines.append(line) }
        return lines
    }

    private func refusal(_ text: String) -> AccountingError? {
        #expect(throws: AccountingError.self) { try lines(text) }
    }

    @Test(
        "columns come in any order, cells may be quoted, and comments and empty lines are skipped")
    func accepted() throws {
        let text =
            "\u{FEFF}zone,kind,source,unit,value,type,signal\r\n\r\n# measured\r\n"
            + "DEU , intensity,\"a, \"\"b\"\"\",g/kWh,380.95,lifecycle,average\r\n"
            + "default,pue,mine,1,1.2,,\n"
        for size in [1, 7, 1 << 16] {
            let lines = try lines(text, piece: size)
            #expect(lines.map(\.number) == [4, 5])
            #expect(lines.map(\.zone) == ["DEU", "default"])
            #expect(lines[0].source == "a, \"b\"" && lines[0].value == "380.95")
            #expect(lines.map(\.type) == ["lifecycle", "none"])
            #expect(lines.allSatisfy { $0.fromUs == nil && $0.untilUs == nil && !$0.isHourly })
        }
    }

    @Test("times are of UTC or have an offset: the local hour that comes twice is two hours")
    func daylightSaving() throws {
        let rows = [
            "2026-10-25T02:00:00+02:00,2026-10-25T02:00:00+01:00",
            "2026-10-25T02:00:00+01:00,2026-10-25T03:00:00+01:00",
            "2026-03-29T01:00:00+01:00,2026-03-29T03:00:00+02:00",
        ].map { "intensity,DEU,1,g/kWh,s,\($0),,,direct,average\n" }
        let lines = try lines(Self.head + rows.joined())
        #expect(lines.allSatisfy { $0.isHourly })
        #expect(lines[0].untilUs == lines[1].fromUs)
        #expect(lines[0].fromUs == 1_792_886_400_000_000)
        let local = try #require(
            refusal(
                Self.head + rows[0]
                    + "intensity,DEU,1,g/kWh,s,2026-10-25T02:00:00,2026-10-25T03:00:00,,,direct,average\n"
            ))
        #expect(local.reason.contains("made-up.csv:3:"))
        #expect(local.remedy?.contains("offset") == true)
    }

    @Test(
        "a bad line is refused, naming the file, its number and what is wrong",
        arguments: [
            ("intensity,DEU,-1,g/kWh,s,,,,,direct,average", "value"),
            ("intensity,DEU,1,kg/kWh,s,,,,,direct,average", "unit 'kg/kWh'"),
            ("intensity,DEU,1,g/kWh,s,,,,,,average", "type"),
            ("intensity,DEU,1,g/kWh,s,,,,,direct,", "signal"),
            ("intensity,DEU,1,g/kWh,s,,,2,3,direct,average", "outside"),
            ("intensity,DEU,1,g/kWh,s,,,1,,direct,average", "one bound"),
            ("intensity,DEU,1,g/kWh,,,,,,direct,average", "no source"),
            ("intensity,DEU,1,g/kWh,s,2026-01-01T00:30:00Z,,,,direct,average", "no full hour"),
            ("intensity,DEU,1,g/kWh,s,2026-01-02,2026-01-01,,,direct,average", "ends before"),
            ("intensity,DEU,1,g/kWh,s,2026-02-30,,,,direct,average", "no such moment"),
            ("pue,DEU,0.9,1,s,,,,,,", "value"),
            ("pue,DEU,1.1,1,s,,,,,direct,", "type or signal"),
            ("pue,DEU,1.1,1,s,2026-01-01T00:00:00Z,2026-01-01T01:00:00Z,,,,", "one hour"),
            ("price,DEU,1,€/kWh,s,,,,,,", "unit"),
            ("intensit,DEU,1,g/kWh,s,,,,,direct,average", "unknown kind"),
            ("pue,DEU,1.1,1,s,,,,,", "cells"),
            ("pue,DEU,1.1,1,\"s,,,,,,", "not closed"),
            ("pue,DEU,1.1,1,s\"t\",,,,,,", "quote within"),
        ])
    func refused(line: String, what: String) throws {
        let good = "pue,default,1.2,1,s,,,,,,\n"
        let error = try #require(refusal(Self.head + good + line + "\n" + good))
        #expect(error.code == .badFactors)
        #expect(error.reason.hasPrefix("made-up.csv:3: "), "\(error.reason)")
        #expect(error.reason.contains(what), "\(error.reason)")
    }

    @Test(
        "a header without a column or with an unknown one, an endless line and no text are refused")
    func heads() throws {
        #expect(
            refusal("kind,zone,value,unit\n")?.reason.contains("lacks the column source") == true)
        #expect(refusal(Self.head.replacing("low", with: "lo"))?.reason.contains("'lo'") == true)
        #expect(refusal("kind,kind\n")?.reason.contains("twice") == true)
        #expect(refusal("")?.reason.contains("empty") == true)
        let long = refusal(String(repeating: "x", count: 3 * FactorFile.mostBytes))
        #expect(long?.reason.contains("bytes") == true)
    }
}

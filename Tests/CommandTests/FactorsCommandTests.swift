// `ofa factors`, and `ofa cost` with other factors, as their users type them.

import Foundation
import TestSupport
import Testing

@Suite struct FactorsCommandTests {
    private static let head = "kind,zone,value,unit,source,from,until,type,signal\n"

    private func file(_ place: CommandPlace, _ lines: String) throws -> String {
        let file = place.folder.appending(path: "factors.csv")
        try (Self.head + lines).write(to: file, atomically: true, encoding: .utf8)
        return file.path
    }

    @Test("a file is imported as a new set on top of the newest, listed and shown")
    func imported() throws {
        let place = try CommandPlace()
        let hours = [0, 2].map {
            "intensity,DEU,\(100 + $0),g/kWh,a grid,2026-01-01T0\($0):00:00Z,2026-01-01T0\($0 + 1):00:00Z,lifecycle,average\n"
        }.joined()
        let path = try file(place, hours + "wue,default,1.8,L/kWh,mine,,,,\n")
        let answer = try place.document("factors", "import", path, "--note", "two hours")
        #expect(answer["version"] as? Int == 2 && answer["base"] as? Int == 1)
        #expect(answer["read"] as? Int == 3 && answer["taken"] as? Int == 14)
        let sets = try place.list("factors", "list")
        #expect(sets.map { $0["version"] as? Int } == [2, 1])
        #expect(sets[0]["note"] as? String == "two hours" && sets[0]["hours"] as? Int == 2)
        // `default` is no zone, but what zones without a factor of their own have.
        #expect(sets[1]["zones"] as? Int == 13 && sets[1]["periods"] as? Int == 14)
        let shown = try place.document("factors", "show", "2", "--zone", "DEU")
        let series = try #require((shown["series"] as? [[String: Any]])?.first)
        #expect(series["missing_hours"] as? Int == 1 && series["mean"] as? Double == 101)
        #expect((shown["periods"] as? [[String: Any]])?.count == 1)
        let text = try place.ofa("factors", "show").output
        #expect(text.contains("factor set 2: two hours"))
        #expect(text.contains("intensity of DEU: 1 hour is missing in 1 gap"))
        #expect(try place.ofa("factors", "show", "9").status == 2)
        // Costs name the set, and have the new fields, all unknown: nothing has run.
        let cost = try place.document("cost", "--by", "zone", "--until", "2026-01-31")
        #expect(cost["factors"] as? Int == 2 && cost["intensity_type"] as? String == "lifecycle")
        let total = try #require(cost["total"] as? [String: Any])
        for field in [
            "facility_kwh", "litres", "litres_low", "money", "currency", "embodied_gco2e",
            "energy_j_without_carbon", "seconds_without_money",
        ] { #expect(total.keys.contains(field), "\(field)") }
        #expect(cost.keys.contains("sci_g_per_target") && cost["device_targets"] as? Int == 0)
        #expect(try place.document("cost", "--factors", "1")["factors"] as? Int == 1)
        #expect(try place.ofa("cost", "--factors", "9").status == 2)
        #expect(try place.ofa("cost", "--by", "run", "--csv").output.hasPrefix("run,attempts,"))
        #expect(
            try place.ofa("cost", "--codecarbon-csv").output.hasPrefix("timestamp,project_name,"))
        let both = try place.ofa("cost", "--csv", "--json")
        #expect(both.status == 64)
        let rows = try place.document("cost", "explain", "--rows")["rows"] as? [Any]
        #expect(rows?.isEmpty == true)
        let mixed = try place.ofa("cost", "--intensity", "direct-marginal")
        #expect(mixed.status == 1 && mixed.errors.contains("no direct marginal intensities"))
    }

    @Test("a bad line is refused with file, number and remedy, and no set is added")
    func refused() throws {
        let place = try CommandPlace()
        let path = try file(
            place,
            "intensity,DEU,1,g/kWh,s,2026-10-25T02:00:00,2026-10-25T03:00:00,direct,average\n")
        let run = try place.ofa("factors", "import", path, "--alone")
        #expect(run.status == 1)
        #expect(run.errors.contains("factors.csv:2: "))
        #expect(run.errors.contains("comes twice"))
        #expect(try place.list("factors", "list").count == 1)
        #expect(try place.ofa("factors", "import", "nothing.csv").status == 1)
        #expect(try place.ofa("factors", "import", path, "--base", "9").status == 2)
        #expect(try place.ofa("factors", "import", path, "--base", "1", "--alone").status == 64)
    }
}

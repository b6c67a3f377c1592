// The questions about costs as people and scripts ask them: division over devices, break-even, comparison and forecast.
import Devices
import Foundation
import TestSupport
import Testing

@testable import ofa

@Suite struct CostQuestionTests {
    /// The lines of comma-separated values as dictionaries.
    private func rows(_ run: CommandRun) throws -> [[String: String]] {
        try #require(run.status == 0, "\(run.errors)")
        let lines = try CSVRows.read(run.output, source: "output").map(\.cells)
        let head = try #require(lines.first)
        return lines.dropFirst().map { Dictionary(uniqueKeysWithValues: zip(head, $0)) }
    }

    private func number(_ value: Any?) -> Double? { value as? Double }

    @Test(
        "a run's cost is divided over its device's network, and every answer agrees with ofa cost")
    func ran() throws {
        let place = try CommandPlace(images: true)
        let run = try place.ofa("run", "tiny.yaml")
        try #require(run.status == 0, "\(run.errors)")
        let cost = try #require(try place.document("cost", "1")["total"] as? [String: Any])
        let uj = try #require(cost["energy_uj"] as? Int)

        let amortised = try place.document("cost", "amortise", "1")
        let targets = try #require(amortised["targets"] as? [[String: Any]])
        #expect(targets.map { $0["device"] as? String } == ["this-machine"])
        let total = try #require(amortised["total"] as? [String: Any])
        let rest = try #require(amortised["unallocated"] as? [String: Any])
        #expect(
            total["energy_uj"] as? Int == uj
                && total["emission_ug"] as? Int == cost["emission_ug"] as? Int)
        let parts = [targets[0], rest].map { $0["energy_uj"] as? Int ?? -1 }
        #expect(parts.reduce(0, +) == uj, "\(parts)")
        // The networks that serve no device, and the report, are of no device.
        let stages = try #require(amortised["unallocated_stages"] as? [[String: Any]])
        #expect(
            Set(stages.compactMap { $0["stage"] as? String }).isSuperset(of: [
                "largest", "smallest",
            ]))
        #expect(stages.allSatisfy { $0["reason"] as? String == "no_target" })
        #expect(amortised["as_of"] is String && amortised["other_runs"] as? [Int] == [])

        let table = try rows(
            try place.ofa("cost", "amortise", "1", "--use", "this-machine=7", "--csv"))
        #expect(table.map { $0["row"] } == ["target", "shared", "unallocated", "total"])
        #expect(table[0]["uses"] == "7" && table[3]["energy_uj"] == "\(uj)")
        #expect(table[0]["energy_uj"] == "\(parts[0])" && table[1]["energy_uj"] == "")
        let text = try place.ofa("cost", "amortise")
        #expect(
            text.output.contains("this-machine") && text.output.contains("as of 20"),
            "\(text.output)")

        let even = try place.document("cost", "breakeven", "1", "--alone-hours", "1:0.5:2")
        let row = try #require((even["rows"] as? [[String: Any]])?.first)
        #expect(row["targets"] as? Int == 1 && row["unit"] as? String == "h")
        #expect(row["tier"] is NSNull && row["never"] as? Bool == false)
        let alone = try place.document(
            "cost", "breakeven", "1", "--alone", "1", "--alone-stages", "full")
        let units = (alone["rows"] as? [[String: Any]])?.compactMap { $0["unit"] as? String }
        #expect(units == ["kWh", "h", "kg CO2e"])

        let compared = try place.document("cost", "compare", "1")
        let measured = try #require(compared["rows"] as? [[String: Any]]).filter {
            $0["baseline"] as? String == "measured"
        }
        #expect(measured.count == 4 && compared["factors"] as? Int == 1)
        let kwh = try #require(number(cost["kwh"]))
        #expect(abs((number(measured[0]["it_kwh"]) ?? 0) / kwh - 1) < 1e-9)
        #expect(measured.allSatisfy { $0["factor"] is NSNull && $0["usd"] is NSNull })

        let forecast = try place.document("cost", "forecast", "1")
        let left = try #require(forecast["remaining"] as? [String: Any])
        #expect(left["energy_j"] as? Double == 0 && forecast["unknown_stages"] as? [String] == [])
        #expect(try place.ofa("cost", "forecast").output.contains("nothing is left"))
        // The same pipeline again, before it runs, is forecast from this run.
        #expect(try place.ofa("enqueue", "tiny.yaml").status == 0)
        let ahead = try rows(try place.ofa("cost", "forecast", "2", "--csv"))
        #expect(ahead.allSatisfy { $0["basis"] == "like runs" && $0["observations"] == "1" })
        #expect(Set(ahead.map { $0["state"] ?? "" }) == ["available", "blocked"])
        #expect(try place.ofa("cost", "forecast", "2").output.contains("run 2 tiny: ends in"))

        try errors(place)
    }

    private func errors(_ place: CommandPlace) throws {
        for (arguments, word) in [
            (["amortise", "9"], "there is no run 9"),
            (
                ["amortise", "1", "--use", "watch=3"],
                "no network of these runs is for device 'watch'"
            ),
            (["amortise", "--factors", "77"], "there is no factor set 77"),
            (
                ["breakeven", "2", "--alone-kwh", "3"],
                "no network for a device descends from run 2"
            ),
            (["breakeven", "1", "--alone", "2"], "no network that was trained alone"),
            (["compare", "9"], "there is no run 9"), (["forecast", "9"], "there is no run 9"),
        ] {
            let run = try place.ofa(["cost"] + arguments)
            #expect(run.status == 2 && run.errors.contains(word), "\(arguments): \(run.errors)")
        }
        let file = place.folder.appending(path: "uses.csv")
        try "count,device\n5,this-machine\n".write(to: file, atomically: true, encoding: .utf8)
        let uses = try place.document("cost", "amortise", "1", "--uses", "uses.csv")
        #expect((uses["targets"] as? [[String: Any]])?.first?["uses"] as? Int == 5)
        for (text, word) in [
            ("name,n\nx,1\n", "columns device and count"),
            ("device,count\nx\n", "line 2 has 1 cells"),
            ("device,count\nx,1.5\n", "line 2: the count is '1.5'"),
        ] {
            try text.write(to: file, atomically: true, encoding: .utf8)
            let run = try place.ofa("cost", "amortise", "1", "--uses", "uses.csv")
            #expect(run.status == 1 && run.errors.contains(word), "\(run.errors)")
        }
    }

    @Test("plain numbers and published rows need no database, and have the published digits")
    func plain() throws {
        let place = try CommandPlace()
        let even = try place.document(
            "cost", "breakeven", "--fixed", "1240", "--per-target", "0,25,75", "--alone",
            "150,180,500,576")
        let rows = try #require(even["rows"] as? [[String: Any]])
        #expect(rows.prefix(4).compactMap { $0["targets"] as? Int } == [9, 7, 3, 3])
        #expect(rows[4]["targets"] as? Int == 10 && rows[8]["targets"] as? Int == 17)
        #expect(even["run"] is NSNull && rows[0]["tier"] as? String == "U")
        let never = try place.ofa(
            "cost", "breakeven", "--fixed", "5", "--per-target", "9", "--alone", "9")
        #expect(never.status == 0 && never.output.contains("never"), "\(never.output)")
        let csv = try self.rows(try place.ofa("cost", "compare", "--csv", "--targets", "40"))
        #expect(csv[0]["lb_co2e"]?.hasPrefix("626155.3") == true, "\(csv[0])")
        let text = try place.ofa("cost", "compare")
        #expect(text.output.contains("626,155") && text.output.contains("different baselines"))
    }

    @Test("every question has help with an example; contradictory options are usage errors")
    func usage() throws {
        let place = try CommandPlace()
        for name in ["amortise", "breakeven", "compare", "forecast"] {
            let help = try place.ofa("cost", name, "--help")
            #expect(
                help.status == 0 && help.output.contains("Example:\n  ofa cost \(name)"),
                "\(help.output)")
        }
        for (arguments, word) in [
            (["amortise", "--csv", "--json"], "both want standard output"),
            (["amortise", "--split", "use"], "needs the numbers of uses"),
            (["amortise", "--split", "equal", "--use", "a=1"], "are for --split use"),
            (["amortise", "--use", "a"], "is no number of uses"),
            (["amortise", "--use", "a=-1"], "it must lie in 0"),
            (["amortise", "--split", "half"], "equal"),
            (["amortise", "--as-of", "yesterday"], "write a moment"),
            (["breakeven"], "neither a run nor numbers"),
            (["breakeven", "--fixed", "1", "--alone", "x"], "write a decimal number"),
            (["breakeven", "--fixed", "1", "--alone", "5:6:7"], "value:low:high"),
            (["breakeven", "3"], "is not given"),
            (["breakeven", "3", "--alone", "3"], "names the run itself"),
            (["breakeven", "3", "--fixed", "1", "--alone", "4"], "are measured of a run"),
            (["breakeven", "3", "--alone-kwh", "1", "--networks", "2"], "are for --alone RUN"),
            (["compare", "--alone", "3"], "are for a run"),
        ] {
            let run = try place.ofa(["cost"] + arguments)
            #expect(run.status == 64 && run.errors.contains(word), "\(arguments): \(run.errors)")
        }
    }
}

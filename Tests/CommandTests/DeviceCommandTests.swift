// `ofa device` as its users type it.
import Foundation
import Networks
import TestSupport
import Testing

@Suite struct DeviceCommandTests {
    @Test("a device that is added is listed and shown with its limits")
    func roundTrip() throws {
        let place = try CommandPlace()
        let added = try place.document(
            "device", "add", "doorbell", "--kind", "microcontroller", "--max-flash-kb", "512",
            "--max-peak-memory-kb",
            "132.5", "--max-macs", "3000000", "--max-params", "1000000", "--batch", "2",
            "--threads", "3",
            "--max-energy-mj", "2.5", "--pj-per-mac", "0.5")
        #expect(added["max_flash_kb"] as? Double == 512)
        #expect(added["max_peak_memory_kb"] as? Double == 132.5)
        #expect(added["max_macs"] as? Int == 3_000_000)
        #expect(added["max_params"] as? Int == 1_000_000)
        #expect(added["max_latency_ms"] is NSNull)
        #expect(added["max_energy_mj"] as? Double == 2.5)
        #expect(added["pj_per_mac"] as? Double == 0.5)
        #expect(added["pj_per_weight_byte"] as? Double == 162.5)
        #expect(added["bytes_per_weight"] as? Int == 1)
        #expect(added["batch"] as? Int == 2 && added["threads"] as? Int == 3)
        #expect(added["latency_table_is_outdated"] as? Bool == false)
        let shown = try place.document("device", "show", "doorbell")
        #expect(shown as NSDictionary == added as NSDictionary)
        _ = try place.document("device", "add", "doorbell", "--kind", "phone")
        let all = try place.list("device", "list")
        #expect(all.map { $0["kind"] as? String } == ["phone"])
        #expect(try place.ofa("device", "list").output.contains("doorbell"))
    }

    @Test("a table stays while a device's limits change, and goes when its batch or threads do")
    func table() throws {
        let place = try CommandPlace()
        let file = try place.table("ms.csv")
        let table = try place.document(
            "device", "add", "d", "--kind", "phone", "--latency-table", file)["latency_table"]
        #expect(table as? Int == 1)
        let kept = try place.document(
            "device", "add", "d", "--kind", "phone", "--max-latency-ms", "5")
        #expect(kept["latency_table"] as? Int == 1)
        let gone = try place.document("device", "add", "d", "--kind", "phone", "--batch", "8")
        #expect(gone["latency_table"] is NSNull)
        _ = try place.document("device", "add", "e", "--kind", "phone", "--latency-table", file)
        let other = try place.document("device", "add", "e", "--kind", "phone", "--threads", "2")
        #expect(other["latency_table"] is NSNull && other["threads"] as? Int == 2)
        #expect(
            try place.ofa("device", "show", "e").output.contains("phone, batch 1, 2 threads"))
    }

    @Test("comma-separated tables of latencies and energies are stored, and stay")
    func tables() throws {
        let place = try CommandPlace()
        let latency = try place.table("ms.csv")
        let energy = try place.table("mj.csv", unit: "mj", sizes: [20])
        let added = try place.document(
            "device", "add", "d", "--kind", "phone", "--latency-table", latency,
            "--energy-table", energy, "--max-energy-mj", "3")
        #expect(try #require(added["latency_table_entries"] as? Int) > 20)
        #expect(added["latency_table_resolutions"] as? [Int] == [20, 28])
        #expect(added["energy_table"] is Int)
        let kept = try place.document("device", "add", "d", "--kind", "phone")
        #expect(kept["energy_table"] as? Int == added["energy_table"] as? Int)
        #expect(kept["max_energy_mj"] is NSNull)
        let kinds = try place.list("artifacts", "list").compactMap { $0["kind"] as? String }
        #expect(Set(kinds) == ["latency-table", "energy-table"])
    }

    @Test(
        "all published sizes are imported, and another device is calibrated from ten networks",
        .enabled(if: SharedFolders.published("note10") != nil, "\(SharedFolders.publishedHint)"))
    func calibrated() throws {
        let place = try CommandPlace()
        let folder = try #require(SharedFolders.published("note10")).path
        let note10 = try place.document(
            "device", "add", "note10", "--kind", "phone", "--latency-table", folder)
        #expect(
            note10["latency_table_resolutions"] as? [Int]
                == Array(stride(from: 160, through: 224, by: 4)))
        _ = try place.document("device", "add", "watch", "--kind", "phone")
        let common = [
            "device", "calibrate", "watch", "--reference", "note10", "--space", "ofa-mbv3-w1.2",
        ]
        let plan = try place.ofa(common + ["--plan", "10", "--resolutions", "160,192"])
        let networks = plan.output.split(separator: "\n")
        #expect(networks.count == 10)
        // A watch that is twice as slow, whatever the network.
        let measured = try networks.map { line in
            let arch = try #require(line.split(separator: ":", maxSplits: 1).last).dropLast()
            let cost = try place.ofa(
                "arch", "cost", "--space", "ofa-mbv3-w1.2", "--latency-table", folder, "--arch",
                String(arch), "--json")
            let answer = try JSONSerialization.jsonObject(with: Data(cost.output.utf8))
            let latency = try #require((answer as? [String: Any])?["latency_ms"] as? Double)
            return "{\"arch\":\(arch),\"latency_ms\":\(2 * latency)}"
        }
        let file = place.folder.appending(path: "watch.jsonl")
        try measured.joined(separator: "\n").write(to: file, atomically: true, encoding: .utf8)
        let found = try place.document(common + ["--measurements", file.path])
        #expect(abs(try #require(found["factor"] as? Double) - 2) < 1e-6)
        #expect(try #require(found["held_out_error"] as? Double) < 1e-6)
        let watch = try place.document("device", "show", "watch")
        #expect(watch["latency_table"] as? Int == found["latency_table"] as? Int)
        #expect(watch["latency_table_entries"] as? Int == note10["latency_table_entries"] as? Int)
        // What was calibrated serves other commands by its number.
        let number = "\(try #require(found["latency_table"] as? Int))"
        let arch = try #require(networks[0].split(separator: ":", maxSplits: 1).last).dropLast()
        func latency(_ table: String) throws -> Double {
            let cost = try place.document(
                "arch", "cost", "--space", "ofa-mbv3-w1.2", "--latency-table", table, "--arch",
                String(arch))
            return try #require(cost["latency_ms"] as? Double)
        }
        #expect(abs(try latency(number) - 2 * (try latency(folder))) < 1e-6)
        let other = try place.ofa(
            "search", "--space", "ofa-mbv3-w1.2", "--predictor",
            try #require(SharedFolders.published("acc_predictor.pth")).path, "--energy-table",
            number, "--max-energy-mj", "5")
        #expect(other.status == 1)
        #expect(other.errors.contains("is a latency-table, not of kind energy-table"))
        try "{\"latency_ms\":1}\n".write(to: file, atomically: true, encoding: .utf8)
        let broken = try place.ofa(common + ["--measurements", file.path])
        #expect(broken.status == 1)
        #expect(broken.errors.contains("watch.jsonl, line 1: field arch is missing"))
        #expect(try place.ofa(common).status == 64)
    }

    @Test("this computer is measured, checked and corrected; what is known is not measured again")
    func measured() throws {
        let place = try CommandPlace()
        _ = try place.document("device", "add", "here", "--kind", "computer")
        let first = try place.document(
            "device", "measure", "here", "--resolutions", "28", "--repeats", "3",
            "--whole-networks", "5")
        let found = try #require(first["measurement"] as? [String: Any])
        #expect(first["latency_table_resolutions"] as? [Int] == [28])
        #expect(try #require(found["measured"] as? Int) == found["entries"] as? Int)
        #expect(found["known"] as? Int == 0)
        let rows = try #require(found["networks"] as? [[String: Any]])
        #expect(rows.count == 5)
        for row in rows {
            for field in ["table_ms", "corrected_ms", "whole_ms"] {
                #expect(try #require(row[field] as? Double) > 0)
            }
        }
        for field in ["mean_error", "worst_error", "corrected_mean_error", "seconds"] {
            #expect(found[field] is Double, "\(field)")
        }
        #expect((found["correction"] as? [String: Any])?["scale"] is Double)
        let again = try place.document(
            "device", "measure", "here", "--resolutions", "28", "--repeats", "3",
            "--whole-networks", "5")
        let second = try #require(again["measurement"] as? [String: Any])
        #expect(second["measured"] as? Int == 0)
        #expect(second["known"] as? Int == found["measured"] as? Int)
        #expect(try place.ofa("device", "measure", "here", "--resolutions", "x").status == 64)
        #expect(try place.ofa("device", "measure", "here", "--repeats", "1").status == 64)
        try sharesItsTable(again, in: place)
    }

    /// A measured table serves a second device, with its check and corrections, but not at another
    /// batch.
    private func sharesItsTable(_ measured: [String: Any], in place: CommandPlace) throws {
        let number = "\(try #require(measured["latency_table"] as? Int))"
        let twin = try place.document(
            "device", "add", "twin", "--kind", "computer", "--latency-table", number)
        for field in ["latency_table", "latency_table_mean_error", "latency_table_entries"] {
            #expect(twin[field] as? NSNumber == measured[field] as? NSNumber && twin[field] != nil)
        }
        let batch = try place.ofa(
            "device", "add", "twin", "--kind", "computer", "--latency-table", number, "--batch", "8"
        )
        let other = "has latencies of batch size 1, and 8 is requested"
        #expect(batch.status == 2 && batch.errors.contains(other), "\(batch.errors)")
        // Nor for an existing device of another batch, nor as a file with the same bytes.
        let table = place.folder.appending(path: "table.json").path
        #expect(try place.ofa("artifacts", "get", number, "-o", table).status == 0)
        _ = try place.document("device", "add", "eight", "--kind", "computer", "--batch", "8")
        for arguments in [
            [
                "arch", "cost", "--space", "fashion-mbv3", "--device", "eight", "--latency-table",
                number, "--arch", "{}",
            ],
            [
                "device", "add", "file", "--kind", "computer", "--batch", "8", "--latency-table",
                table,
            ],
        ] {
            let run = try place.ofa(arguments)
            #expect(run.status == 2 && run.errors.contains(other), "\(arguments): \(run.errors)")
        }
        // The device's table and bytes apply to a network's costs; options beside it take precedence.
        let nine = Array(repeating: 3, count: 9)
        let cost = [
            "arch", "cost", "--space", "fashion-mbv3", "--arch",
            "{\"ks\":\(nine),\"e\":\(nine),\"d\":[2,2,2],\"r\":28}",
        ]
        let named = try place.document(cost + ["--latency-table", number])
        let device = try place.document(cost + ["--device", "twin"])
        #expect(device as NSDictionary == named as NSDictionary)
        #expect(device["latency_ms"] is Double)
        let small = try place.document(
            cost + ["--device", "twin", "--bytes-per-weight", "1"])
        let costs = try NetworkCost(
            .fashion,
            SearchSpace.fashion.architecture(
                "{\"ks\":\(nine),\"e\":\(nine),\"d\":[2,2,2],\"r\":28}"))
        #expect(small["flash_bytes"] as? Int == costs.eightBitBytes)
        #expect(device["flash_bytes"] as? Int == 4 * costs.flashElements)
        #expect(try place.ofa(cost + ["--device", "nothing"]).status == 2)
        let missing = try place.ofa(
            "device", "add", "d", "--kind", "phone", "--latency-table", "nothing")
        #expect(missing.status == 2)
        #expect(missing.errors.contains("there is neither a file nor an artifact 'nothing'"))
    }

    @Test("a device that is removed is gone, and its table stays")
    func removed() throws {
        let place = try CommandPlace()
        let device = try place.document(
            "device", "add", "d", "--kind", "phone", "--latency-table", try place.table("ms.csv"))
        #expect(try place.document("device", "remove", "d")["removed"] as? String == "d")
        #expect(try place.list("device", "list").isEmpty)
        let table = "\(try #require(device["latency_table"] as? Int))"
        #expect(
            try place.document("artifacts", "show", table)["kind"] as? String == "latency-table")
        let again = try place.ofa("device", "remove", "d")
        #expect(again.status == 2)
        #expect(again.errors.contains("there is no device d"))
        // Under the same name a new one begins without a table.
        let new = try place.document("device", "add", "d", "--kind", "phone")
        #expect(new["latency_table"] is NSNull)
    }

    @Test(
        "limits that no known space meets, and tables of none, are refused before anything is stored"
    )
    func unserved() throws {
        let place = try CommandPlace()
        func refused(_ arguments: String..., message: String) throws {
            let run = try place.ofa(["device", "add", "d"] + arguments)
            #expect(run.status == 2 && run.errors.contains(message), "\(run.errors)")
            #expect(try place.list("device", "list").isEmpty)
            #expect(try place.list("artifacts", "list").isEmpty)
        }
        try refused(
            "--kind", "phone", "--max-macs", "10",
            message:
                "no network of fashion-mbv3 meets the limits of device d: macs ≤ 10: the smallest"
                + " reachable is 1370544")
        let file = place.folder.appending(path: "20.csv")
        try "resolution,key,ms\n20,some-part,1\n20,other,2\n".write(
            to: file, atomically: true, encoding: .utf8)
        try refused(
            "--kind", "phone", "--latency-table", file.path,
            message: "device d: the tables fit no known space: ")
        try "resolution,key,ms\n21,some-part,1\n21,other,2\n".write(
            to: file, atomically: true, encoding: .utf8)
        try refused(
            "--kind", "phone", "--energy-table", try place.table("mj.csv", unit: "mj"),
            "--latency-table", file.path, message: "they have image sizes 21 and 20, 28")
        // The table that is kept counts too, and a latency that is still to be measured does not.
        let table = try place.table("ms.csv")
        try refused(
            "--kind", "phone", "--latency-table", table, "--max-latency-ms", "0.001",
            message: "latency_ms ≤ 0.001")
        _ = try place.document("device", "add", "d", "--kind", "phone", "--latency-table", table)
        let late = try place.ofa(
            "device", "add", "d", "--kind", "phone", "--max-latency-ms", "0.001")
        #expect(late.status == 2, "\(late.errors)")
        let kept = try place.document("device", "show", "d")
        #expect(kept["max_latency_ms"] is NSNull && kept["latency_table"] is Int)
        _ = try place.document(
            "device", "add", "here", "--kind", "computer", "--max-latency-ms", "0.001")
    }

    @Test("a table that is none is an error naming the file")
    func brokenTable() throws {
        let place = try CommandPlace()
        let file = place.folder.appending(path: "20_lookup_table.yaml")
        try "part:\n  count: 3\n".write(to: file, atomically: true, encoding: .utf8)
        let run = try place.ofa(
            "device", "add", "d", "--kind", "phone", "--latency-table", file.path)
        #expect(run.status == 1)
        #expect(run.errors.contains("20_lookup_table.yaml, line 1: part has no mean"))
        #expect(try place.list("device", "list").isEmpty)
    }

    @Test("an unknown device ends with exit code 2, and only this computer is measured")
    func unknown() throws {
        let place = try CommandPlace()
        let show = try place.ofa("device", "show", "nothing")
        #expect(show.status == 2)
        #expect(
            show.errors
                == "Error: there is no device nothing; known are none; add it with ofa device add nothing\n"
        )
        #expect(try place.ofa("device", "measure", "nothing").status == 2)
        _ = try place.ofa("device", "add", "p", "--kind", "phone")
        let measure = try place.ofa("device", "measure", "p")
        #expect(measure.status == 1)
        #expect(measure.errors.contains("only this machine can be measured"))
        #expect(try place.ofa("device", "measure", "p", "--space", "nowhere").status == 2)
    }

    @Test(
        "limits and names that make no sense are usage errors",
        arguments: [
            ["a", "--kind", "toaster"], ["a b", "--kind", "phone"],
            ["a", "--kind", "phone", "--max-macs", "0"],
            ["a", "--kind", "phone", "--max-latency-ms=-1"],
            ["a", "--kind", "phone", "--max-flash-kb", "nan"],
            ["a", "--kind", "phone", "--batch", "0"], ["a"],
            ["a", "--kind", "phone", "--max-energy-mj", "0"],
            ["a", "--kind", "phone", "--bytes-per-weight", "9"],
            ["a", "--kind", "phone", "--threads", "0"],
            ["a", "--kind", "phone", "--threads", "257"],
            ["a", "--kind", "phone", "--pj-per-mac=-1"],
        ])
    func usage(arguments: [String]) throws {
        #expect(try CommandRun(["device", "add"] + arguments).status == 64)
    }
}

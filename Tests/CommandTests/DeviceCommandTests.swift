// `ofa device` as its users type it.
import Foundation
import TestSupport
import Testing

@Suite struct DeviceCommandTests {
    @Test("a device that is added is listed and shown with its limits")
    func roundTrip() throws {
        let place = try CommandPlace()
        let added = try place.document(
            "device", "add", "doorbell", "--kind", "microcontroller", "--max-flash-kb", "128",
            "--max-peak-memory-kb",
            "32.5", "--max-macs", "3000000", "--max-params", "100000", "--batch", "2")
        #expect(added["max_flash_kb"] as? Double == 128)
        #expect(added["max_peak_memory_kb"] as? Double == 32.5)
        #expect(added["max_macs"] as? Int == 3_000_000)
        #expect(added["max_params"] as? Int == 100_000)
        #expect(added["max_latency_ms"] == nil)
        #expect(added["bytes_per_weight"] as? Int == 1)
        #expect(added["batch"] as? Int == 2)
        let shown = try place.document("device", "show", "doorbell")
        #expect(shown as NSDictionary == added as NSDictionary)
        _ = try place.document("device", "add", "doorbell", "--kind", "phone")
        let all = try place.list("device", "list")
        #expect(all.map { $0["kind"] as? String } == ["phone"])
        #expect(try place.ofa("device", "list").output.contains("doorbell"))
    }

    @Test("a table stays while a device's limits change, and goes when its batch does")
    func table() throws {
        let place = try CommandPlace()
        let file = place.folder.appending(path: "20_lookup_table.yaml")
        try "some-part:\n  count: 3\n  mean: 0.5\n  std: 0.1\n".write(
            to: file, atomically: true, encoding: .utf8)
        let table = try place.document(
            "device", "add", "d", "--kind", "phone", "--latency-table", file.path)["latency_table"]
        #expect(table as? Int == 1)
        let kept = try place.document(
            "device", "add", "d", "--kind", "phone", "--max-latency-ms", "5")
        #expect(kept["latency_table"] as? Int == 1)
        let gone = try place.document("device", "add", "d", "--kind", "phone", "--batch", "8")
        #expect(gone["latency_table"] == nil)
    }

    @Test("a table that is none is an error naming the file")
    func brokenTable() throws {
        let place = try CommandPlace()
        let file = place.folder.appending(path: "20_lookup_table.yaml")
        try "part:\n  count: 3\n".write(to: file, atomically: true, encoding: .utf8)
        let run = try place.ofa(
            "device", "add", "d", "--kind", "phone", "--latency-table", file.path)
        #expect(run.status == 1)
        #expect(run.errors.contains("20_lookup_table.yaml: part has no "))
        #expect(try place.list("device", "list").isEmpty)
    }

    @Test("an unknown device ends with exit code 2, and only this computer is measured")
    func unknown() throws {
        let place = try CommandPlace()
        let show = try place.ofa("device", "show", "nothing")
        #expect(show.status == 2)
        #expect(
            show.errors
                == "Error: there is no device nothing, known are none: add it with ofa device add nothing\n"
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
        ])
    func usage(arguments: [String]) throws {
        #expect(try CommandRun(["device", "add"] + arguments).status == 64)
    }
}

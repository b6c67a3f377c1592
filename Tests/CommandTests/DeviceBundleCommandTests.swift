// `ofa device bundle` and `ofa device import-results`, with results made up from the manifest.
import Foundation
import TestSupport
import Testing

@Suite struct DeviceBundleCommandTests {
    /// A place with a device and its bundle at one size.
    private func bundled() throws -> (place: CommandPlace, folder: URL, answer: [String: Any]) {
        let place = try CommandPlace()
        _ = try place.document("device", "add", "board", "--kind", "phone")
        let folder = place.folder.appending(path: "bundle")
        let answer = try place.document(
            "device", "bundle", "board", "--space", "fashion-mbv3", "--resolutions", "20", "-o",
            folder.path + "/")
        return (place, folder, answer)
    }

    /// Results in which parts take 0.1 ms and more, and a whole network about as long as its parts.
    private func results(_ folder: URL, digest: String) throws -> [String: Any] {
        let manifest = try #require(
            JSONSerialization.jsonObject(
                with: Data(contentsOf: folder.appending(path: "manifest.json"))) as? [String: Any])
        let entries = try #require(manifest["entries"] as? [[String: Any]])
        var found: [String: [Double]] = [:]
        for entry in entries {
            let name = try #require(entry["name"] as? String)
            let file = folder.appending(path: try #require(entry["file"] as? String))
            #expect(FileManager.default.fileExists(atPath: file.path))
            var value = entry["kind"] as? String == "overhead" ? 0.01 : 0.11
            if let arch = entry["arch"] as? [String: Any] {
                let depths = try #require(arch["d"] as? [Int])
                value = 0.01 + 0.1 * Double(depths.reduce(0, +) + 6)
            }
            found[name] = Array(repeating: value, count: 5)
        }
        return [
            "format": "ofa-bundle-results-1", "manifest": digest,
            "bundle": try #require(manifest["bundle"]), "runtime": "onnxruntime 1",
            "provider": "CPUExecutionProvider", "threads": 1, "machine": "board",
            "complete": true, "milliseconds": found,
        ]
    }

    private func write(_ results: [String: Any], _ place: CommandPlace) throws -> String {
        let file = place.folder.appending(path: "results.json")
        try JSONSerialization.data(withJSONObject: results).write(to: file)
        return file.path
    }

    @Test("results of a bundle become the device's table, checked on its whole networks")
    func imported() throws {
        let (place, folder, answer) = try bundled()
        #expect(answer["whole_networks"] as? Int == 20 && answer["batch"] as? Int == 1)
        let runner = folder.appending(path: "run.py")
        #expect(try String(contentsOf: runner, encoding: .utf8).hasPrefix("#!/usr/bin/env python3"))
        let digest = try #require(answer["manifest"] as? String)
        let file = try write(try results(folder, digest: digest), place)
        let found = try place.document("device", "import-results", "board", file)
        #expect(found["entries"] as? Int == answer["parts"] as? Int)
        #expect((found["networks"] as? [Any])?.count == 20)
        #expect(try #require(found["corrected_mean_error"] as? Double) < 0.05)
        #expect(found["runtime"] as? String == "onnxruntime 1")
        let device = try place.document("device", "show", "board")
        #expect(device["latency_table"] as? Int == found["latency_table"] as? Int)
        #expect(device["latency_table_resolutions"] as? [Int] == [20])
        // The folder is not replaced.
        let again = try place.ofa(
            "device", "bundle", "board", "--space", "fashion-mbv3", "-o", folder.path)
        #expect(again.status == 1 && again.errors.contains("exists and is not empty"))
    }

    @Test("results that do not fit the bundle, the device or the space store nothing")
    func refused() throws {
        let (place, folder, answer) = try bundled()
        let good = try results(folder, digest: try #require(answer["manifest"] as? String))
        let device = try place.document("device", "show", "board") as NSDictionary
        func refused(
            _ told: String, _ arguments: [String] = [],
            _ change: (inout [String: Any]) throws -> Void
        ) throws {
            var results = good
            try change(&results)
            let run = try place.ofa(
                ["device", "import-results", "board", try write(results, place)] + arguments)
            #expect(run.status != 0 && run.errors.contains(told), "\(run.errors)")
            #expect(try place.list("artifacts", "list").isEmpty)
            #expect(try place.document("device", "show", "board") as NSDictionary == device)
        }
        try refused("are of 4 threads, and device board has 1") { $0["threads"] = 4 }
        var source = try #require(good["bundle"] as? [String: Any])
        try refused("are of a manifest that") { $0["manifest"] = "00" }
        try refused("field milliseconds is missing") { $0["milliseconds"] = nil }
        try refused("timings of '20 overhead'") { results in
            var found = try #require(results["milliseconds"] as? [String: [Double]])
            found["20 overhead"] = nil
            results["milliseconds"] = found
        }
        source["device"] = "other"
        try refused("are of device other, not of board") { $0["bundle"] = source }
        source["device"] = "board"
        source["resolutions"] = [20, 20]
        try refused("bundle.resolutions names a size twice") { $0["bundle"] = source }
        source["resolutions"] = [20]
        source["batch"] = 4
        try refused("are of batch size 4") { $0["bundle"] = source }
        source["space"] = "nothing"
        try refused("no search space is named nothing") { $0["bundle"] = source }
        try refused("and space ofa-mbv3-w1.0 has", ["--space", "ofa-mbv3-w1.0"]) { _ in }
        let missing = try place.ofa("device", "import-results", "board", "nothing.json")
        #expect(missing.status == 2 && missing.errors.contains("there is no file nothing.json"))
    }
}

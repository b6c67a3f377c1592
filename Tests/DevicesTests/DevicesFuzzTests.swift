// Mutated tables and measurements: a value or a typed error, whatever the bytes are.

import Foundation
import Networks
import TestSupport
import Testing

@testable import Devices

@Suite struct DevicesFuzzTests {
    /// Reads mutated tables of one name; every entry that is read has sound numbers.
    private func tables(_ title: String, _ name: String, share: Double, _ texts: [String]) throws {
        let words = ["count", "mean", "std", "key", "resolution", "ms", "entries", "16", "0.5"]
        try Mutations(title, of: texts, words: words).run(
            Mutations.cases(share: share), throwing: DeviceError.self
        ) { bytes in
            let table = try LatencyTable(bytes: bytes, name: name, source: name)
            for (size, parts) in table.entries {
                #expect((1...4096).contains(size))
                for entry in parts.values {
                    #expect(entry.mean >= 0 && entry.mean.isFinite && entry.count > 0)
                    #expect(entry.std >= 0 && entry.std.isFinite)
                }
            }
        }
    }

    private let plain =
        "a:\n  count: 2\n  mean: 1.5e-05\n  std: 0\nb-c:1:\n  count: 9\n  mean: 2.0\n  std: 0.1\n"
    private let json = #"{"a": {"count": 3, "mean": 1.5, "std": 0.25}, "b": {"mean": 2}}"#

    @Test("comma-separated tables")
    func csv() throws {
        let texts = [
            "key,mean,std,count\na,3,0.5,7\nb,1e-3,0,1\n",
            "# mine\nresolution,key,ms\n16,a,1.5\n24, a ,2\n",
            "\u{FEFF}\"key\",\"mean\"\r\n\"a,b\",1.5\r\n\"c\"\"d\",\"2\"\r\n",
        ]
        try tables("tables-csv-named", "16.csv", share: 0.05, texts)
        try tables("tables-csv", "t.csv", share: 0.05, texts)
    }

    @Test("YAML tables")
    func yaml() throws {
        let texts = [
            plain, "b: {mean: 1.5e-05, std: 0.0, count: 2} # flow\n",
            "16:\n  a: {mean: 1}\n24:\n  a: {mean: 2}\n",
        ]
        try tables("tables-yaml-named", "16_lookup_table.yaml", share: 0.05, texts)
        try tables("tables-yaml", "t.yml", share: 0.05, texts)
    }

    @Test("JSON tables, this program's own among them")
    func jsonTables() throws {
        var own = LatencyTable(entries: [16: ["a": LatencyEntry(count: 3, mean: 1.5, std: 0.25)]])
        own[correctionOf: "s", 16] = LatencyCorrection(scale: 2, perBlockMs: 0, fixedMs: 0)
        let text = String(decoding: try JSONEncoder().encode(own), as: UTF8.self)
        try tables("tables-json", "16.json", share: 0.05, [json, text, "{\"16\":\(json)}"])
    }

    @Test("measurements of a calibration, and what they are fitted to")
    func calibrations() throws {
        var reference = LatencyTable()
        for (place, key) in try LatencyKey.all(in: tinySpace, resolution: 24).enumerated() {
            reference[24, key] = LatencyEntry(count: 1, mean: 1 + 0.1 * Double(place), std: 0)
        }
        let networks = tinyNetworks.filter { $0.resolution == 24 }
        let lines = try stride(from: 0, to: networks.count, by: 40).map { place in
            String(
                decoding: try JSONEncoder().encode(
                    LatencyCalibration.Measurement(
                        arch: networks[place], latencyMs: 7 + Double(place))),
                as: UTF8.self)
        }
        let text = lines.prefix(8).joined(separator: "\n")
        var fits = 0
        try Mutations(
            "calibrations", of: [text, "[\(lines[0])]", lines[1]], words: ["arch", "latency_ms"]
        )
        .run(Mutations.cases(share: 0.1), throwing: DeviceError.self) { bytes in
            let rows = try LatencyCalibration.measurements(
                try LatencyTable.text(bytes, source: "w"), space: tinySpace,
                reference: reference, source: "w")
            // A fit tries sixty spreads for every network left out.
            fits += 1
            guard fits <= 40 else { return }
            let found = try LatencyCalibration(
                tinySpace, reference: reference, measurements: rows)
            #expect(found.factor.isFinite && found.leaveOneOutError.isFinite)
            _ = found.warnings
        }
    }
}

// Bundles for other devices: the plan covers the space, and results give the table, or an error that says which.
import Foundation
import Networks
import Tensors
import TestSupport
import Testing

@testable import Devices

@Suite struct DeviceBundleTests {
    private func bundle(_ sizes: [Int] = [16, 24], networks: Int = 20) throws -> DeviceBundle {
        try DeviceBundle(
            .init(
                device: "board", space: "tiny", spaceHash: "ab", batch: 1, resolutions: sizes,
                networks: networks, seed: 3), tinySpace)
    }

    /// Milliseconds of a part on a made-up device.
    private func milliseconds(_ key: LatencyKey) -> Double {
        0.05 + 0.01 * Double(key.description.utf8.reduce(0) { $0 &+ Int($1) } % 17)
    }

    /// The results of a device on which every call takes 0.04 ms, and a network `scale` times its parts.
    private func results(
        _ bundle: DeviceBundle, scale: Double = 1.2, repeats: Int = 1,
        change: (inout [String: [Double]]) -> Void = { _ in }
    ) throws -> BundleResults {
        var found: [String: [Double]] = [:]
        for entry in bundle.entries {
            var value = 0.04
            if let key = entry.key { value += milliseconds(key) }
            if let arch = entry.arch {
                value +=
                    try scale
                    * NetworkShape(tinySpace, arch).latencyKeys.reduce(0) {
                        $0 + milliseconds($1)
                    }
            }
            found[entry.name] = Array(repeating: value, count: 6)
        }
        change(&found)
        struct File: Encodable {
            var format = "ofa-bundle-results-1", manifest = "0", runtime = "r 1", provider = "p"
            var machine = "m", threads = 1, complete = true
            let bundle: DeviceBundle.Source, repeats: Int, milliseconds: [String: [Double]]
        }
        let json = try JSONEncoder().encode(
            File(bundle: bundle.source, repeats: repeats, milliseconds: found))
        return try BundleResults(String(decoding: json, as: UTF8.self), source: "results.json")
    }

    @Test("a bundle has every part of the space at its sizes, and the networks spread over them")
    func plan() throws {
        let bundle = try bundle()
        #expect(Set(bundle.entries.map(\.name)).count == bundle.entries.count)
        #expect(Set(bundle.entries.map(\.file)).count == bundle.entries.count)
        for size in [16, 24] {
            let own = bundle.entries.filter { $0.resolution == size }
            let keys = own.compactMap(\.key)
            #expect(Set(keys) == Set(try LatencyKey.all(in: tinySpace, resolution: size)))
            #expect(own.count { $0.kind == .network } == 10)
            #expect(own.count { $0.kind == .overhead } == 1)
            #expect(own.allSatisfy { $0.layers.isEmpty == ($0.kind == .overhead) })
        }
        #expect(throws: (any Error).self) { try self.bundle([17]) }
        #expect(throws: DeviceError.self) { try self.bundle([]) }
    }

    @Test("the call of a model counts once per network, and whole networks correct the table")
    func table() throws {
        let bundle = try bundle()
        let found = try bundle.table(try results(bundle))
        let (table, check) = (found.table, found.check)
        #expect(found.runs == .all)
        for size in [16, 24] {
            let keys = try LatencyKey.all(in: tinySpace, resolution: size)
            let first = try NetworkShape(tinySpace, tinySpace.largest).latencyKeys[0]
            for key in keys where size == 24 || key != first {
                let expected = milliseconds(key) + (size == 24 && key == first ? 0.04 : 0)
                let found = try #require(table[size, key])
                if size == 24 { #expect(abs(found.mean - expected) < 1e-12) }
                #expect(found.count == 6 && found.spread != nil)
            }
        }
        #expect(check.rows.count == 20)
        #expect(check.meanError > 0.1 && check.heldOutError < 0.01)
        #expect(abs(check.correction.scale - 1.2) < 0.05)
    }

    @Test(
        "the runs of parts whose sums fit the whole networks make the table",
        arguments: [BundleResults.Runs.first, .repeated])
    func runs(_ fitting: BundleResults.Runs) throws {
        let bundle = try bundle()
        // Six visits of three runs; the runs that do not fit are off by another factor for each part.
        let other = fitting == .first ? BundleResults.Runs.repeated : .first
        let results = try results(bundle, scale: 1, repeats: 3) { found in
            for entry in bundle.entries where entry.kind == .part {
                let value = found[entry.name]?.first ?? 0
                let factor = 0.3 + 1.7 * Double(entry.name.utf8.reduce(0) { $0 &* 31 &+ $1 }) / 255
                found[entry.name] = (0..<18).map { run in
                    (run % 3 == 0) == (other == .first) ? factor * value : value
                }
            }
            for entry in bundle.entries where entry.kind != .part {
                found[entry.name] = Array(repeating: found[entry.name]?.first ?? 0, count: 18)
            }
        }
        let found = try bundle.table(results)
        #expect(found.runs == fitting)
        #expect(found.check.heldOutError < 0.01)
        let key = try #require(bundle.entries.last { $0.kind == .part }?.key)
        #expect(abs(try #require(found.table[24, key]).mean - milliseconds(key)) < 1e-12)
    }

    @Test("a part that takes hardly longer than the call still takes some time")
    func shortest() throws {
        let bundle = try bundle()
        let part = try #require(bundle.entries.last { $0.kind == .part })
        let found = try results(bundle) { $0[part.name] = Array(repeating: 0.03, count: 6) }
        let table = try bundle.table(found).table
        let key = try #require(part.key)
        #expect(try #require(table[24, key]).mean > 0)
    }

    @Test("timings that are missing, superfluous, too few or not positive are refused by name")
    func refused() throws {
        let bundle = try bundle()
        let part = try #require(bundle.entries.first { $0.kind == .part }).name
        func message(_ change: (inout [String: [Double]]) -> Void) -> String {
            #expect(throws: DeviceError.self) {
                try bundle.table(try results(bundle, change: change))
            }?.message ?? ""
        }
        let missing = message { $0[part] = nil }
        #expect(missing.contains("there are 0 timings of '\(part)'"))
        let few = message { $0[part] = [1, 1] }
        #expect(few.contains("2 timings of '\(part)', and at least 5"))
        let unknown = message { $0["else"] = [1] }
        #expect(unknown.contains("timings of 'else', which the bundle"))
        let zero = message { $0[part] = [1, 1, 0, 1, 1] }
        #expect(zero.contains("results.json: field milliseconds.\(part.prefix(20))"))
        let negative = message { $0[part] = [1, 1, -1, 1, 1] }
        #expect(negative.contains("has the timing -1.0"))
    }

    @Test(
        "results of another form, unfinished ones and fields out of range are refused",
        arguments: [
            ("[]", "results.json: is a list"),
            ("{", "results.json: is not JSON"),
            (#"{"format": "x"}"#, "field format is not ofa-bundle-results-1"),
            (
                #"{"format": "ofa-bundle-results-1", "complete": false}"#,
                "run run.py again: it continues"
            ),
            (
                #"{"format": "ofa-bundle-results-1", "complete": true, "bundle": {"version": 9}}"#,
                "field bundle.version is not 1"
            ),
            (#"{"format": "ofa-bundle-results-1", "thread": 1}"#, "'thread' is not known"),
        ])
    func form(_ text: String, _ told: String) {
        let error = #expect(throws: DeviceError.self) {
            try BundleResults(text, source: "results.json")
        }
        #expect(error?.message.contains(told) == true, "\(error?.message ?? "")")
    }
}

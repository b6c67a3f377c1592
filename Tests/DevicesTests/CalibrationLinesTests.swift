// Measurements of a calibration as people send them: the line and the reason, and warnings where they say little.
import Foundation
import Networks
import Tensors
import TestSupport
import Testing

@testable import Devices

@Suite struct CalibrationLinesTests {
    /// Parts of size 24 that differ.
    private func reference() throws -> LatencyTable {
        var table = LatencyTable()
        for (place, key) in try LatencyKey.all(in: tinySpace, resolution: 24).enumerated() {
            table[24, key] = LatencyEntry(count: 1, mean: 1 + 0.3 * Double(place % 7), std: 0)
        }
        return table
    }

    private func networks(_ count: Int) -> [SubnetConfig] {
        var stream = RandomStream(seed: 19)
        var found: [SubnetConfig] = []
        while found.count < count {
            var config = tinySpace.sample(using: &stream)
            config.resolution = 24
            if !found.contains(config) { found.append(config) }
        }
        return found
    }

    private func line(_ config: SubnetConfig, _ milliseconds: Double) throws -> String {
        String(
            decoding: try JSONEncoder().encode(
                LatencyCalibration.Measurement(arch: config, latencyMs: milliseconds)),
            as: UTF8.self)
    }

    private func read(_ text: String) throws -> [LatencyCalibration.Measurement] {
        try LatencyCalibration.measurements(
            text, space: tinySpace, reference: try reference(), source: "w.jsonl")
    }

    private func message(_ text: String) -> String {
        #expect(throws: DeviceError.self) { try read(text) }?.message ?? ""
    }

    @Test("what is wrong with a line is said with its number")
    func lines() throws {
        let good = try line(tinySpace.largest, 12.5)
        #expect(try read("\n\(good)\n\n\(good)\n").count == 2)
        #expect(
            message("\n[\(good)]\n").hasPrefix(
                "w.jsonl, line 2: this is an array: write one object"))
        #expect(message("\(good)\n{").hasPrefix("w.jsonl, line 2: "))
        #expect(
            message(good + "\n" + good.replacing("latency_ms", with: "latencyms"))
                == "w.jsonl, line 2: 'latencyms' is not known; did you mean 'latency_ms'? known are arch, latency_ms"
        )
        #expect(
            message(#"{"arch": 1}"#)
                == "w.jsonl, line 1: field arch is 1: write an object with ks, e, d, w, r, wid")
        let twice = message("{\"latency_ms\":1," + good.dropFirst())
        #expect(twice == "w.jsonl, line 1: field latency_ms stands twice")
        #expect(
            message(try line(tinySpace.largest, 0)).contains("line 1: a measured latency is 0.0 ms")
        )
        var other = tinySpace.largest
        other.resolution = 16
        #expect(
            message(try line(other, 1))
                == "w.jsonl, line 1: the latency table has no resolution 16, only 24")
        other.resolution = 20
        #expect(message(try line(other, 1)).contains("line 1: r is 20; space tiny allows 16, 24"))
    }

    @Test("twenty times the same network is refused: nothing can be left out and predicted")
    func identical() throws {
        let rows = Array(
            repeating: LatencyCalibration.Measurement(arch: tinySpace.largest, latencyMs: 9),
            count: 20)
        let error = #expect(throws: DeviceError.self) {
            try LatencyCalibration(tinySpace, reference: try reference(), measurements: rows)
        }
        #expect(
            error?.message.hasPrefix("20 measurements are of 1 network, and a calibration") == true)
    }

    private func warnings(
        _ networks: [SubnetConfig], _ latency: (Int, Double) -> Double
    ) throws -> [String] {
        let reference = try reference()
        let rows = try networks.enumerated().map { place, config in
            LatencyCalibration.Measurement(
                arch: config,
                latencyMs: latency(place, try reference.latencyMs(NetworkShape(tinySpace, config))))
        }
        return try LatencyCalibration(tinySpace, reference: reference, measurements: rows).warnings
    }

    @Test("measurements that say less than they seem to are warned of")
    func warned() throws {
        let networks = networks(12)
        func noise(_ place: Int) -> Double { 1 + 0.02 * Double(place % 5 - 2) }
        #expect(try warnings(networks) { 2.7 * $1 * noise($0) } == [])
        let equal = try warnings(networks) { _, _ in 31 }
        #expect(equal.count == 1 && equal[0].hasPrefix("all 12 latencies are 31 ms"))
        let seconds = try warnings(networks) { 0.001 * $1 * noise($0) }
        #expect(seconds.count == 1 && seconds[0].contains("are these milliseconds"))
        let micro = try warnings(networks) { 1000 * $1 * noise($0) }
        #expect(micro.count == 1 && micro[0].contains("are these milliseconds"))
        let copied = try warnings(networks) { 3 * $1 }
        #expect(copied.count == 1 && copied[0].contains("3 times the reference's"))
    }

    @Test("a network measured twice is left out with both of its latencies")
    func repeated() throws {
        let networks = networks(6)
        let reference = try reference()
        let once = try networks.enumerated().map { place, config in
            LatencyCalibration.Measurement(
                arch: config,
                latencyMs: try reference.latencyMs(NetworkShape(tinySpace, config))
                    * (1 + 0.1 * Double(place)))
        }
        let one = try LatencyCalibration(tinySpace, reference: reference, measurements: once)
        let two = try LatencyCalibration(tinySpace, reference: reference, measurements: once + once)
        // With its own copy at hand every network would be predicted all but exactly.
        #expect(two.leaveOneOutError > 0.5 * one.leaveOneOutError)
    }
}

// Energy counters: wraps and gaps.

import Foundation
import Testing

@testable import Metering

@Suite struct EnergyCounterTests {
    private let second: Int64 = 1_000_000_000

    @Test("a wrap gives what was left of the range plus the new reading")
    func wrap() {
        var counter = EnergyCounter(range: 262_143_328_850)
        #expect(counter.take(262_143_000_000, atNs: 0) == .first)
        #expect(counter.take(1_000_000, atNs: second) == .delta(1_328_850))
    }

    @Test("a failed read is a gap, the next good one covers both intervals: no phantom range")
    func gap() {
        var counter = EnergyCounter(range: 262_143_328_850)
        #expect(counter.take(5_000_000, atNs: 0) == .first)
        #expect(counter.take(nil, atNs: second) == .gap)
        #expect(counter.take(9_000_000, atNs: 2 * second) == .delta(4_000_000))
    }

    @Test(
        "the first reading has nothing to compare with, also after a gap and when it is forgotten")
    func first() {
        var counter = EnergyCounter(range: 100)
        #expect(counter.take(nil, atNs: 0) == .gap)
        #expect(counter.take(7, atNs: second) == .first)
        #expect(counter.take(7, atNs: 2 * second) == .delta(0))
        counter.forget()
        #expect(counter.take(9, atNs: 3 * second) == .first)
    }

    @Test("a counter that begins anew is not taken for one that wraps: its energy is unknown")
    func reset() {
        var counter = EnergyCounter(range: 262_143_328_850)
        #expect(counter.take(100_000_000_000, atNs: 0) == .first)
        // As a wrap this would be 162 kJ in ten seconds.
        #expect(counter.take(50_000_000, atNs: 10 * second) == .first)
        #expect(counter.take(90_000_000, atNs: 20 * second) == .delta(40_000_000))
    }

    @Test("a jump that no hardware can have drawn is unknown; a burst within a sample is not")
    func jump() {
        var counter = EnergyCounter(range: 262_143_328_850, mostWatts: 500)
        #expect(counter.take(0, atNs: 0) == .first)
        #expect(counter.take(5_000_000_001, atNs: 10 * second) == .first)
        #expect(counter.take(10_000_000_001, atNs: 20 * second) == .delta(5_000_000_000))
        #expect(counter.take(10_000_900_001, atNs: 20 * second + 1) == .delta(900_000))
    }

    @Test("without a range every step back is unknown, and no energy is negative")
    func noRange() {
        for range: Int64 in [0, 10] {
            var counter = EnergyCounter(range: range)
            #expect(counter.take(1_000_000, atNs: 0) == .first)
            #expect(counter.take(5, atNs: second) == .first)
            #expect(counter.take(25, atNs: 2 * second) == .delta(20))
        }
    }
}

@Suite struct RAPLTests {
    @Test("packages and memory are counted, cores and psys are not")
    func domains() throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent(
            "rapl-\(UUID().uuidString)")
        defer { do { try FileManager.default.removeItem(at: root) } catch { Issue.record(error) } }
        try tree(
            root,
            [
                ("intel-rapl:0", "package-0", 1234), ("intel-rapl:0:0", "core", 5),
                ("intel-rapl:0:1", "dram", 1234), ("intel-rapl:1", "psys", 1234),
            ])
        let domains = RAPL.domains(root: root.path)
        #expect(domains.map(\.name) == ["package-0", "dram"])
        #expect(domains.map(\.range) == [65_532_610_987, 65_532_610_987])
        #expect(domains.first?.read() == 1234)
        try FileManager.default.removeItem(
            at: root.appendingPathComponent("intel-rapl:0/energy_uj"))
        #expect(RAPL.domains(root: root.path).map(\.name) == ["dram"])
    }

    private func tree(_ root: URL, _ domains: [(String, String, Int)]) throws {
        for (folder, name, energy) in domains {
            let path = root.appendingPathComponent(folder)
            try FileManager.default.createDirectory(at: path, withIntermediateDirectories: true)
            try Data("\(name)\n".utf8).write(to: path.appendingPathComponent("name"))
            try Data("65532610987\n".utf8).write(
                to: path.appendingPathComponent("max_energy_range_uj"))
            try Data("\(energy)\n".utf8).write(to: path.appendingPathComponent("energy_uj"))
        }
    }

    @Test("dies that show the counter of their package count once; those of their own count each")
    func mirrors() throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent(
            "rapl-\(UUID().uuidString)")
        defer { do { try FileManager.default.removeItem(at: root) } catch { Issue.record(error) } }
        try tree(
            root,
            [
                ("intel-rapl:0", "package-0-die-0", 700), ("intel-rapl:0:0", "dram", 700),
                ("intel-rapl:1", "package-0-die-1", 700), ("intel-rapl:1:0", "dram", 701),
                ("intel-rapl:2", "package-1-die-0", 800), ("intel-rapl:3", "package-1-die-1", 801),
            ])
        let survey = RAPL.survey(root: root.path)
        #expect(
            survey.domains.map { ($0.folder as NSString).lastPathComponent } == [
                "intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1:0", "intel-rapl:2", "intel-rapl:3",
            ])
        #expect(survey.mirrors.map(\.domain.name) == ["package-0-die-1"])
        #expect(survey.mirrors.map(\.original.name) == ["package-0-die-0"])
        #expect(RAPL.domains(root: root.path) == survey.domains)
    }

    @Test("a domain whose range is 0 or cannot be read is counted, but never wraps")
    func noRange() throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent(
            "rapl-\(UUID().uuidString)")
        defer { do { try FileManager.default.removeItem(at: root) } catch { Issue.record(error) } }
        try tree(root, [("intel-rapl:0", "package-0", 700), ("intel-rapl:0:0", "dram", 701)])
        try Data("0\n".utf8).write(
            to: root.appendingPathComponent("intel-rapl:0/max_energy_range_uj"))
        try FileManager.default.removeItem(
            at: root.appendingPathComponent("intel-rapl:0:0/max_energy_range_uj"))
        #expect(RAPL.domains(root: root.path).map(\.range) == [0, 0])
    }

    @Test("a machine without counters has no domains")
    func none() {
        #expect(RAPL.domains(root: "/nowhere/at/all").isEmpty)
    }
}

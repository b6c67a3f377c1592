// Energy counters: wraps and gaps.

import Foundation
import Testing

@testable import Metering

@Suite struct EnergyCounterTests {
    @Test("a wrap gives what was left of the range plus the new reading")
    func wrap() {
        var counter = EnergyCounter(range: 262_143_328_850)
        #expect(counter.take(262_143_000_000) == .first)
        #expect(counter.take(1_000_000) == .delta(1_328_850))
    }

    @Test(
        "a failed read is a gap, the next good one covers both intervals: no phantom range"
    )
    func gap() {
        var counter = EnergyCounter(range: 262_143_328_850)
        #expect(counter.take(5_000_000) == .first)
        #expect(counter.take(nil) == .gap)
        #expect(counter.take(9_000_000) == .delta(4_000_000))
    }

    @Test("the first reading has nothing to compare with, also after a gap")
    func first() {
        var counter = EnergyCounter(range: 100)
        #expect(counter.take(nil) == .gap)
        #expect(counter.take(7) == .first)
        #expect(counter.take(7) == .delta(0))
    }
}

@Suite struct RAPLTests {
    @Test("packages and memory are counted, cores and psys are not")
    func domains() throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent(
            "rapl-\(UUID().uuidString)")
        defer { do { try FileManager.default.removeItem(at: root) } catch { Issue.record(error) } }
        for (folder, name) in [
            ("intel-rapl:0", "package-0"), ("intel-rapl:0:0", "core"), ("intel-rapl:0:1", "dram"),
            ("intel-rapl:1", "psys"),
        ] {
            let path = root.appendingPathComponent(folder)
            try FileManager.default.createDirectory(at: path, withIntermediateDirectories: true)
            try Data("\(name)\n".utf8).write(to: path.appendingPathComponent("name"))
            try Data("65532610987\n".utf8).write(
                to: path.appendingPathComponent("max_energy_range_uj"))
            try Data("1234\n".utf8).write(to: path.appendingPathComponent("energy_uj"))
        }
        let domains = RAPL.domains(root: root.path)
        #expect(domains.map(\.name) == ["package-0", "dram"])
        #expect(domains.map(\.range) == [65_532_610_987, 65_532_610_987])
        #expect(domains.first?.read() == 1234)
        try FileManager.default.removeItem(
            at: root.appendingPathComponent("intel-rapl:0/energy_uj"))
        #expect(RAPL.domains(root: root.path).map(\.name) == ["dram"])
    }

    @Test("a machine without counters has no domains")
    func none() {
        #expect(RAPL.domains(root: "/nowhere/at/all").isEmpty)
    }
}

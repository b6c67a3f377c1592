// Energy from made-up trees of energy counters (powercap): what they do wrong makes no energy up, and is a gap.

import Accounting
import Foundation
import Jobs
import Metering
import Testing

@Suite struct PowercapTests {
    /// A folder like /sys/class/powercap, with a ledger that reads its counters.
    private final class Tree {
        let root = FileManager.default.temporaryDirectory.appending(path: "rapl-\(UUID())")
        private var domains: [RAPLDomain] = []
        private var ledger: EnergyLedger?

        init(_ counters: [(folder: String, name: String, range: Int64, energy: Int64)]) throws {
            for counter in counters {
                let folder = root.appending(path: counter.folder)
                try FileManager.default.createDirectory(
                    at: folder, withIntermediateDirectories: true)
                try Data("\(counter.name)\n".utf8).write(to: folder.appending(path: "name"))
                try Data("\(counter.range)\n".utf8).write(
                    to: folder.appending(path: "max_energy_range_uj"))
                try set(counter.folder, counter.energy)
            }
            domains = RAPL.domains(root: root.path)
            ledger = EnergyLedger(
                host: HostDescription(
                    name: "test", cpuModel: "test", vCPUs: 2, isVirtual: false, memoryBytes: 0,
                    rating: ThermalDesign(watts: 200, threads: 2, source: "test")),
                domains: domains, threadsPerAttempt: 1, first: reading(0))
        }

        deinit {
            do { try FileManager.default.removeItem(at: root) } catch { Issue.record(error) }
        }

        var names: [String] { domains.map(\.name) }

        /// Sets a counter; nil removes its file.
        func set(_ folder: String, _ energy: Int64?) throws {
            let file = root.appending(path: "\(folder)/energy_uj")
            guard let energy else { return try FileManager.default.removeItem(at: file) }
            try Data("\(energy)\n".utf8).write(to: file)
        }

        private func reading(_ seconds: Double) -> HostReading {
            HostReading(
                timeNs: Int64(seconds * 1e9), epochUs: Int64(seconds * 1e6),
                processCPUNs: Int64(seconds * 1e9), hostBusyNs: Int64(seconds * 1e9),
                counters: domains.map { $0.read() })
        }

        /// Reads the counters at a time, and returns the interval up to it, if there is one.
        func cut(_ seconds: Double, isLast: Bool = false) throws -> EnergyReport.Interval? {
            ledger?.advance(to: reading(seconds))
            return ledger?.cut(isLast: isLast).interval
        }

        /// The microjoules of the interval up to a time; nil if they are unknown.
        func energy(_ seconds: Double) throws -> Int64? {
            let interval = try #require(try cut(seconds))
            return interval.idle.flatMap { idle in
                interval.load.map { idle.microjoules + $0.microjoules }
            }
        }
    }

    private let range: Int64 = 262_143_328_850

    @Test("two dies that show one counter, memory, and a wrap: each joule counts once")
    func mirrorsAndWrap() throws {
        let tree = try Tree([
            ("intel-rapl:0", "package-0-die-0", range, 262_143_000_000),
            ("intel-rapl:0:0", "dram", range, 5_000_000),
            ("intel-rapl:0:1", "core", range, 1),
            ("intel-rapl:1", "package-0-die-1", range, 262_143_000_000),
        ])
        #expect(tree.names == ["package-0-die-0", "dram"])
        for die in ["intel-rapl:0", "intel-rapl:1"] { try tree.set(die, 1_000_000) }
        try tree.set("intel-rapl:0:0", 7_000_000)
        try tree.set("intel-rapl:0:1", 1_000_000)
        #expect(try tree.energy(10) == 1_328_850 + 2_000_000)
    }

    @Test("a counter that is reset leaves a gap, not a wrap, and counts from there on")
    func reset() throws {
        let tree = try Tree([
            ("intel-rapl:0", "package-0", range, 150_000_000_000),
            ("intel-rapl:0:0", "dram", range, 5_000_000),
        ])
        try tree.set("intel-rapl:0", 30_000_000)
        try tree.set("intel-rapl:0:0", 6_000_000)
        #expect(try tree.energy(10) == nil)
        try tree.set("intel-rapl:0", 130_000_000)
        #expect(try tree.energy(20) == 100_000_000)
    }

    @Test("a range of 0: a step back is a gap, and never negative energy")
    func noRange() throws {
        let tree = try Tree([("intel-rapl:0", "package-0", 0, 9_000_000)])
        try tree.set("intel-rapl:0", 12_000_000)
        #expect(try tree.energy(10) == 3_000_000)
        try tree.set("intel-rapl:0", 1_000_000)
        #expect(try tree.energy(20) == nil)
        try tree.set("intel-rapl:0", 2_000_000)
        #expect(try tree.energy(30) == 1_000_000)
    }

    @Test("a file that vanishes for a moment: the next interval has the whole, and nothing more")
    func vanishes() throws {
        let tree = try Tree([
            ("intel-rapl:0", "package-0", range, 0), ("intel-rapl:1", "package-1", range, 1),
        ])
        try tree.set("intel-rapl:0", nil)
        try tree.set("intel-rapl:1", 4_000_001)
        #expect(try tree.cut(10) == nil)
        try tree.set("intel-rapl:0", 6_000_000)
        try tree.set("intel-rapl:1", 8_000_001)
        let interval = try #require(try tree.cut(20))
        #expect(interval.fromUs == 0 && interval.untilUs == 20_000_000)
        let (idle, load) = (try #require(interval.idle), try #require(interval.load))
        #expect(idle.microjoules + load.microjoules == 14_000_000)
    }

    @Test(
        "a file that stays away: gaps, each minute, and what it shows when it is back counts for none"
    )
    func vanishesForLong() throws {
        let tree = try Tree([
            ("intel-rapl:0", "package-0", range, 0), ("intel-rapl:1", "package-1", range, 1),
        ])
        try tree.set("intel-rapl:0", nil)
        for second in stride(from: 10.0, to: 60, by: 10) { #expect(try tree.cut(second) == nil) }
        let gap = try #require(try tree.cut(60))
        #expect(gap.fromUs == 0 && gap.untilUs == 60_000_000 && gap.idle == nil && gap.load == nil)
        try tree.set("intel-rapl:1", 1_000_001)
        #expect(try tree.cut(70) == nil)
        // It comes back with all that it counted meanwhile, a part of which lies before the end of the gap.
        try tree.set("intel-rapl:0", 50_000_000_000)
        #expect(try tree.energy(80) == nil)
        try tree.set("intel-rapl:0", 50_002_000_000)
        #expect(try tree.energy(90) == 2_000_000)
    }

    @Test("the last report of a process whose counter is away states a gap")
    func lastReport() throws {
        let tree = try Tree([("intel-rapl:0", "package-0", range, 0)])
        try tree.set("intel-rapl:0", nil)
        #expect(try tree.cut(10) == nil)
        let gap = try #require(try tree.cut(11, isLast: true))
        #expect(gap.untilUs == 11_000_000 && gap.idle == nil)
    }
}

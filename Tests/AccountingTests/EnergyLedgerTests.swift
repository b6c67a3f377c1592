// The energy ledger over scripted readings.

import Accounting
import Metering
import Testing

@Suite struct EnergyLedgerTests {
    private let second: Int64 = 1_000_000_000

    private func host(vCPUs: Int, memoryBytes: Int64 = 0) -> HostDescription {
        HostDescription(
            name: "test", cpuModel: "test", vCPUs: vCPUs, isVirtual: true, memoryBytes: memoryBytes,
            rating: ThermalDesign(watts: 280, threads: 128, source: "test"))
    }

    private func reading(
        _ seconds: Double, cpu: Double, busy: Double?, counters: [Int64?] = []
    ) -> HostReading {
        HostReading(
            timeNs: Int64(seconds * 1e9), processCPUNs: Int64(cpu * 1e9),
            hostBusyNs: busy.map { Int64($0 * 1e9) }, counters: counters)
    }

    private let package = RAPLDomain(folder: "", name: "package-0", range: 1_000_000_000)
    private let dram = RAPLDomain(folder: "", name: "dram", range: 1_000_000_000)

    @Test("one attempt on the whole host gets the energy of the model, with its interval")
    func model() throws {
        var ledger = EnergyLedger(
            host: host(vCPUs: 2), domains: [], threadsPerAttempt: 2,
            first: reading(0, cpu: 0, busy: 0))
        ledger.start(7, at: reading(0, cpu: 0, busy: 0))
        let usageEnded = ledger.end(7, at: reading(10, cpu: 12, busy: 12))
        let usage = try #require(usageEnded)
        // 2 of 128 threads of 280 W at load 0.6: 2.558 W, 1.023 to 3.837, for ten seconds.
        let energy = try #require(usage.energy)
        #expect(abs(Double(energy.microjoules) / 1e6 - 25.58) < 0.005)
        #expect(abs(Double(energy.low) / 1e6 - 10.23) < 0.005)
        #expect(abs(Double(energy.high) / 1e6 - 38.37) < 0.005)
        #expect(usage.wallNs == 10 * second)
        #expect(usage.cpuNs == 12 * second)
        #expect(usage.tier == .model)
    }

    @Test("attempts, other and unallocated add up to the machine, whatever happens")
    func conservation() throws {
        var state: UInt64 = 5
        func next(_ bound: Int64) -> Int64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int64(state >> 33) % bound
        }
        var now = HostReading(timeNs: 0, processCPUNs: 0, hostBusyNs: 0)
        var ledger = EnergyLedger(
            host: host(vCPUs: 3, memoryBytes: 7_654_321_987), domains: [], threadsPerAttempt: 1,
            first: now)
        var open: [Int64] = []
        var energies: [Energy] = []
        var cpu: Int64 = 0
        for token in 0..<200 as Range<Int64> {
            now.timeNs += next(3_000_000_000)
            now.processCPUNs += next(4_000_000_000)
            now.hostBusyNs = (now.hostBusyNs ?? 0) + next(6_000_000_000)
            if open.isEmpty || (open.count < 4 && next(2) == 0) {
                ledger.start(token, at: now)
                open.append(token)
            } else {
                let usageEnded = ledger.end(open.remove(at: Int(next(Int64(open.count)))), at: now)
                let usage = try #require(usageEnded)
                energies.append(try #require(usage.energy))
                cpu += usage.cpuNs
            }
        }
        for token in open {
            let ended = ledger.end(token, at: now)
            energies.append(try #require(ended?.energy))
        }
        let sum = energies.reduce(Energy.zero, +).microjoules
        #expect(
            sum + ledger.other.microjoules + ledger.unallocated.microjoules
                == ledger.total.microjoules)
        #expect(energies.allSatisfy { $0.low <= $0.microjoules && $0.microjoules <= $0.high })
        #expect(cpu <= now.processCPUNs)
    }

    @Test("two attempts at once share the processor time of the process equally")
    func shared() throws {
        var ledger = EnergyLedger(
            host: host(vCPUs: 2), domains: [], threadsPerAttempt: 1,
            first: reading(0, cpu: 0, busy: 0))
        ledger.start(1, at: reading(0, cpu: 0, busy: 0))
        ledger.start(2, at: reading(4, cpu: 4, busy: 4))
        let firstEnded = ledger.end(1, at: reading(10, cpu: 14, busy: 14))
        let first = try #require(firstEnded)
        let secondEnded = ledger.end(2, at: reading(12, cpu: 15, busy: 15))
        let second = try #require(secondEnded)
        #expect(first.cpuNs == 9 * self.second)
        #expect(second.cpuNs == 6 * self.second)
    }

    @Test("with counters of package and memory the energy is what they counted")
    func counters() throws {
        var ledger = EnergyLedger(
            host: host(vCPUs: 2), domains: [package, dram], threadsPerAttempt: 2,
            first: reading(0, cpu: 0, busy: 0, counters: [999_000_000, 5]))
        ledger.start(1, at: reading(0, cpu: 0, busy: 0, counters: [999_000_000, 5]))
        let usageEnded = ledger.end(
            1, at: reading(1, cpu: 2, busy: 2, counters: [3_000_000, 1_000_005]))
        let usage = try #require(usageEnded)
        #expect(usage.energy == Energy(microjoules: 5_000_000, low: 5_000_000, high: 5_000_000))
        #expect(usage.tier == .counter)
        #expect(usage.method == "RAPL + RAPL dram")
    }

    @Test("a failed read between two good ones: the attempt gets the delta over both pieces")
    func gapInside() throws {
        var ledger = EnergyLedger(
            host: host(vCPUs: 1), domains: [package, dram], threadsPerAttempt: 1,
            first: reading(0, cpu: 0, busy: 0, counters: [0, 0]))
        ledger.start(1, at: reading(0, cpu: 0, busy: 0, counters: [0, 0]))
        ledger.advance(to: reading(5, cpu: 5, busy: 5, counters: [nil, 100]))
        let usageEnded = ledger.end(
            1, at: reading(10, cpu: 10, busy: 10, counters: [8_000_000, 200]))
        let usage = try #require(usageEnded)
        #expect(usage.energy?.microjoules == 8_000_200)
    }

    @Test("an attempt that ends while a counter cannot be read has a gap, and its part is nobody's")
    func gapAtEnd() throws {
        var ledger = EnergyLedger(
            host: host(vCPUs: 1), domains: [package, dram], threadsPerAttempt: 1,
            first: reading(0, cpu: 0, busy: 0, counters: [0, 0]))
        ledger.start(1, at: reading(0, cpu: 0, busy: 0, counters: [0, 0]))
        let usageEnded = ledger.end(1, at: reading(5, cpu: 5, busy: 5, counters: [nil, nil]))
        let usage = try #require(usageEnded)
        #expect(usage.energy == nil)
        #expect(usage.cpuNs == 5 * second)
        ledger.advance(to: reading(6, cpu: 5, busy: 5, counters: [4_000_000, 0]))
        #expect(ledger.total.microjoules == 4_000_000)
        #expect(ledger.unallocated.microjoules + ledger.other.microjoules == 4_000_000)
    }

    @Test("counters that could not be read at first leave a gap, not a delta from zero")
    func lateCounters() throws {
        var ledger = EnergyLedger(
            host: host(vCPUs: 1), domains: [package, dram], threadsPerAttempt: 1,
            first: reading(0, cpu: 0, busy: 0, counters: [nil, nil]))
        ledger.start(1, at: reading(1, cpu: 0, busy: 0, counters: [900_000_000, 7]))
        let earlyEnded = ledger.end(1, at: reading(2, cpu: 1, busy: 1, counters: [901_000_000, 7]))
        let early = try #require(earlyEnded)
        #expect(early.energy?.microjoules == 1_000_000)
        ledger.start(2, at: reading(2, cpu: 1, busy: 1, counters: [nil, 7]))
        ledger.advance(to: reading(3, cpu: 2, busy: 2, counters: [902_000_000, 7]))
        #expect(ledger.total.microjoules == 2_000_000)
    }

    @Test("a counter that is first read while another cannot be read leaves a gap too")
    func lateCounterInGap() throws {
        var ledger = EnergyLedger(
            host: host(vCPUs: 1), domains: [package, dram], threadsPerAttempt: 1,
            first: reading(0, cpu: 0, busy: 0, counters: [nil, 0]))
        ledger.start(1, at: reading(0, cpu: 0, busy: 0, counters: [nil, 0]))
        ledger.advance(to: reading(1, cpu: 1, busy: 1, counters: [5_000_000, nil]))
        let ended = ledger.end(
            1, at: reading(2, cpu: 2, busy: 2, counters: [6_000_000, 2_000_000]))
        let usage = try #require(ended)
        #expect(usage.energy == nil)
    }

    @Test("an attempt that never started has no usage")
    func unknown() {
        var ledger = EnergyLedger(
            host: host(vCPUs: 1), domains: [], threadsPerAttempt: 1,
            first: reading(0, cpu: 0, busy: nil))
        let ended = ledger.end(9, at: reading(1, cpu: 1, busy: nil))
        #expect(ended == nil)
    }

    @Test("two processes that each reserve the whole machine share its idle energy")
    func twoProcesses() throws {
        // 2 of 128 threads of 280 W, idle: 0.525 W for ten seconds; nothing is loaded.
        var ledgers = (0..<2).map { _ in
            EnergyLedger(
                host: host(vCPUs: 2), domains: [], threadsPerAttempt: 2,
                first: reading(0, cpu: 0, busy: 0))
        }
        var energies: [Int64] = []
        for index in ledgers.indices {
            ledgers[index].start(1, at: reading(0, cpu: 0, busy: 0))
            var end = reading(10, cpu: 0, busy: 0)
            // What the other one held: two processors for ten seconds.
            end.othersReservedNs = 20 * second
            let usage = ledgers[index].end(1, at: end)
            energies.append(try #require(usage?.energy).microjoules)
            #expect(ledgers[index].unallocated == .zero)
            #expect(abs(ledgers[index].other.microjoules - energies[index]) <= 1)
        }
        #expect(abs(energies.reduce(0, +) - 5_250_000) <= 2)
    }

    @Test("an attempt that reserves processors holds those, not its worker's share")
    func ownReservation() throws {
        var ledger = EnergyLedger(
            host: host(vCPUs: 4), domains: [], threadsPerAttempt: 4,
            first: reading(0, cpu: 0, busy: 0))
        ledger.start(1, reserved: 1, at: reading(0, cpu: 0, busy: 0))
        let ended = ledger.end(1, at: reading(10, cpu: 0, busy: 0))
        let energy = try #require(ended?.energy).microjoules
        #expect(abs(energy * 4 - ledger.total.microjoules) <= 4)
    }
}

// The energy ledger over scripted readings: uses of attempts and intervals of the machine.

import Accounting
import Jobs
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
            timeNs: Int64(seconds * 1e9), epochUs: Int64(seconds * 1e6),
            processCPUNs: Int64(cpu * 1e9), hostBusyNs: busy.map { Int64($0 * 1e9) },
            counters: counters)
    }

    private let package = RAPLDomain(folder: "", name: "package-0", range: 1_000_000_000)
    private let dram = RAPLDomain(folder: "", name: "dram", range: 1_000_000_000)

    private func ledger(
        vCPUs: Int, domains: [RAPLDomain] = [], threads: Int = 1, counters: [Int64?] = []
    ) -> EnergyLedger {
        EnergyLedger(
            host: host(vCPUs: vCPUs), domains: domains, threadsPerAttempt: threads,
            first: reading(0, cpu: 0, busy: 0, counters: counters))
    }

    @Test("an attempt's use and the machine's energy by the model, with its interval")
    func model() throws {
        var ledger = ledger(vCPUs: 2, threads: 2)
        ledger.start(7, job: 3, at: reading(0, cpu: 0, busy: 0))
        ledger.end(7, at: reading(10, cpu: 12, busy: 12))
        let (uses, found) = ledger.cut()
        #expect(
            uses == [
                EnergyReport.Use(
                    job: 3, token: 7, fromUs: 0, untilUs: 10_000_000, reservedNs: 20 * second,
                    cpuNs: 12 * second)
            ])
        let interval = try #require(found)
        #expect(interval.fromUs == 0 && interval.untilUs == 10_000_000)
        #expect(interval.capacityNs == 20 * second && interval.busyNs == 12 * second)
        // 2 of 128 threads of 280 W at load 0.6: 2.558 W, 1.023 to 3.837, for ten seconds; 0.525 W of it when idle.
        let (idle, load) = (try #require(interval.idle), try #require(interval.load))
        #expect(abs(Double(idle.microjoules) / 1e6 - 5.25) < 1e-5)
        #expect(abs(Double(idle.microjoules + load.microjoules) / 1e6 - 25.58) < 0.005)
        #expect(abs(Double(idle.low + load.low) / 1e6 - 10.23) < 0.005)
        #expect(abs(Double(idle.high + load.high) / 1e6 - 38.37) < 0.005)
        #expect(ledger.tier == .model)
    }

    @Test(
        "uses of an attempt follow each other, intervals of the machine too, and no time of a processor is lost"
    )
    func contiguous() throws {
        var state: UInt64 = 5
        func next(_ bound: Int64) -> Int64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int64(state >> 33) % bound
        }
        var now = reading(0, cpu: 0, busy: 0)
        var ledger = ledger(vCPUs: 3)
        var open: [Int64] = []
        var uses: [EnergyReport.Use] = [], intervals: [EnergyReport.Interval] = []
        var attended: Int64 = 0
        for token in 0..<300 as Range<Int64> {
            now.timeNs += next(3_000_000_000)
            now.epochUs = now.timeNs / 1000
            let used = next(4_000_000_000)
            if !open.isEmpty { attended += used }
            now.processCPUNs += used
            now.hostBusyNs = (now.hostBusyNs ?? 0) + next(6_000_000_000)
            if open.isEmpty || (open.count < 4 && next(2) == 0) {
                ledger.start(token, job: token, at: now)
                open.append(token)
            } else {
                ledger.end(open.remove(at: Int(next(Int64(open.count)))), at: now)
            }
            if next(3) == 0 || token == 299 {
                let (found, interval) = ledger.cut()
                uses += found
                intervals.append(try #require(interval))
            }
        }
        #expect(uses.reduce(0) { $0 + $1.cpuNs } == attended)
        for (one, other) in zip(intervals, intervals.dropFirst()) {
            #expect(one.untilUs == other.fromUs)
        }
        #expect(intervals.first?.fromUs == 0 && intervals.last?.untilUs == now.epochUs)
        for pieces in Dictionary(grouping: uses, by: \.token).values {
            for (one, other) in zip(pieces, pieces.dropFirst()) {
                #expect(one.untilUs == other.fromUs)
            }
        }
    }

    @Test("two attempts at once share the processor time of the process equally")
    func shared() throws {
        var ledger = ledger(vCPUs: 2)
        ledger.start(1, job: 1, at: reading(0, cpu: 0, busy: 0))
        ledger.start(2, job: 2, at: reading(4, cpu: 4, busy: 4))
        ledger.end(1, at: reading(10, cpu: 14, busy: 14))
        ledger.end(2, at: reading(12, cpu: 15, busy: 15))
        let uses = ledger.cut().uses
        #expect(uses.map(\.token) == [1, 2])
        #expect(uses.map(\.cpuNs) == [9 * second, 6 * second])
        #expect(uses.map(\.reservedNs) == [10 * second, 8 * second])
    }

    @Test("with counters of package and memory the energy is what they counted")
    func counters() throws {
        var ledger = ledger(
            vCPUs: 2, domains: [package, dram], counters: [999_000_000, 5])
        ledger.advance(to: reading(1, cpu: 2, busy: 2, counters: [3_000_000, 1_000_005]))
        let interval = try #require(ledger.cut().interval)
        let (idle, load) = (try #require(interval.idle), try #require(interval.load))
        #expect(idle.microjoules + load.microjoules == 5_000_000)
        #expect(idle.low + load.low == 5_000_000 && idle.high + load.high == 5_000_000)
        #expect(ledger.tier == .counter && ledger.method == "RAPL + RAPL dram")
    }

    @Test("a failed read between two good ones: one interval has the delta over both pieces")
    func gapInside() throws {
        var ledger = ledger(vCPUs: 1, domains: [package, dram], counters: [0, 0])
        ledger.start(1, job: 1, at: reading(0, cpu: 0, busy: 0, counters: [0, 0]))
        ledger.advance(to: reading(5, cpu: 5, busy: 5, counters: [nil, 100]))
        let first = ledger.cut()
        #expect(first.uses.map(\.untilUs) == [5_000_000] && first.interval == nil)
        ledger.end(1, at: reading(10, cpu: 10, busy: 10, counters: [8_000_000, 200]))
        let second = ledger.cut()
        #expect(second.uses.map(\.fromUs) == [5_000_000])
        let interval = try #require(second.interval)
        #expect(interval.fromUs == 0 && interval.untilUs == 10_000_000)
        let (idle, load) = (try #require(interval.idle), try #require(interval.load))
        #expect(idle.microjoules + load.microjoules == 8_000_200)
    }

    @Test(
        "what a counter counted before its first reading is unknown, not zero, and not a delta from zero"
    )
    func lateCounters() throws {
        var ledger = ledger(vCPUs: 1, domains: [package, dram], counters: [nil, nil])
        ledger.advance(to: reading(1, cpu: 0, busy: 0, counters: [900_000_000, 7]))
        let first = try #require(ledger.cut().interval)
        #expect(first.idle == nil && first.load == nil && first.untilUs == 1_000_000)
        ledger.advance(to: reading(2, cpu: 1, busy: 1, counters: [901_000_000, 7]))
        let second = try #require(ledger.cut().interval)
        let (idle, load) = (try #require(second.idle), try #require(second.load))
        #expect(idle.microjoules + load.microjoules == 1_000_000)
    }

    @Test(
        "a counter that is first read while another cannot be read leaves an unknown interval too")
    func lateCounterInGap() throws {
        var ledger = ledger(vCPUs: 1, domains: [package, dram], counters: [nil, 0])
        ledger.advance(to: reading(1, cpu: 1, busy: 1, counters: [5_000_000, nil]))
        #expect(ledger.cut().interval == nil)
        ledger.advance(to: reading(2, cpu: 1, busy: 1, counters: [6_000_000, 2_000_000]))
        let interval = try #require(ledger.cut().interval)
        #expect(interval.fromUs == 0 && interval.idle == nil)
    }

    @Test("a reading that another thread has overtaken changes nothing: no counter goes back")
    func overtaken() throws {
        var ledger = ledger(vCPUs: 1, domains: [package, dram], counters: [0, 0])
        ledger.start(1, job: 1, at: reading(0, cpu: 0, busy: 0, counters: [0, 0]))
        ledger.advance(to: reading(10, cpu: 8, busy: 9, counters: [5_000_000, 1_000]))
        ledger.advance(to: reading(9, cpu: 7, busy: 8, counters: [4_000_000, 900]))
        ledger.advance(to: reading(20, cpu: 16, busy: 18, counters: [9_000_000, 2_000]))
        let (uses, found) = ledger.cut()
        let interval = try #require(found)
        let (idle, load) = (try #require(interval.idle), try #require(interval.load))
        #expect(idle.microjoules + load.microjoules == 9_002_000)
        #expect(interval.busyNs == 18 * second && interval.capacityNs == 20 * second)
        #expect(uses.map(\.cpuNs) == [16 * second] && uses.map(\.reservedNs) == [20 * second])
    }

    @Test("an attempt that never started has no use, and one without time is told")
    func unknown() {
        var ledger = ledger(vCPUs: 1)
        ledger.end(9, at: reading(1, cpu: 1, busy: nil))
        #expect(ledger.cut().uses.isEmpty)
        ledger.start(1, job: 1, at: reading(2, cpu: 1, busy: nil))
        #expect(ledger.cut().uses.isEmpty)
        ledger.end(1, at: reading(2, cpu: 1, busy: nil))
        #expect(ledger.cut().uses.map(\.token) == [1])
    }

    @Test("an attempt that reserves processors holds those, not its worker's share")
    func ownReservation() throws {
        var ledger = ledger(vCPUs: 4, threads: 4)
        ledger.start(1, job: 1, reserved: 1, at: reading(0, cpu: 0, busy: 0))
        ledger.end(1, at: reading(10, cpu: 0, busy: 0))
        #expect(ledger.cut().uses.map(\.reservedNs) == [10 * second])
    }

    @Test("a clock that is set back stands still: no interval overlaps another")
    func setBack() throws {
        var ledger = ledger(vCPUs: 1)
        ledger.advance(to: reading(10, cpu: 0, busy: 0))
        #expect(ledger.cut().interval?.untilUs == 10_000_000)
        var back = reading(20, cpu: 1, busy: 1)
        back.epochUs = 5_000_000
        ledger.advance(to: back)
        #expect(ledger.cut().interval == nil)
        back.timeNs += 10 * second
        back.epochUs = 12_000_000
        ledger.advance(to: back)
        let interval = try #require(ledger.cut().interval)
        #expect(interval.fromUs == 10_000_000 && interval.untilUs == 12_000_000)
        #expect(interval.capacityNs == 20 * second)
    }
}

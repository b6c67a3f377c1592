// The same work in one process with two slots and in two processes of a machine has the same energy.

import Foundation
import Metering
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import Accounting
@testable import Jobs

@Suite struct SlotsAndProcessesTests {
    /// A machine of four processors whose time passes when the test says so.
    private final class SharedMachine: Sendable {
        private struct State {
            var timeNs: Int64 = 0
            var busyNs: Int64 = 0
            var cpuNs: [Int: Int64] = [:]
        }
        private let state = Mutex(State())
        private let beginUs = Int64(Date().timeIntervalSince1970) * 1_000_000

        /// Lets time pass in which processes use processor time, and other programs too.
        func work(seconds: Double, cpuSeconds: [Int: Double], others: Double) {
            state.withLock { state in
                state.timeNs += Int64(seconds * 1e9)
                for (process, cpu) in cpuSeconds {
                    state.cpuNs[process, default: 0] += Int64(cpu * 1e9)
                    state.busyNs += Int64(cpu * 1e9)
                }
                state.busyNs += Int64(others * 1e9)
            }
        }

        func reading(_ process: Int) -> HostReading {
            state.withLock { state in
                HostReading(
                    timeNs: state.timeNs, epochUs: beginUs + state.timeNs / 1000,
                    processCPUNs: state.cpuNs[process] ?? 0, hostBusyNs: state.busyNs)
            }
        }
    }

    /// A process of that machine.
    private struct Process: HostReader {
        let machine: SharedMachine
        let number: Int
        let host = HostDescription(
            name: "shared", cpuModel: "test", vCPUs: 4, isVirtual: true,
            memoryBytes: 8_000_000_000,
            rating: ThermalDesign(watts: 280, threads: 128, source: "test"))
        let domains: [RAPLDomain] = []

        func read() -> HostReading { machine.reading(number) }
    }

    private struct Figures: Equatable {
        var attempts: [Int64]
        var other, unallocated, machine: Int64
    }

    /// Runs two jobs, the second from second 10 on, and returns the energies in microjoules; `processes` has the process
    /// of each job.
    private func figures(_ processes: [Int]) throws -> Figures {
        let database = try TemporaryDatabase()
        let connection = try database.connect(), queue = JobQueue(connection)
        let session = try queue.openSession(name: "test")
        _ = try queue.enqueue(
            RunSpec(
                name: "test", definition: "test", definitionHash: "test",
                stages: ["a", "b"].map { stage($0) }))
        let leases = try queue.claim(session, kinds: ["train"], limit: 2)
        try #require(leases.count == 2)
        let machine = SharedMachine()
        let meters = try Set(processes).sorted().map { number in
            try AttemptMeter(
                zone: "world", threadsPerAttempt: 1,
                reader: Process(machine: machine, number: number))
        }
        func meter(_ job: Int) -> AttemptMeter { meters[min(processes[job], meters.count - 1)] }
        func report(isLast: Bool = false) throws {
            for meter in meters { try queue.report(meter, isLast: isLast) }
        }
        try report()
        try meter(0).start(leases[0])
        machine.work(seconds: 10, cpuSeconds: [processes[0]: 9.5], others: 4)
        try report()
        // Each slot has a thread of its own.
        let second = meter(1), lease = leases[1]
        let slot = JoinableThread(name: "slot", stackBytes: 1 << 20) { try second.start(lease) }
        try slot.join()
        for _ in 0..<5 {
            // Both work as hard, in the one process or in two.
            let cpu = processes.reduce(into: [:]) { $0[$1, default: 0.0] += 8 }
            machine.work(seconds: 9, cpuSeconds: cpu, others: 2)
            try report()
        }
        #expect(try meter(0).end(leases[0], outcome: .completed)?.zone == "world")
        machine.work(seconds: 7, cpuSeconds: [processes[1]: 6.5], others: 0.5)
        _ = try meter(1).end(leases[1], outcome: .completed)
        try report(isLast: true)
        let cost = try CostLedger(connection).machine()
        let attempts = try leases.map { lease in
            try connection.queryOne(
                Statement(
                    name: "EnergyOf\(lease.token)",
                    sql:
                        "select sum(energy_uj)::bigint as uj from ofa.energy_piece where token = \(lease.token)"
                )
            ).int64("uj")
        }
        #expect(cost.attempts.energy?.microjoules == attempts.reduce(0, +))
        #expect(try queue.audit().isEmpty)
        return Figures(
            attempts: attempts, other: try #require(cost.other.energy).microjoules,
            unallocated: try #require(cost.unallocated.energy).microjoules,
            machine: try #require(cost.machine.energy).microjoules)
    }

    @Test("two slots of one process and two processes: the same energy within 3 %")
    func same() throws {
        let one = try figures([0, 0]), two = try figures([0, 1])
        print("one process \(one), two processes \(two)")
        for (a, b) in zip(
            one.attempts + [one.other, one.unallocated, one.machine],
            two.attempts + [two.other, two.unallocated, two.machine])
        {
            #expect(a > 0 && abs(Double(a - b)) <= 0.03 * Double(a))
        }
        for figures in [one, two] {
            #expect(
                figures.attempts.reduce(0, +) + figures.other + figures.unallocated
                    == figures.machine)
        }
    }
}

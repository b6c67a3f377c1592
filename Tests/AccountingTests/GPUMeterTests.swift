// The energy of GPUs: a machine of their own, whose energy is that of other programs.

import Foundation
import Metering
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import Accounting
@testable import Jobs

@Suite struct GPUMeterTests {
    /// A host with two GPUs, whose counters the test sets.
    private final class GPUHost: HostReader {
        let scripted = ScriptedHost()
        let counters = Mutex<[Int64?]>([5_000_000, 7_000_000])

        var host: HostDescription { scripted.host }
        var domains: [RAPLDomain] { [] }
        var gpus: [String] { ["one", "two"] }
        func read() -> HostReading { scripted.read() }
        func readGPUs() -> [Int64?] { counters.withLock { $0 } }
    }

    @Test(
        "what GPUs counted is metered apart, exactly, as other programs; a counter that fails is a gap"
    )
    func apart() throws {
        let metered = try MeteredQueue(stages: [stage("full")])
        let host = GPUHost()
        let meter = try AttemptMeter(zone: "world", threadsPerAttempt: 1, reader: host)
        let lease = try #require(
            try metered.queue.claim(metered.session, kinds: ["train"]).first)
        try meter.start(lease)
        host.scripted.work(seconds: 10, cpuSeconds: 10)
        host.counters.withLock { $0 = [1_005_000_000, 507_000_001] }
        try metered.queue.report(meter)
        host.scripted.work(seconds: 10, cpuSeconds: 10)
        host.counters.withLock { $0 = [nil, 600_000_000] }
        try metered.queue.report(meter)
        host.scripted.work(seconds: 10, cpuSeconds: 10)
        // The first counter is back; the second began anew.
        host.counters.withLock { $0 = [1_105_000_000, 1_000] }
        try metered.queue.report(meter)
        host.scripted.work(seconds: 10, cpuSeconds: 10)
        host.counters.withLock { $0 = [1_105_000_001, 1_001] }
        _ = try meter.end(lease, outcome: .completed)
        try metered.queue.report(meter, isLast: true)

        let rows = try metered.connection.query(
            Statement(
                name: "GPUs",
                sql: """
                    select part, piece.method, tier, sum(energy_uj)::bigint as uj from ofa.energy_piece as piece
                    join ofa.host on host.id = piece.host_id where host.name like '% (GPUs)' group by 1, 2, 3
                    """))
        #expect(rows.count == 1)
        let row = try #require(rows.first)
        #expect(try row.text("part") == "other" && row.text("method") == "NVML")
        #expect(try row.text("tier") == "A")
        #expect(try row.int64("uj") == 1_500_000_001 + 2)
        // They count as a part of the machine of the run, and not to its attempts.
        let cost = try CostLedger(metered.connection).machine(run: metered.run)
        #expect(cost.hosts.count == 2 && cost.machine.methods.contains("NVML"))
        #expect(
            cost.attempts.methods == [
                try metered.connection.queryOne(
                    Statement(
                        name: "M",
                        sql:
                            "select min(method) as method from ofa.energy_piece where part = 'attempt'"
                    )
                ).text("method")
            ])
        let parts = try [cost.attempts, cost.otherRuns, cost.other, cost.unallocated].map {
            try #require($0.energy).microjoules
        }
        #expect(parts.reduce(0, +) == cost.machine.energy?.microjoules)
        #expect((cost.other.energy?.microjoules ?? 0) >= 1_500_000_003)
        #expect(try metered.queue.audit().isEmpty)
    }

    @Test("a machine without GPUs has none in its ledger")
    func none() throws {
        let metered = try MeteredQueue(stages: [stage("full")])
        let lease = try metered.start()
        metered.host.work(seconds: 10, cpuSeconds: 10)
        try metered.complete(lease)
        #expect(try HostLedger(metered.connection).machines().count == 1)
    }
}

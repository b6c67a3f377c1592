// What machines used while runs used them: the parts add up, and what is unknown is not 0.

import Foundation
import Metering
import Postgres
import TestSupport
import Testing

@testable import Accounting
@testable import Jobs

@Suite struct MachineCostTests {
    @Test(
        "attempts, other programs and what is not reserved add up to the machine, of a run and of all"
    )
    func addsUp() throws {
        let metered = try MeteredQueue(stages: [stage("full")])
        let other = try metered.queue.enqueue(
            RunSpec(
                name: "other", definition: "test", definitionHash: "test", stages: [stage("b")]))
        let first = try metered.start()
        metered.host.work(seconds: 10, cpuSeconds: 12)
        try metered.complete(first)
        let second = try metered.start()
        metered.host.work(seconds: 5, cpuSeconds: 1)
        try metered.complete(second)
        let ledger = CostLedger(metered.connection)
        for run in [metered.run, other, nil] {
            let cost = try ledger.machine(run: run)
            let parts = try [cost.attempts, cost.otherRuns, cost.other, cost.unallocated].map {
                try #require($0.energy).microjoules
            }
            #expect(parts.reduce(0, +) == cost.machine.energy?.microjoules)
            #expect(cost.machine.tier == .model && cost.attempts.tier == .model)
            #expect(cost.hosts == [HostIdentity.current.name] && cost.lateNs == 0)
            let total = try ledger.report(run: run, factors: FactorSet.load(metered.connection))
                .total
            #expect(cost.attempts.energy == total.energy)
            #expect(run != nil || parts[1] == 0)
        }
        let until = try ledger.machine(since: Date() + 2 * 86_400)
        #expect(until.machine.energy == nil && until.hosts.isEmpty && until.firstHour == nil)
    }

    @Test("without a meter, and where a counter could not be read, everything is unknown, not 0")
    func unknown() throws {
        let metered = try MeteredQueue(stages: [stage("full")])
        let ledger = CostLedger(metered.connection)
        #expect(
            try ledger.machine().machine == MachineCost.Part(energy: nil, tier: nil, methods: []))
        let lease = try metered.start()
        metered.host.work(seconds: 10, cpuSeconds: 12)
        let report = try #require(try metered.meter.report(isLast: false))
        let interval = try #require(report.intervals.first)
        let gap = EnergyReport.Interval(
            fromUs: interval.fromUs, untilUs: interval.untilUs, capacityNs: interval.capacityNs,
            busyNs: interval.busyNs, othersNs: 0, idle: nil, load: nil)
        _ = try metered.queue.add(
            EnergyReport(
                process: report.process, untilUs: report.untilUs, isLast: false, zone: "world",
                method: "RAPL", tier: "A", counts: report.counts, uses: report.uses,
                intervals: [gap]))
        _ = lease
        let cost = try ledger.machine(run: metered.run)
        #expect(cost.machine.energy == nil && cost.attempts.energy == nil)
        #expect(cost.firstHour != nil)
        let row = try #require(try metered.costs().rows.first)
        #expect(!row.isKnown && row.gapNs == 10_000_000_000 && row.methods == ["gap: RAPL"])
    }

    @Test("time that was reported too late is told")
    func late() throws {
        let metered = try MeteredQueue(stages: [stage("full")])
        let lease = try metered.start()
        metered.host.work(seconds: 10, cpuSeconds: 12)
        let report = try #require(try metered.meter.report(isLast: false))
        func add(_ process: UUID, _ uses: [EnergyReport.Use], _ intervals: [EnergyReport.Interval])
            throws
        {
            _ = try metered.queue.add(
                EnergyReport(
                    process: process, untilUs: report.untilUs, isLast: false, zone: "world",
                    method: "model", tier: "M", counts: EnergyReport.Counts(), uses: uses,
                    intervals: intervals))
        }
        try add(UUID(), [], report.intervals)
        try add(UUID(), report.uses, [])
        let cost = try CostLedger(metered.connection).machine(run: metered.run)
        #expect(cost.lateNs == 10_000_000_000)
        #expect(cost.attempts.energy == nil && cost.attempts.tier == nil)
        #expect((cost.machine.energy?.microjoules ?? 0) > 0)
        #expect(lease.token > 0)
    }
}

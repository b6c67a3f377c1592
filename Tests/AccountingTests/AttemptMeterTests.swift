// The usage of attempts that the queue runs: completed, failed, running, lost, and reported twice.

import Foundation
import Metering
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import Accounting
@testable import Jobs

/// A host whose clocks move when the test says so.
final class ScriptedHost: HostReader {
    let host = HostDescription(
        name: "scripted", cpuModel: "test", vCPUs: 2, isVirtual: true, memoryBytes: 0,
        rating: ThermalDesign(watts: 280, threads: 128, source: "test"))
    let domains: [RAPLDomain] = []
    private let now: Mutex<HostReading>

    /// The clock starts at a whole second, `seconds` after now.
    init(seconds: Double = 0) {
        let begin = Int64((Date().timeIntervalSince1970 + seconds).rounded()) * 1_000_000
        now = Mutex(HostReading(timeNs: 0, epochUs: begin, processCPUNs: 0, hostBusyNs: 0))
    }

    func read() -> HostReading { now.withLock { $0 } }

    /// Lets time pass, with processor time spent by this process alone.
    func work(seconds: Double, cpuSeconds: Double) {
        now.withLock { reading in
            let begin = reading.epochUs - reading.timeNs / 1000
            reading.timeNs += Int64(seconds * 1e9)
            reading.epochUs = begin + reading.timeNs / 1000
            reading.processCPUNs += Int64(cpuSeconds * 1e9)
            reading.hostBusyNs = (reading.hostBusyNs ?? 0) + Int64(cpuSeconds * 1e9)
        }
    }
}

/// A database with a queue, a metered host, and a run of a few stages.
struct MeteredQueue {
    let database: TemporaryDatabase
    let connection: Connection
    let queue: JobQueue
    let session: Session
    let host = ScriptedHost()
    let meter: AttemptMeter
    let run: RunID

    init(stages: [StageSpec], zone: String = "world") throws {
        database = try TemporaryDatabase()
        connection = try database.connect()
        queue = JobQueue(connection)
        session = try queue.openSession(name: "test")
        meter = try AttemptMeter(zone: zone, threadsPerAttempt: 2, reader: host)
        run = try queue.enqueue(
            RunSpec(name: "test", definition: "test", definitionHash: "test", stages: stages))
    }

    /// Claims the next job and starts its account.
    func start() throws -> Lease {
        let kinds = ["train", "search"]
        let lease = try #require(try queue.claim(session, kinds: kinds).first)
        try meter.start(lease)
        return lease
    }

    /// Completes an attempt and reports what was metered.
    @discardableResult
    func complete(_ lease: Lease) throws -> CompletionAnswer {
        let use = try meter.end(lease, outcome: .completed)
        try queue.report(meter)
        return try queue.complete(lease, result: "{}", use: use)
    }

    /// Fails an attempt and reports what was metered; there is no further attempt.
    func fail(_ lease: Lease) throws {
        let use = try meter.end(lease, outcome: .failed)
        try queue.report(meter)
        _ = try queue.fail(lease, error: "no luck", retry: false, use: use)
    }

    /// The costs of the run.
    func costs(by grouping: CostGrouping = .stage) throws -> CostReport {
        try CostLedger(connection).report(
            run: run, by: grouping, factors: try FactorSet.load(connection))
    }
}

/// A stage of one job.
func stage(
    _ name: String, kind: String = "train", device: String? = nil, needs: [String] = []
) -> StageSpec {
    StageSpec(name: name, job: JobSpec(kind: kind, device: device), needs: needs)
}

@Suite struct AttemptMeterTests {
    @Test("a completed attempt has time, energy, range, method and tier")
    func completed() throws {
        let metered = try MeteredQueue(stages: [stage("full")])
        let lease = try metered.start()
        metered.host.work(seconds: 10, cpuSeconds: 12)
        #expect(try metered.complete(lease) == .done)
        let row = try #require(try metered.costs().rows.first)
        #expect(row.label == "full")
        #expect(row.wallNs == 10_000_000_000)
        #expect(row.cpuNs == 12_000_000_000)
        // 2 of 128 threads of 280 W at load 0.6, ten seconds: 25.58 J, 10.23 to 38.37.
        #expect(abs(Double(row.energy.microjoules) / 1e6 - 25.58) < 0.005)
        #expect(abs(Double(row.energy.low) / 1e6 - 10.23) < 0.005)
        #expect(abs(Double(row.energy.high) / 1e6 - 38.37) < 0.005)
        #expect(row.tier == .model)
        #expect(row.gaps == 0)
        // 25.58 J · 1.3 · 475 g/kWh = 4.388 mg.
        #expect(abs(row.grams * 1000 - 4.388) < 0.001)
        #expect(row.gramsLow < row.grams && row.grams < row.gramsHigh)
    }

    @Test("a failed attempt is charged, and so is the one after it")
    func failed() throws {
        let metered = try MeteredQueue(stages: [stage("full"), stage("more")])
        let first = try metered.start()
        metered.host.work(seconds: 2, cpuSeconds: 2)
        try metered.fail(first)
        let second = try metered.start()
        metered.host.work(seconds: 3, cpuSeconds: 1)
        try metered.complete(second)
        let costs = try metered.costs()
        #expect(costs.rows.map(\.label) == ["full", "more"])
        #expect(costs.rows.map(\.notCompleted) == [1, 0])
        #expect(costs.rows.map(\.cpuNs) == [2_000_000_000, 1_000_000_000])
        #expect(costs.total.attempts == 2)
    }

    @Test("a report that is written again, or whose answer was lost, counts once")
    func again() throws {
        let metered = try MeteredQueue(stages: [stage("full")])
        let lease = try metered.start()
        metered.host.work(seconds: 1, cpuSeconds: 1)
        let report = try #require(try metered.meter.report(isLast: false))
        #expect(report.uses.count == 1 && report.intervals.count == 1)
        for _ in 0..<2 { #expect(try metered.queue.add(report).isMeter) }
        metered.host.work(seconds: 5, cpuSeconds: 5)
        #expect(try metered.complete(lease) == .done)
        #expect(try metered.complete(lease) == .already)
        let row = try #require(try metered.costs().rows.first)
        #expect(row.wallNs == 6_000_000_000 && row.cpuNs == 6_000_000_000 && row.attempts == 1)
        #expect(row.gapNs == 0 && row.gaps == 0)
    }

    @Test("an attempt has its energy while it runs, and keeps it when its worker is lost")
    func lostInTheMiddle() throws {
        let metered = try MeteredQueue(stages: [stage("full")])
        _ = try metered.start()
        metered.host.work(seconds: 50, cpuSeconds: 60)
        try metered.queue.report(metered.meter)
        let running = try #require(try metered.costs().rows.first)
        #expect(running.attempts == 0 && running.wallNs == 50_000_000_000 && running.isKnown)
        metered.host.work(seconds: 9, cpuSeconds: 9)
        let clock = try metered.database.connect()
        try clock.script("SET ofa.clock_offset = '1 hour'")
        #expect(try JobQueue(clock).rescue() == 1)
        for grouping in CostGrouping.allCases {
            let total = try metered.costs(by: grouping).total
            #expect(total.attempts == 1 && total.notCompleted == 1 && total.gaps == 0)
            #expect(total.energy == running.energy && total.wallNs == 50_000_000_000, "\(grouping)")
        }
        #expect(try metered.queue.audit().isEmpty)
    }

    @Test("an attempt whose worker was lost is a gap: counted with its time, its energy missing")
    func lost() throws {
        let metered = try MeteredQueue(stages: [stage("full")])
        _ = try metered.queue.claim(metered.session, kinds: ["train"])
        let clock = try metered.database.connect()
        try clock.script("SET ofa.clock_offset = '1 hour'")
        #expect(try JobQueue(clock).rescue(observer: metered.meter) == 1)
        let costs = try metered.costs()
        let row = try #require(costs.rows.first)
        #expect(row.attempts == 1 && row.gaps == 1 && row.notCompleted == 1)
        #expect(row.energy == .zero && row.tier == nil)
        #expect(row.methods == ["gap: lost without a meter row"])
        // Charged until the last sign of life, not until it was found an hour later.
        #expect(row.wallNs < 600_000_000_000)
    }

    @Test("an attempt abandoned without an end stops at the next start of its thread")
    func abandoned() throws {
        let metered = try MeteredQueue(stages: [stage("full"), stage("more")])
        _ = try metered.start()
        metered.host.work(seconds: 1, cpuSeconds: 1)
        let second = try metered.start()
        metered.host.work(seconds: 4, cpuSeconds: 4)
        try metered.complete(second)
        #expect(try metered.costs().rows.map(\.cpuNs).max() == 4_000_000_000)
    }

    @Test("the live host can be read and has a meter")
    func live() throws {
        let reader = try LiveHostReader(database: "test")
        let meter = try AttemptMeter(zone: "world", threadsPerAttempt: 1, reader: reader)
        meter.sample()
        let first = try reader.read()
        let second = try reader.read()
        #expect(second.timeNs >= first.timeNs && second.processCPUNs >= first.processCPUNs)
    }
}

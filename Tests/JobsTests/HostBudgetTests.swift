// Tests of HostBudget and of reservations in claims: a process never holds more than it has room for.
import Foundation
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import Jobs

@Suite("HostBudget")
struct HostBudgetTests {
    private func lease(_ kind: String, threads: Int = 0, memoryMB: Int = 0) -> Lease {
        Lease(
            jobID: 1, token: 1, sessionUUID: "", kind: kind, runID: 1, groupID: 1, stage: "s",
            threads: threads, memoryMB: memoryMB)
    }

    @Test("what jobs took is missing from the room until it is given back")
    func room() {
        let budget = HostBudget(threads: 4, memoryMB: 1000)
        let held = lease("a", threads: 3, memoryMB: 1100)
        let all = HostBudget.Room(
            kinds: ["a"], threads: 4, memoryMB: 1000, jobs: 5, alone: true)
        #expect(budget.room(kinds: ["a"], limit: 5) == all)
        budget.take([held], in: all)
        #expect(
            budget.room(kinds: ["a"], limit: 5)
                == .init(kinds: ["a"], threads: 1, memoryMB: 0, jobs: 5, alone: false))
        budget.free(held)
        #expect(budget.room(kinds: ["a"], limit: 5) == all)
    }

    @Test("a kind at its limit is not claimed, one below it is claimed one at a time")
    func limits() throws {
        let budget = HostBudget(limits: ["a": 2])
        for number in 0..<2 {
            let room = try #require(budget.room(kinds: ["a", "b"], limit: 8))
            #expect(room.kinds == ["a", "b"] && room.jobs == 1)
            #expect(room.alone == (number == 0))
            budget.take([lease("a")], in: room)
        }
        let room = try #require(budget.room(kinds: ["a", "b"], limit: 8))
        #expect(room.kinds == ["b"] && room.jobs == 8)
        #expect(budget.room(kinds: ["a"], limit: 8) == nil)
        budget.free(lease("a"))
        #expect(budget.room(kinds: ["a"], limit: 8)?.kinds == ["a"])
    }

    @Test("a job that workers died on holds its process alone until it has saved a checkpoint")
    func quarantine() throws {
        let budget = HostBudget(threads: 4)
        let suspect = Lease(
            jobID: 1, token: 7, sessionUUID: "", kind: "a", crashes: 1, runID: 1, groupID: 1,
            stage: "s")
        budget.take([suspect], in: try #require(budget.room(kinds: ["a"], limit: 1)))
        #expect(budget.room(kinds: ["a"], limit: 1) == nil)
        budget.endQuarantine(lease("a"))
        #expect(budget.room(kinds: ["a"], limit: 1) == nil, "that was another's checkpoint")
        budget.endQuarantine(suspect)
        let room = try #require(budget.room(kinds: ["a"], limit: 1))
        #expect(!room.alone)
        budget.free(suspect)
        #expect(budget.room(kinds: ["a"], limit: 1)?.alone == true)
    }

    @Test("a claim takes as many jobs as fit together, and none that does not fit at all")
    func claims() throws {
        let fixture = try QueueFixture()
        let specs = [(2, 100), (1, 700), (1, 100), (9, 100)].map { threads, memory in
            JobSpec(kind: "work", threads: threads, memoryMB: memory)
        }
        _ = try fixture.enqueue([StageSpec(name: "only", jobs: specs)])
        let session = try fixture.queue.openSession(name: "w")
        func claim(_ threads: Int?, _ memoryMB: Int?) throws -> [Int] {
            let request = ClaimRequest(
                kinds: ["work"], limit: 9, threads: threads, memoryMB: memoryMB)
            let leases = try fixture.queue.claim(session, request)
            for lease in leases.reversed() { try fixture.queue.release(lease, reason: "x") }
            return leases.map(\.ordinal).sorted()
        }
        #expect(try claim(nil, nil) == [0, 1, 2, 3])
        #expect(try claim(0, nil) == [])
        #expect(try claim(1, nil).count == 1)
        #expect(try claim(4, nil) == [0, 1, 2])
        #expect(try claim(nil, 99) == [])
        #expect(try claim(4, 500) == [0, 2])
        try fixture.expectSound()
    }

    @Test("the slots of a process share its threads and the limit of a kind")
    func twoSlots() throws {
        let fixture = try QueueFixture()
        let specs = (0..<30).map { index in
            JobSpec(kind: index % 3 == 0 ? "single" : "work", threads: 1 + index % 2)
        }
        let run = try fixture.enqueue([StageSpec(name: "only", jobs: specs)])
        let budget = HostBudget(threads: 2, limits: ["single": 1], slots: 2)
        let inUse = Mutex((threads: 0, singles: 0)), most = Mutex((threads: 0, singles: 0))
        let handler = ClosureHandler { context in
            let lease = context.lease
            let isSingle = lease.kind == "single"
            let seen = inUse.withLock { use in
                use.threads += lease.threads
                use.singles += isSingle ? 1 : 0
                return use
            }
            most.withLock {
                $0 = (max($0.threads, seen.threads), max($0.singles, seen.singles))
            }
            Thread.sleep(forTimeInterval: 0.002)
            inUse.withLock { use in
                use.threads -= lease.threads
                use.singles -= isSingle ? 1 : 0
            }
            return JobOutput()
        }
        try Worker(
            databaseURL: fixture.database.url, registry: ["work": handler, "single": handler],
            options: WorkerOptions(
                slots: 2, prefetch: 4, budget: budget, pollSeconds: 0.05, ttlSeconds: 30,
                untilIdle: true, report: { _ in })
        ).run()
        #expect(most.withLock { $0.threads <= 2 && $0.singles <= 1 })
        #expect(try fixture.queue.run(run).state == .completed)
        #expect(budget.room(kinds: ["single"], limit: 1)?.threads == 2)
        try fixture.expectSound()
    }
}

/// A handler made of a closure.
struct ClosureHandler: JobHandler {
    let body: @Sendable (JobContext) throws -> JobOutput

    init(_ body: @escaping @Sendable (JobContext) throws -> JobOutput) { self.body = body }

    func run(_ context: JobContext) throws -> JobOutput { try body(context) }
}

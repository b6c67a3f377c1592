// Tests of HostBudget: the shares of workers whose jobs reserve nothing.
import Foundation
import Testing

@testable import Jobs

@Suite("HostBudget: shares")
struct HostBudgetShareTests {
    private func lease(
        _ token: Int64, kind: String = "work", session: String = "s", threads: Int = 0,
        memoryMB: Int = 0
    ) -> Lease {
        Lease(
            jobID: token, token: token, sessionUUID: session, kind: kind, runID: 1, groupID: 1,
            stage: "s", threads: threads, memoryMB: memoryMB)
    }

    /// The room of the next claim; nil when there is none.
    private func room(_ budget: HostBudget, kinds: [String] = ["work"]) -> HostBudget.Room? {
        var seen: HostBudget.Room?
        _ = budget.claim(kinds: kinds, limit: 64) { room in
            seen = room
            return []
        }
        return seen
    }

    @Test("what jobs reserve is taken until they are given back")
    func reservations() {
        let budget = HostBudget(threads: 8, memoryMB: 1000)
        let held = budget.claim(kinds: ["work"], limit: 64) { _ in
            [lease(1, threads: 5, memoryMB: 300), lease(2, threads: 2, memoryMB: 400)]
        }
        #expect(room(budget)?.threads == 1)
        #expect(room(budget)?.memoryMB == 300)
        for one in held { budget.free(one) }
        #expect(room(budget)?.threads == 8)
        #expect(room(budget)?.memoryMB == 1000)
    }

    @Test("a worker whose jobs reserve nothing takes its share once, however many it holds")
    func shares() {
        let budget = HostBudget(threads: 4, share: 2)
        let first = budget.claim(kinds: ["work"], limit: 64) { _ in [lease(1), lease(2)] }
        #expect(room(budget)?.threads == 2)
        budget.free(first[0])
        #expect(room(budget)?.threads == 2)
        _ = budget.claim(kinds: ["work"], limit: 64) { _ in [lease(3, session: "t", threads: 1)] }
        #expect(room(budget) == nil, "a job that reserves nothing would have no room")
        budget.free(first[1])
        #expect(room(budget)?.threads == 3)
    }

    @Test("a kind at its limit is not claimed, and one below it is claimed singly")
    func limits() {
        let budget = HostBudget(limits: ["work": 1])
        #expect(room(budget, kinds: ["play", "work"])?.jobs == 1)
        let held = budget.claim(kinds: ["work"], limit: 64) { _ in [lease(1)] }
        #expect(room(budget, kinds: ["play", "work"])?.kinds == ["play"])
        #expect(room(budget, kinds: ["play", "work"])?.jobs == 64)
        #expect(room(budget) == nil)
        budget.free(held[0])
        #expect(room(budget)?.kinds == ["work"])
    }
}

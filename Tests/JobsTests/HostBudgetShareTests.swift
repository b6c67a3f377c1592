// Tests of HostBudget: the shares of slots whose jobs reserve nothing.
import Foundation
import Testing

@testable import Jobs

@Suite("HostBudget: shares")
struct HostBudgetShareTests {
    private func lease(
        _ token: Int64, kind: String = "work", threads: Int = 0, memoryMB: Int = 0
    ) -> Lease {
        Lease(
            jobID: token, token: token, sessionUUID: "s", kind: kind, runID: 1, groupID: 1,
            stage: "s", threads: threads, memoryMB: memoryMB)
    }

    /// The room of the next claim; nil when there is none.
    private func room(_ budget: HostBudget, kinds: [String] = ["work"]) -> HostBudget.Room? {
        budget.room(kinds: kinds, limit: 64)
    }

    /// Takes these leases.
    private func take(_ leases: [Lease], _ budget: HostBudget) throws -> [Lease] {
        budget.take(leases, in: try #require(budget.room(kinds: ["work"], limit: 64)))
        return leases
    }

    @Test("what jobs reserve is taken until they are given back")
    func reservations() throws {
        let budget = HostBudget(threads: 8, memoryMB: 1000)
        let held = try take(
            [lease(1, threads: 5, memoryMB: 300), lease(2, threads: 2, memoryMB: 400)], budget)
        #expect(room(budget)?.threads == 1)
        #expect(room(budget)?.memoryMB == 300)
        for one in held { budget.free(one) }
        #expect(room(budget)?.threads == 8)
        #expect(room(budget)?.memoryMB == 1000)
    }

    @Test(
        "a job that reserves nothing takes the share of a slot, and more of them no more than all slots"
    )
    func shares() throws {
        let budget = HostBudget(threads: 5, share: 2, slots: 2)
        let first = try take([lease(1)], budget)
        #expect(room(budget)?.threads == 3)
        let others = try take([lease(2, threads: 1)], budget)
        #expect(room(budget)?.threads == 2)
        let third = try take([lease(3, threads: 1)], budget)
        #expect(room(budget) == nil, "a job that reserves nothing would have no room")
        for lease in others + third { budget.free(lease) }
        let more = try take([lease(4), lease(5), lease(6)], budget)
        #expect(room(budget) == nil)
        for lease in more { budget.free(lease) }
        #expect(room(budget)?.threads == 3)
        budget.free(first[0])
        #expect(room(budget)?.threads == 5)
    }

    @Test("a kind at its limit is not claimed, and one below it is claimed singly")
    func limits() throws {
        let budget = HostBudget(limits: ["work": 1])
        #expect(room(budget, kinds: ["play", "work"])?.jobs == 1)
        let held = try take([lease(1)], budget)
        #expect(room(budget, kinds: ["play", "work"])?.kinds == ["play"])
        #expect(room(budget, kinds: ["play", "work"])?.jobs == 64)
        #expect(room(budget) == nil)
        budget.free(held[0])
        #expect(room(budget)?.kinds == ["work"])
    }
}

// Tests of LaneFloors without a database: a floor never passes a place where something can still appear.
import Foundation
import Testing

@testable import Jobs

@Suite("LaneFloors")
struct LaneFloorsTests {
    @Test("a floor follows only after a stride, the end of what ran then, and a look")
    func steps() {
        var floors = LaneFloors()
        #expect(floors.note(lane: 1, first: 255, horizon: 10, finished: 10) == nil)
        #expect(floors.note(lane: 1, first: 300, horizon: 10, finished: 8) == nil)
        // Transactions 8 and 9 ran when place 300 was noted.
        #expect(floors.note(lane: 1, first: 900, horizon: 14, finished: 9) == nil)
        let check = floors.note(lane: 1, first: 950, horizon: 14, finished: 10)
        #expect(check == LaneFloors.Check(lane: 1, floor: 0, mark: 300))
        #expect(floors.known.lanes.isEmpty)
        if let check { floors.raise(check) }
        #expect(floors.known.lanes == [1])
        #expect(floors.known.floors == [300])
        floors.reset()
        #expect(floors.known.floors.isEmpty)
    }

    @Test("a look that found something leaves the floor, and the place is noted anew")
    func notEmpty() {
        var floors = LaneFloors()
        #expect(floors.note(lane: 1, first: 300, horizon: 1, finished: 1) == nil)
        #expect(floors.note(lane: 1, first: 400, horizon: 2, finished: 2)?.mark == 300)
        #expect(floors.note(lane: 1, first: 500, horizon: 3, finished: 3) == nil)
        #expect(floors.note(lane: 1, first: 600, horizon: 4, finished: 4)?.mark == 500)
        #expect(floors.known.lanes.isEmpty)
    }

    @Test("lanes have floors of their own, told in their order")
    func lanes() {
        var floors = LaneFloors()
        for lane in [3, 1] {
            #expect(floors.note(lane: lane, first: 300, horizon: 1, finished: 1) == nil)
            let check = floors.note(
                lane: lane, first: Int64(300 + lane), horizon: 1, finished: 1)
            if let check { floors.raise(check) }
        }
        #expect(floors.known.lanes == [1, 3])
        #expect(floors.known.floors == [300, 300])
    }

    @Test("a floor is forgotten where something is found below it, and only there")
    func forgotten() {
        var floors = LaneFloors()
        for lane in [1, 2] {
            #expect(floors.note(lane: lane, first: 300, horizon: 1, finished: 1) == nil)
            let check = floors.note(lane: lane, first: 400, horizon: 1, finished: 1)
            if let check { floors.raise(check) }
        }
        floors.forget(lane: 1, above: 300)
        floors.forget(lane: 3, above: 1)
        #expect(floors.known.floors == [300, 300])
        floors.forget(lane: 1, above: 299)
        #expect(floors.known.lanes == [2])
    }

    /// A lane and the transactions around it, as PostgreSQL would show them.
    private struct Lane {
        struct Transaction {
            var added: [Int64] = []
            var locked: [Int64] = []
        }
        var available: Set<Int64> = []
        var open: [Int64: Transaction] = [:]
        var nextID: Int64 = 1
        var nextPlace: Int64 = 1

        var locked: Set<Int64> { Set(open.values.flatMap(\.locked)) }
        /// Every place where a job is or may yet appear.
        var possible: Set<Int64> { available.union(open.values.flatMap(\.added)) }
        var horizon: Int64 { nextID }
        var finished: Int64 { open.keys.min() ?? nextID }

        mutating func begin() {
            open[nextID] = Transaction()
            nextID += 1
        }

        mutating func end(_ id: Int64, commits: Bool) {
            guard let transaction = open.removeValue(forKey: id), commits else { return }
            available.formUnion(transaction.added)
            available.subtract(transaction.locked)
        }
    }

    @Test(
        "no late commit and no claim that is rolled back leaves a job below a floor",
        arguments: 1...40)
    func simulation(seed: UInt64) {
        var random = RetryTests.FixedNumbers(state: seed)
        var lane = Lane()
        var floors = LaneFloors()
        var raised = 0
        for step in 0..<4000 {
            let ids = lane.open.keys.sorted()
            switch Int.random(in: 0..<10, using: &random) {
            case 0, 1: lane.begin()
            case 2, 3:
                guard let id = ids.randomElement(using: &random) else { continue }
                lane.nextPlace += Int64.random(in: 1...60, using: &random)
                lane.open[id]?.added.append(lane.nextPlace)
            case 4, 5, 6:
                guard let id = ids.randomElement(using: &random) else { continue }
                lane.end(id, commits: Bool.random(using: &random) || step % 3 == 0)
            default:
                // A claim: what it finds first, its horizon and what has finished, then perhaps a look.
                let floor = floors.known.floors.first ?? 0
                let seen = lane.available.subtracting(lane.locked).filter { $0 >= floor }.min()
                guard let seen else { continue }
                let (horizon, finished) = (lane.horizon, lane.finished)
                let check = floors.note(
                    lane: 1, first: seen, horizon: horizon, finished: finished)
                if let check,
                    !lane.available.contains(where: { $0 >= check.floor && $0 < check.mark })
                {
                    floors.raise(check)
                    raised += 1
                }
                lane.begin()
                lane.open[horizon]?.locked.append(seen)
                if Bool.random(using: &random) { lane.end(horizon, commits: true) }
            }
            let floor = floors.known.floors.first ?? 0
            let below = lane.possible.filter { $0 < floor }
            #expect(below.isEmpty, "seed \(seed), step \(step): floor \(floor), below \(below)")
            if !below.isEmpty { return }
        }
        #expect(raised > 0, "seed \(seed)")
    }
}

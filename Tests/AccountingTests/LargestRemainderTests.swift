// Whole parts that add up.

import Accounting
import Testing

@Suite struct LargestRemainderTests {
    @Test("the parts add up to the total and stay within one of their exact share")
    func sums() {
        var state: UInt64 = 42
        func next(_ bound: UInt64) -> Int64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int64((state >> 33) % bound)
        }
        for _ in 0..<500 {
            let total = next(1_000_000)
            let weights = (0..<Int(next(9) + 1)).map { _ in next(1000) }
            let parts = LargestRemainder.split(total, weights: weights)
            #expect(parts.reduce(0, +) == total)
            let sum = weights.reduce(0, +)
            guard sum > 0 else { continue }
            for (part, weight) in zip(parts, weights) {
                #expect(abs(Double(part) - Double(total) * Double(weight) / Double(sum)) < 1)
            }
        }
    }

    @Test("the odd units go to the largest remainders, the earlier first")
    func remainders() {
        #expect(LargestRemainder.split(10, weights: [1, 1, 1]) == [4, 3, 3])
        #expect(LargestRemainder.split(10, weights: [5, 33, 62]) == [1, 3, 6])
        #expect(LargestRemainder.split(0, weights: [1, 2]) == [0, 0])
    }

    @Test("without any weight the last part takes everything")
    func noWeight() {
        #expect(LargestRemainder.split(7, weights: [0, 0]) == [0, 7])
    }

    @Test("numbers near the limit of 64 bits do not overflow")
    func large() {
        let parts = LargestRemainder.split(.max, weights: [.max, .max, 1])
        #expect(parts.reduce(0, +) == .max)
    }
}

@Suite struct EnergyAllocationTests {
    @Test("60 s at 40 W, 16 W of them idle: A 1,200 J, B 600 J, other 360 J, unallocated 240 J")
    func handComputed() {
        let split = EnergyAllocation(
            idle: 16 * 60 * 1_000_000, load: 24 * 60 * 1_000_000, capacity: 4 * 60, busy: 120,
            shares: [.init(reserved: 2 * 60, used: 60), .init(reserved: 1 * 60, used: 30)])
        #expect(split.attempts == [1_200_000_000, 600_000_000])
        #expect(split.other == 360_000_000)
        #expect(split.unallocated == 240_000_000)
    }

    @Test("nothing is lost when attempts use more than the host says it worked")
    func overfull() {
        let split = EnergyAllocation(
            idle: 101, load: 1001, capacity: 2, busy: 1,
            shares: [.init(reserved: 2, used: 3), .init(reserved: 2, used: 4)])
        #expect(split.attempts.reduce(0, +) == 1102)
        #expect(split.other == 0 && split.unallocated == 0)
    }

    @Test("without attempts everything is other or unallocated")
    func empty() {
        let split = EnergyAllocation(idle: 10, load: 5, capacity: 4, busy: 0, shares: [])
        #expect(split.attempts.isEmpty)
        #expect(split.unallocated == 10)
        #expect(split.other == 5)
    }
}

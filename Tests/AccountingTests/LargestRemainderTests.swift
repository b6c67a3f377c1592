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

// Break-evens against hand computations.

import Metering
import Testing

@testable import Accounting

@Suite struct BreakEvenTests {
    @Test("1,240 hours pay from 9, 7, 3 and 3 targets of 150, 180, 500 and 576 hours on")
    func published() {
        let alone = [150.0, 180, 500, 576]
        #expect(alone.map { BreakEven.targets(1240, 0, $0) } == [9, 7, 3, 3])
        #expect(BreakEven.targets(1240, 25, 150) == 10)
        #expect(BreakEven.targets(1240, 75, 150) == 17)
    }

    @Test("without a gain for each target it never pays; a whole quotient is not rounded up")
    func edges() {
        #expect(BreakEven.targets(1240, 150, 150) == nil)
        #expect(BreakEven.targets(1240, 200, 150) == nil)
        #expect(BreakEven.targets(1200, 0, 150) == 8)
        #expect(BreakEven.targets(1.1, 0, 0.1) == 11)
        #expect(BreakEven.targets(0, 0, 1) == 0)
    }

    @Test("independent errors give the widest range, which may have no end")
    func independent() {
        let even = BreakEven(
            fixed: Interval(value: 1240, low: 1000, high: 1500),
            perTarget: Interval(value: 25, low: 20, high: 50),
            alone: Interval(value: 150, low: 100, high: 200))
        // 1000 / 180 = 5.6, 1240 / 125 = 9.92, 1500 / 50 = 30.
        #expect(even.fewest == 6 && even.targets == 10 && even.most == 30)
        let open = BreakEven(
            fixed: Interval(exactly: 10), perTarget: Interval(value: 1, low: 1, high: 3),
            alone: Interval(value: 4, low: 2, high: 5))
        #expect(open.targets == 4 && open.fewest == 3 && open.most == nil)
        let document = open.document(against: "m", unit: "h", tier: nil)
        #expect(document.may_never && !document.never && document.targets_high == nil)
    }

    @Test("an error that scales all three costs alike leaves the number as it is")
    func common() {
        func scaled(_ value: Double) -> Interval {
            Interval(value: value, low: 0.4 * value, high: 1.5 * value)
        }
        let one = BreakEven(
            fixed: scaled(1240), perTarget: scaled(25), alone: scaled(150), isOneMeter: true)
        #expect(one.fewest == 10 && one.targets == 10 && one.most == 10)
        let many = BreakEven(
            fixed: scaled(1240), perTarget: scaled(25), alone: scaled(150))
        // 496 / 215 = 2.3, and 1860 / 22.5 = 82.7.
        #expect(many.fewest == 3 && many.most == 83)
    }
}

// Estimates that are known up to a factor.

import Foundation
import Metering
import Testing

@testable import Accounting

@Suite struct LogEstimateTests {
    @Test("one value has the assumed deviation; more values that agree make it narrower")
    func observations() throws {
        let one = try #require(LogEstimate(values: [8], prior: 0.5))
        #expect(abs(one.interval.value - 8) < 1e-12)
        // √(0.25 · (1 + 1/1)).
        #expect(abs(one.deviation - 0.5 * 2.0.squareRoot()) < 1e-12)
        let four = try #require(LogEstimate(values: [8, 8, 8, 8], prior: 0.5))
        // √(0.25 / 4 · (1 + 1/4)).
        #expect(abs(four.deviation - (0.25 / 4 * 1.25).squareRoot()) < 1e-12)
        // The logarithms of 1 and e² deviate by √2: (0.25 + 2) / 2 · 1.5.
        let wide = try #require(LogEstimate(values: [1, exp(2)], prior: 0.5))
        #expect(abs(wide.logMean - 1) < 1e-12)
        #expect(abs(wide.deviation - (2.25 / 2 * 1.5).squareRoot()) < 1e-12)
        #expect(LogEstimate(values: [], prior: 0.5) == nil)
        #expect(LogEstimate(values: [0], prior: 0.5) == nil)
    }

    @Test("estimates are combined by the inverse of their variances")
    func combined() throws {
        let sum = try #require(
            LogEstimate.combined([
                LogEstimate(logMean: 1, deviation: 0.1), LogEstimate(logMean: 2, deviation: 0.2),
            ]))
        #expect(abs(sum.logMean - 1.2) < 1e-12)
        #expect(abs(sum.deviation - (1 / 125.0).squareRoot()) < 1e-12)
        let exact = LogEstimate(logMean: 3, deviation: 0)
        #expect(LogEstimate.combined([sum, exact]) == exact)
        #expect(LogEstimate.combined([]) == nil)
    }

    @Test("what is left is never below 0, and not certain once the estimate is spent")
    func left() {
        let estimate = LogEstimate(logMean: log(10), deviation: 0.1)
        let some = estimate.left(after: 4)
        #expect(abs(some.value - 6) < 1e-9 && some.low < 6 && some.high > 6)
        let over = estimate.left(after: 20)
        #expect(abs(over.value) < 1e-9 && over.low == 0 && over.high > 1)
        #expect(estimate.left(after: 0) == estimate.interval)
    }
}

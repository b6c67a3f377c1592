// Amounts of time, energy and carbon: sums, parts and what is taken from them.

import Foundation
import Metering
import Testing

@testable import Accounting

@Suite struct CostSumTests {
    @Test("a part that is removed is limited to the whole, and both add up to it")
    func removed() {
        var whole = amount(100, seconds: 9)
        let part = whole.remove(amount(30, seconds: 4))
        #expect(part.energy.microjoules == 30 && whole.energy.microjoules == 70)
        #expect((part + whole).wallNs == 9_000_000_000)
        #expect(part.attempts == 1 && whole.attempts == 0)
        let rest = whole.remove(amount(1000, seconds: 100))
        #expect(rest.energy.microjoules == 70 && rest.wallNs == 5_000_000_000)
        #expect(whole.energy == .zero && whole.wallNs == 0 && whole.emissionUg == 0)
    }

    @Test("a weight of 0 gets nothing, and a turn moves the odd unit")
    func divided() {
        let parts = amount(10).divided(by: [1, 0, 1, 1], turn: 2)
        #expect(parts.map(\.energy.microjoules) == [3, 0, 4, 3])
        #expect(parts[1] == CostSum())
        #expect(parts.map(\.attempts) == [1, 0, 1, 1])
    }

    @Test("an amount without metered energy is unknown in JSON, not zero")
    func unknown() throws {
        var lost = CostSum()
        (lost.attempts, lost.gaps, lost.wallNs) = (1, 1, 1_500_000_000)
        let json =
            try JSONSerialization.jsonObject(
                with: JSONEncoder().encode(lost.document)) as? [String: Any]
        #expect(json?["energy_uj"] == nil && json?["gco2e"] == nil && json?["tier"] == nil)
        #expect(json?["seconds"] as? Double == 1.5 && json?["gaps"] as? Int == 1)
        #expect((lost + amount(5)).tier == .model)
    }
}

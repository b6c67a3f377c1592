// Numbers in names compare by value.

import Intake
import Testing

@Suite struct NaturalOrderTests {
    @Test("numbers compare by value, everything else by its text")
    func order() {
        let ordered = [
            "", "0", "00", "1", "2", "10", "a", "a.2", "a.10", "a2b1", "a2b10", "b",
            "fc1", "fc01", "fc2", "fc99999999999999999998", "fc99999999999999999999",
        ]
        for (place, name) in ordered.enumerated() {
            for (other, second) in ordered.enumerated() where !(name == "fc1" || second == "fc1") {
                #expect(NaturalOrder.precedes(name, second) == (place < other), "\(name) \(second)")
            }
        }
        #expect(NaturalOrder.precedes("fc01", "fc1"))
        #expect(!NaturalOrder.precedes("fc1", "fc01"))
    }
}

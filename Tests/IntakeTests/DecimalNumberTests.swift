// Tests of the gate for numbers.
import Intake
import Testing

@Suite struct DecimalNumberTests {
    @Test(
        "decimal whole numbers are read", arguments: [("0", 0), ("64", 64), ("-7", -7), ("+5", 5)])
    func whole(text: String, value: Int) throws {
        #expect(try DecimalNumber.whole(text) == value)
    }

    @Test(
        "what two readers read differently is no whole number",
        arguments: [
            "064", "0100", "0x40", "1:30", "6_4", "010", "0o10", "0b1", "", " 1", "1 ", "1.0",
            "1e3",
            "٦٤", "９", "- 1", "--1", "99999999999999999999",
        ])
    func notWhole(text: String) {
        #expect(throws: InputFault.self) { try DecimalNumber.whole(text) }
    }

    @Test(
        "decimal numbers are read",
        arguments: [
            ("0.05", 0.05), ("1e-4", 1e-4), ("-3", -3), (".5", 0.5), ("2.", 2), ("1E3", 1000),
        ])
    func real(text: String, value: Double) throws {
        #expect(try DecimalNumber.real(text) == value)
    }

    @Test(
        "what is no decimal number is refused",
        arguments: [
            "0x1p3", "nan", "inf", "-inf", ".inf", "1:30.5", "010.5", "1_0.0", "1,5", "1e", "e5",
            ".",
            "1e999", "",
        ])
    func notReal(text: String) {
        #expect(throws: InputFault.self) { try DecimalNumber.real(text) }
    }

    @Test("a number outside its range names both")
    func range() {
        let fault = #expect(throws: InputFault.self) { try DecimalNumber.whole("65", in: 1...64) }
        #expect(fault?.reason == "is 65; it must lie in 1...64")
    }
}

// Tests of the gate for numbers.
import Intake
import Testing

@Suite struct DecimalNumberTests {
    @Test(
        "decimal whole numbers are read", arguments: [("0", 0), ("64", 64), ("-7", -7)])
    func whole(text: String, value: Int) throws {
        #expect(try DecimalNumber.whole(text) == value)
    }

    @Test(
        "what two readers read differently is no whole number",
        arguments: [
            "064", "0100", "0x40", "1:30", "6_4", "010", "0o10", "0b1", "", " 1", "1 ", "1.0",
            "1e3",
            "+5", "-0", "٦٤", "９", "- 1", "--1", "99999999999999999999",
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
            ".", "1e999", "", "+1", "-0", "-0.0", "1e-400", "-1e-999",
        ])
    func notReal(text: String) {
        #expect(throws: InputFault.self) { try DecimalNumber.real(text) }
    }

    @Test("a number outside its range names both")
    func range() throws {
        let fault = #expect(throws: InputFault.self) { try DecimalNumber.whole("65", in: 1...64) }
        #expect(fault?.message == "is 65; it must lie in 1...64")
        let real = #expect(throws: InputFault.self) {
            try DecimalNumber.real("1e-5", in: 0.001...10_000)
        }
        #expect(real?.message == "is 1e-5; it must lie in 0.001...10000")
        let small = #expect(throws: InputFault.self) { try DecimalNumber.real("1e-400", in: 0...1) }
        #expect(small?.reason.hasPrefix("is 1e-400, which is as good as 0") == true)
        #expect(try DecimalNumber.real("0e5") == 0)
    }

    @Test(
        "numbers are shown with the digits that give them back, without an exponent where that is short",
        arguments: [
            (0.00001, "0.00001"), (1.25e-7, "0.000000125"), (3, "3"), (0.5, "0.5"),
            (1e15, "1000000000000000"), (1e16, "1e+16"),
            (-2.5, "-2.5"), (1e-13, "1e-13"), (1_234_567.25, "1234567.25"),
        ])
    func text(value: Double, text: String) throws {
        #expect(DecimalNumber.text(value) == text)
        #expect(Double(text) == value)
    }
}

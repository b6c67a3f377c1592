// Tests of the gate for JSON text.
import Foundation
import Intake
import Testing

@Suite struct JSONRuleTests {
    @Test(
        "JSON of every kind is accepted",
        arguments: [
            "{}", "[]", "null", "true", " [1, -2.5e+3, \"a\\n\\u00e9\\\\u0000\", {\"a\": false}] ",
            "\"\\ud83d\\ude00\"", "\"装置\"", "0", "-0", "1e308",
        ])
    func sound(text: String) throws { try JSONRule.result.check(text) }

    @Test(
        "what is not JSON, or what jsonb refuses later, is refused with its place",
        arguments: [
            ("", "no value"), ("{", "a key is missing"), ("{\"a\" 1}", "colon"),
            ("[1,]", "no value"),
            ("{\"a\":1,}", "a key is missing"), ("[1 2]", "']' is missing"), ("tru", "no value"),
            ("01", "leading zero"), ("1.", "after the point"), ("1e", "exponent"),
            ("NaN", "no value"),
            ("1e99999", "out of range"), ("\"a", "does not end"), ("\"\\x\"", "no escape"),
            ("\"\\u12G4\"", "hexadecimal"), ("\"a\\u0000b\"", "\\u0000"),
            ("\"\\ud800\"", "surrogate"),
            ("\"\\ude00\"", "surrogate"), ("\"\\ud800\\u0041\"", "surrogate"), ("{} {}", "follows"),
            ("\"a\u{1}b\"", "control character"), ("\0", "no value"), ("'a'", "no value"),
            (String(repeating: "[", count: 100_000), "deep"),
            (String(repeating: "9", count: 2000), "2000 characters"),
        ])
    func refused(text: String, why: String) {
        let fault = #expect(throws: InputFault.self) { try JSONRule.result.check(text) }
        #expect(fault?.reason.contains(why) == true, "\(fault?.reason ?? "")")
    }

    @Test("lengths are stated")
    func lengths() {
        let text = "\"" + String(repeating: "a", count: 64 << 10) + "\""
        let fault = #expect(throws: InputFault.self) { try JSONRule.arguments.check(text) }
        #expect(fault?.reason == "has 65538 bytes; at most 65536 are allowed")
        #expect(throws: Never.self) { try JSONRule.result.check(text) }
    }

    @Test("lines of a log are kept in NFC, control characters written out, long ones cut")
    func kept() {
        #expect(TextRule.kept("a\0b\u{1B}[31m\tc\n", 100) == "a\\u{0}b\\u{1B}[31m\tc\n")
        #expect(TextRule.kept("aaaa", 3) == "aaa…")
        #expect(TextRule.kept("cafe\u{301}", 4).unicodeScalars.count == 4)
    }
}

// Tests of the gate for text.
import Foundation
import Intake
import Testing

@Suite struct TextRuleTests {
    @Test("a name is stored in NFC")
    func normal() throws {
        let name = try TextRule.name.checked("cafe\u{301}")
        #expect(Array(name.unicodeScalars) == Array("caf\u{E9}".unicodeScalars))
    }

    @Test(
        "control, bidi and invisible characters are refused by code point",
        arguments: [
            ("a\0b", "U+0000"), ("a\u{1B}[31m", "U+001B"), ("a\nb", "U+000A"),
            ("a\u{202E}b", "U+202E"), ("a\u{2028}b", "U+2028"), ("\u{FEFF}a", "U+FEFF"),
            ("a\u{85}b", "U+0085"), ("a\u{FFFF}b", "U+FFFF"),
        ])
    func control(text: String, point: String) {
        let fault = #expect(throws: InputFault.self) { try TextRule.name.checked(text) }
        #expect(fault?.reason.contains(point) == true)
    }

    @Test("a definition may have lines and tabs, but no NUL")
    func definition() throws {
        #expect(try TextRule.definition.checked("a:\r\n\tb\n") == "a:\r\n\tb\n")
        #expect(throws: InputFault.self) { try TextRule.definition.checked("a: \0") }
    }

    @Test("lengths are stated")
    func lengths() throws {
        #expect(try TextRule.name.checked(String(repeating: "é", count: 200)).count == 200)
        let long = #expect(throws: InputFault.self) {
            try TextRule.name.checked(String(repeating: "a", count: 201))
        }
        #expect(long?.reason == "has 201 characters; at most 200 are allowed")
        // 600 bytes in one grapheme cluster: bytes are limited too.
        let marks = "a" + String(repeating: "\u{301}\u{302}", count: 300)
        #expect(throws: InputFault.self) { try TextRule.name.checked(marks) }
    }

    @Test("names of nothing or of blanks are refused", arguments: ["", "  ", "\u{A0}\u{3000}"])
    func blank(text: String) {
        #expect(throws: InputFault.self) { try TextRule.name.checked(text) }
    }
}

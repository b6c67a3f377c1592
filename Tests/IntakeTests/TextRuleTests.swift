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

    @Test(
        "what cannot be seen is no part of a name, and no blank stands at its ends",
        arguments: [
            ("ti\u{200B}ny", "U+200B"), ("a\u{AD}b", "U+00AD"), ("a\u{200D}b", "U+200D"),
            ("a\u{2060}", "U+2060"), ("\u{3164}", "U+3164"), ("\u{2800}x", "U+2800"),
            ("a\u{FE0F}", "U+FE0F"), ("a\u{E0041}", "U+E0041"), ("\u{1F469}\u{200D}", "U+200D"),
            (" tiny", "begins with a blank"), ("tiny ", "ends with a blank"),
            ("tiny\u{3000}", "ends with a blank"), ("ti\u{A0}ny", "holds the blank U+00A0"),
            ("ti\u{2009}ny", "holds the blank U+2009"), ("a\u{E000}", "U+E000"),
            ("\u{301}a", "begins with the combining mark U+0301"),
        ])
    func invisible(text: String, reason: String) throws {
        let fault = #expect(throws: InputFault.self) { try TextRule.name.checked(text) }
        #expect(fault?.reason.contains(reason) == true, "\(fault?.reason ?? "")")
        // What an older version stored is still found.
        #expect(throws: Never.self) { try TextRule.name.stored.checked(text) }
    }

    @Test("marks and emoji of several characters are seen", arguments: ["👩‍🔬", "❤️ 1", "नमस्ते", "a b"])
    func visible(text: String) throws {
        #expect(try TextRule.name.checked(text) == text)
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

// Tests of how text from outside is shown.
import Intake
import Testing

@Suite struct ShownTests {
    @Test("what could move a cursor is escaped")
    func escaped() {
        #expect(Shown.line("a\u{1B}[2Jb\n\0") == "a\\u{1B}[2Jb\\n\\u{0}")
        #expect(Shown.lines("a\tb\n\u{7}") == "a\tb\n\\u{7}")
        #expect(Shown.line("plain 装置 é") == "plain 装置 é")
    }

    @Test(
        "width is in terminal cells",
        arguments: [
            ("abc", 3), ("装置", 4), ("cafe\u{301}", 4), ("é", 1), ("👩‍👩‍👧", 2), ("ｆ", 2), ("❤️", 2),
            ("", 0),
        ])
    func cells(text: String, width: Int) {
        #expect(Shown.cells(text) == width)
    }

    @Test("an excerpt says that it was cut")
    func excerpt() {
        #expect(Shown.excerpt("abcdef", 3) == "abc…")
        #expect(Shown.excerpt("abc", 3) == "abc")
    }
}

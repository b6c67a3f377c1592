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

    @Test("a text is cut by cells, not by characters")
    func cut() {
        #expect(Shown.cut("装置装置", to: 5) == "装置…")
        #expect(Shown.cut("装置", to: 4) == "装置")
        #expect(Shown.cut("abc", to: 0).isEmpty)
    }

    @Test("lines break at blanks; a long word is broken, after a comma where it has one")
    func wrapped() {
        #expect(Shown.wrapped("one two three", to: 7) == ["one two", "three"])
        #expect(Shown.wrapped("one 0123456789", to: 5) == ["one", "01234", "56789"])
        #expect(Shown.wrapped("[1,22,333]", to: 7) == ["[1,22,", "333]"])
        #expect(Shown.wrapped("", to: 5) == [""])
        #expect(Shown.wrapped("装置装置", to: 3) == ["装", "置", "装", "置"])
        #expect(Shown.wrapped(String(repeating: "x", count: 100_000), to: 10).count == 10_000)
    }
}

// Tables and numbers as people read them.
import Testing

@testable import ofa

@Suite struct TableTests {
    @Test("columns are as wide as their widest cell, numbers stand right, no line ends in spaces")
    func layout() {
        var table = Table(.text("NAME"), .number("COUNT"), .text("NOTE"))
        table.rows = [["a", "1,000,000"], ["longer", "5", "ok"]]
        #expect(
            table.lines() == [
                "NAME        COUNT  NOTE",
                "a       1,000,000",
                "longer          5  ok",
            ])
        #expect(table.lines(bold: true)[0] == "\u{1B}[1mNAME        COUNT  NOTE\u{1B}[0m")
    }

    @Test("numbers are grouped, scaled and rounded")
    func numbers() {
        #expect(
            [0, 999, 1000, -7_664_760].map(Format.grouped) == ["0", "999", "1,000", "-7,664,760"])
        #expect([1023, 1024, 30_659_040].map(Format.bytes) == ["1023 B", "1.0 KiB", "29.2 MiB"])
        #expect(
            [0.418, 12.34, 59.96, 245, 11_230].map(Format.duration)
                == ["0.42 s", "12.3 s", "1 min 00 s", "4 min 05 s", "3 h 07 min"])
    }
}

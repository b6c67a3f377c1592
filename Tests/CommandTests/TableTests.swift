// Tables and numbers as people read them.
import Intake
import Pipelines
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

    @Test("a cell stands on one line, what could move a cursor is escaped, width is in cells")
    func hostileCells() {
        var table = Table(.text("NAME"), .number("N"))
        table.rows = [["a\u{1B}[31m\nb", "1"], ["装置", "22"]]
        #expect(
            table.lines() == [
                "NAME             N",
                #"a\u{1B}[31m\nb   1"#,
                "装置            22",
            ])
    }

    @Test(
        "in a narrow terminal the least important columns give way first, then long texts are cut")
    func narrow() {
        var table = Table(
            .text("STAGE"), .number("CPU", .low), .number("TIME", .medium), .text("MESSAGE"))
        table.rows = [["training", "1,000 s", "2,000 s", "loss 0.71 over all of the images"]]
        let natural = table.layout()
        #expect(natural.leftOut.isEmpty && natural.lines[1].hasSuffix("all of the images"))
        let cut = table.layout(width: 56)
        #expect(cut.leftOut.isEmpty)
        #expect(cut.lines[1] == "training  1,000 s  2,000 s  loss 0.71 over all of the i…")
        let narrow = table.layout(width: 40)
        #expect(narrow.leftOut == ["CPU"])
        #expect(narrow.lines[1] == "training  2,000 s  loss 0.71 over all o…")
        #expect(table.layout(width: 30).leftOut == ["CPU", "TIME"])
        for width in 8...70 {
            for line in table.lines(width: width) { #expect(Shown.cells(line) <= width) }
        }
    }

    @Test("a wrapping column goes on in the next line")
    func wrapping() {
        var table = Table(.text("FIELD"), .wrapping("VALUE"))
        table.rows = [["metadata", "phase full, space fashion, steps 3, threads 2"], ["x", "y"]]
        #expect(
            table.lines(width: 40) == [
                "FIELD     VALUE",
                "metadata  phase full, space fashion,",
                "          steps 3, threads 2",
                "x         y",
            ])
    }

    @Test("the numbers of a column have the same digits: as many as the smallest needs")
    func columns() {
        #expect(ReportText.column([0.000327, 7.4e-05, 0]) == ["0.000327", "0.000074", "0.000000"])
        #expect(ReportText.column([12, nil, 0.5], unit: "g") == ["12.00 g", "", "0.50 g"])
        #expect(ReportText.column([1e-12, 100]) == ["0.000000", "100.000000"])
        #expect(ReportText.column([]).isEmpty)
        #expect(Format.shares([1, 0.452]) == ["100.0 %", "45.2 %"])
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

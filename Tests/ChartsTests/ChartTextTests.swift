// Numbers and words of charts.

import Testing

@testable import Charts

@Suite struct ChartTextTests {
    @Test("coordinates have at most one decimal and are always numbers")
    func numbers() {
        #expect(ChartText.number(12) == "12" && ChartText.number(12.34) == "12.3")
        #expect(ChartText.number(-0.25) == "-0.3" && ChartText.number(-0.04) == "0")
        #expect(ChartText.number(.nan) == "0" && ChartText.number(.infinity) == "0")
        #expect(ChartText.number(1e300) == "10000000" && ChartText.number(-7.96) == "-8")
        #expect(ChartText.decimal(-1.5, 1) == "−1.5" && ChartText.decimal(-0.01, 1) == "0.0")
        #expect(ChartText.short(0.000012) == "1.2e−05" && ChartText.short(.nan) == "unknown")
    }

    @Test("a text is cut to the room it has, and not before")
    func fit() {
        for text in ["fashion-mbv3-predictor", "装置の名前", "iiiiiiiiiiiiiiii", "WWWWWWWW"] {
            let whole = ChartText.width(text)
            #expect(ChartText.fit(text, whole) == text)
            for room in stride(from: 0, to: whole, by: 3) {
                let cut = ChartText.fit(text, room)
                #expect(ChartText.width(cut) <= room, "\(cut)")
                #expect(cut.isEmpty || cut.hasSuffix("…"))
            }
        }
        #expect(
            ChartText.width("装") > ChartText.width("W")
                && ChartText.width("W") > ChartText.width("i"))
        #expect(ChartText.fit(String(repeating: "i", count: 1_000_000), 50).count < 60)
    }

    @Test("text between tags and in attributes is escaped, on one line")
    func escaped() {
        #expect(ChartText.escaped("<a b=\"c\">&'") == "&lt;a b=&quot;c&quot;&gt;&amp;&#39;")
        #expect(ChartText.escaped("a\u{1B}b\nc") == "a\\u{1B}b\\nc")
    }
}

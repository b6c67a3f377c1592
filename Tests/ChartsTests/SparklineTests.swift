// Sparklines: a small line that is broken where values are missing.

import Testing

@testable import Charts

@Suite struct SparklineTests {
    @Test("a sparkline has a part for each run of values, and its last value as a mark")
    func line() throws {
        let chart = Sparkline(title: "loss", [3, 2, nil, 1.5, .nan, 1])
        let picture = try Picture(chart.svg(.embedded))
        let paths = picture.of("line").compactMap { $0.attributes["d"] }
        #expect(paths.map { $0.split(separator: "L").count } == [2, 1, 1])
        #expect(picture.tips == ["1"] && picture.of("mark").count == 1)
        #expect(chart.summary == "4 values from 3 to 1, between 1 and 3.")
        #expect(chart.svg(.embedded).utf8.count < 900)
        #expect(Sparkline(title: "loss", [nil]).summary == "No values.")
    }
}

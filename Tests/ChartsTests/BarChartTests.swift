// Bars: lengths, parts, intervals, limits and unknown values.

import Testing

@testable import Charts

@Suite struct BarChartTests {
    private func picture(_ bars: [BarChart.Bar], _ parts: [String] = [], _ size: ChartSize = .wide)
        throws -> Picture
    {
        try Picture(
            BarChart(title: "Cost", caption: "energy, kJ", parts: parts, bars: bars)
                .svg(.embedded, size))
    }

    @Test("bars are as long as their values, from one zero", arguments: ChartSize.allCases)
    func lengths(size: ChartSize) throws {
        let fills = try picture(
            [.init("a", [2], text: "2 kJ"), .init("b", [4], text: "4 kJ")], [], size
        ).of("fill")
        #expect(fills.count == 2 && fills[0].number("x") == fills[1].number("x"))
        // Coordinates are rounded to a tenth.
        #expect(abs(fills[1].number("width") - 2 * fills[0].number("width")) <= 0.2)
    }

    @Test(
        "parts follow each other and are named in the legend; an unknown value has words and no bar"
    )
    func parts() throws {
        let picture = try picture(
            [.init("a", [2, 3], text: "5 kJ"), .init("b", [nil, nil], text: "unknown")],
            ["training", "search"])
        let fills = picture.of("fill").filter { $0.number("width") != 12 }
        #expect(fills.count == 2)
        let end = fills[0].number("x") + fills[0].number("width")
        #expect(abs(end - fills[1].number("x")) <= 0.2)
        for text in ["training", "search", "unknown", "5 kJ", "energy, kJ"] {
            #expect(picture.texts.contains(text), "\(text)")
        }
        #expect(picture.tips.contains("a, training: 2") && picture.tips.contains("b: unknown"))
    }

    @Test("an interval spans its ends; the summary tells every bar")
    func interval() throws {
        let chart = BarChart(
            title: "Cost", caption: "energy, kJ",
            bars: [.init("a", [4], text: "4 kJ", low: 3, high: 6)])
        let whiskers = try Picture(chart.svg()).of("whisker")
        #expect(whiskers.count == 1)
        #expect(chart.summary == "energy, kJ. a: 4 kJ.")
    }

    @Test("a budget has a track up to its limit, and says when it is exceeded")
    func budgets() throws {
        let picture = try picture([
            .init("run 1", [0.3], text: "0.3 of 0.5 kWh", limit: 0.5),
            .init("run 2", [0.7], text: "0.7 of 0.5 kWh", limit: 0.5),
        ])
        #expect(picture.of("track").count == 2 && picture.of("limit").count == 2)
        #expect(picture.texts.contains("0.3 of 0.5 kWh"))
        #expect(picture.of("warn").map(\.text) == ["0.7 of 0.5 kWh, over the limit"])
        let track = picture.of("track")[0], fills = picture.of("fill")
        #expect(track.number("width") > fills[0].number("width"))
        #expect(track.number("width") < fills[1].number("width"))
    }

    @Test("negative values lie left of zero")
    func negative() throws {
        let fills = try picture([
            .init("saved", [-3], text: "−3 kJ"), .init("spent", [3], text: "3 kJ"),
        ]).of("fill")
        let end = fills[0].number("x") + fills[0].number("width")
        #expect(abs(end - fills[1].number("x")) <= 0.2)
    }
}

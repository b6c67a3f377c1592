// Lines in panels: breaks, dots, marks, phases and intervals.

import Testing

@testable import Charts

@Suite struct LineChartTests {
    private func chart(_ panels: [LineChart.Panel], _ phases: [LineChart.Phase] = []) throws
        -> Picture
    {
        try Picture(
            LineChart(title: "t", xCaption: "steps", range: 0...10, panels: panels, phases: phases)
                .svg(.embedded))
    }

    @Test("a line is broken where a value is missing, and a lone point is a dot")
    func breaks() throws {
        let values: [Double?] = [1, nil, 2, 3, .nan, 4, 5, 6]
        let points = values.enumerated().map { LineChart.Point(x: Double($0), y: $1) }
        let picture = try chart([
            .init("loss", [.init("loss", [points, [.init(x: 9, y: 1)]], look: 0)])
        ])
        let paths = picture.of("line").compactMap { $0.attributes["d"] }
        #expect(paths.map { $0.split(separator: "L").count } == [1, 2, 3, 1])
        #expect(picture.of("mark").count == 2 && picture.tips == ["loss: 1", "loss: 1"])
        #expect(picture.texts.contains("loss") && picture.texts.contains("steps"))
    }

    @Test(
        "lines of a panel have a legend; a line alone has none, and one without values is left out")
    func legend() throws {
        let points = [LineChart.Point(x: 1, y: 1), .init(x: 2, y: 2)]
        let lines = (0..<3).map { LineChart.Line("line \($0)", [points], look: $0, hasDots: true) }
        let picture = try chart([
            .init("first", lines), .init("second", [lines[0], .init("line 9", [[]], look: 9)]),
        ])
        #expect(picture.texts.filter { $0.hasPrefix("line ") } == ["line 0", "line 1", "line 2"])
        #expect(Set(picture.of("line").map { $0.attributes["stroke-dasharray"] ?? "" }).count == 3)
        #expect(picture.of("mark").count == 3 + 6 + 2)
    }

    @Test("phases have names where there is room, and tips anyway; marks lie on the panel's ground")
    func phases() throws {
        let points = (0...10).map { LineChart.Point(x: Double($0), y: Double($0)) }
        let picture = try chart(
            [.init("y", [.init("y", [points], look: 0)], marks: [.init(x: 5, tip: "skipped")])],
            [
                .init("full", from: 0, to: 9.9, tip: "full: 9 steps"),
                .init("a long name", from: 9.9, to: 10, tip: "the end"),
            ])
        #expect(picture.texts.contains("full") && !picture.texts.contains("a long name"))
        #expect(picture.tips.sorted() == ["full: 9 steps", "skipped", "the end"])
        #expect(picture.of("phase").count == 2 && picture.of("skip").count == 1)
    }

    @Test("intervals of dodged lines stand side by side")
    func dodged() throws {
        let lines = (0..<2).map {
            LineChart.Line("\($0)", [[.init(x: 5, y: 1, deviation: 0.5)]], look: $0, hasDots: true)
        }
        let picture = try chart([.init("y", lines, isDodged: true)])
        #expect(picture.of("bar").count == 2)
        // The first series has circles, the second diamonds, whose path begins above the centre.
        let ends = picture.of("bar").compactMap { $0.attributes["d"]?.split(separator: " ").first }
        #expect(Set(ends).count == 2)
    }

    @Test("an axis of times has labels in UTC")
    func times() throws {
        let points = (0..<10).map {
            LineChart.Point(x: 1_764_558_000 + 3600 * Double($0), y: Double($0))
        }
        let svg = LineChart(
            title: "t", xCaption: "time, UTC", areTimes: true,
            panels: [.init("y", [.init("y", [points], look: 0)])]
        ).svg()
        #expect(svg.contains(">06:00</text>") && svg.contains(">12:00</text>"))
    }
}

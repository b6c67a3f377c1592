// Scatter plots: every point, its interval and its tip; limits; and thousands of points in few bytes.

import Foundation
import Testing

@testable import Charts

@Suite struct ScatterChartTests {
    private func cloud(_ count: Int) -> [ScatterChart.Point] {
        var state: UInt64 = 7
        func draw() -> Double {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Double(state >> 33) / Double(1 << 31)
        }
        return (0..<count).map { index in
            let x = 1 + 40 * draw()
            return .init(x: x, y: 95 - 20 / x + draw(), tip: "network \(index), 12.3 ms, 91.23 %")
        }
    }

    private func chart(_ series: [ScatterChart.Series], limit: ScatterChart.Limit? = nil)
        -> ScatterChart
    {
        ScatterChart(
            title: "t", xCaption: "latency, ms", yCaption: "top-1, %", series: series, limit: limit)
    }

    @Test("each of some hundreds of points is a dot with its tip; chosen ones are drawn last")
    func points() throws {
        let points = cloud(300)
        let chosen = ScatterChart.Point(x: 20, y: 94, deviation: 0.5, tip: "chosen: 94 ± 0.5 %")
        let picture = try Picture(
            chart([
                .init("chosen", [chosen], look: .mark, colour: 1),
                .init("sampled", points, colour: 0),
            ]).svg())
        // One more in the legend.
        #expect(picture.of("dot").count == 301 && picture.of("mark").count == 2)
        #expect(picture.tips.count == 301 && picture.tips.last == "chosen: 94 ± 0.5 %")
        #expect(Set(picture.tips).isSuperset(of: points.compactMap(\.tip)))
        #expect(picture.of("bar").count == 1)
        let mark = try #require(picture.tipped.last)
        #expect(mark.kind == "mark s1")
    }

    @Test(
        "10,000 points take less than 250 KB in every size, and every part of them tells what it is"
    )
    func many() throws {
        let points = cloud(10_000)
        for size in ChartSize.allCases {
            let svg = chart([.init("sampled", points, colour: 0)]).svg(.embedded, size)
            #expect(svg.utf8.count < 250_000, "\(svg.utf8.count)")
            let picture = try Picture(svg)
            let squares = picture.of("hit")
            let path = try #require(picture.of("dots").first?.attributes["d"])
            let dots = path.split(separator: "M").map { dot in
                dot.dropLast(2).split(separator: " ").compactMap { Double($0) }
            }
            #expect(dots.count > 1000 && dots.allSatisfy { $0.count == 2 })
            let corners = squares.map { (x: $0.number("x"), y: $0.number("y")) }
            // A dot is drawn on the nearest pixel of its point.
            let outside = dots.filter { dot in
                !corners.contains { corner in
                    abs(corner.x + 8 - dot[0]) <= 8.5 && abs(corner.y + 8 - dot[1]) <= 8.5
                }
            }
            #expect(outside.isEmpty)
            #expect(squares.count == picture.tips.count)
            let named = picture.tips.reduce(0) { sum, tip in
                let more = tip.firstMatch(of: /and ([0-9]+) more$/).flatMap { Int($0.1) } ?? 0
                return sum + more + tip.components(separatedBy: "network ").count - 1
            }
            #expect(named == 10_000)
        }
    }

    @Test("a limit among the points is a region, one far beyond them is only stated")
    func limits() throws {
        let points = [ScatterChart.Point(x: 1, y: 1), .init(x: 10, y: 2)]
        let near = try Picture(
            chart([.init("", points, colour: 0)], limit: .init(8, label: "limit 8 ms")).svg())
        #expect(near.of("over").count == 1 && near.texts.contains("limit 8 ms"))
        let far = try Picture(
            chart([.init("", points, colour: 0)], limit: .init(80, label: "limit 80 ms")).svg())
        #expect(far.of("over").isEmpty && far.texts.contains("limit 80 ms, further right →"))
    }

    @Test("the diagonal gives both axes one range; lines are straight or steps")
    func joined() throws {
        let points = [ScatterChart.Point(x: 90, y: 91), .init(x: 92, y: 91.5)]
        let picture = try Picture(
            ScatterChart(
                title: "t", xCaption: "x", yCaption: "y",
                series: [.init("a", points, join: .straight, colour: 0)], hasDiagonal: true
            ).svg())
        #expect(picture.of("diagonal").count == 1)
        #expect(picture.of("line").first?.attributes["d"]?.contains("L") == true)
        let steps = try Picture(chart([.init("a", points, join: .steps, colour: 0)]).svg())
        let path = try #require(steps.of("line").first?.attributes["d"])
        #expect(path.contains("H") && path.contains("V") && !path.contains("L"))
        // Without a tip, a point tells its coordinates.
        #expect(steps.tips == ["a: 90, 91", "a: 92, 91.5"])
    }
}

// Timelines: rows, lanes, attempts that still run, and thousands of attempts in few bytes.

import Foundation
import Testing

@testable import Charts

@Suite struct TimelineChartTests {
    private func at(_ seconds: Double) -> Date {
        Date(timeIntervalSince1970: 1_764_558_000 + seconds)
    }

    @Test("an attempt without an end lasts until now, which is marked")
    func running() throws {
        let chart = TimelineChart(
            title: "t",
            rows: [
                .init(
                    "train",
                    [
                        .init(from: at(0), to: at(50), state: .failed, label: "attempt 1"),
                        .init(from: at(60), to: nil, state: .running, label: "attempt 2"),
                    ])
            ], now: at(100))
        let picture = try Picture(chart.svg(.embedded))
        // One more of each state in the legend.
        let bars = picture.of("span").filter { $0.number("width") != 10 }
        #expect(bars.count == 2 && bars[0].number("y") == bars[1].number("y"))
        let now = try #require(picture.of("limit").first?.attributes["d"])
        let end = bars[1].number("x") + bars[1].number("width")
        let line = try #require(now.dropFirst().split(separator: " ").first.flatMap { Double($0) })
        #expect(abs(end - line) <= 0.2)
        #expect(picture.texts.contains("now") && picture.texts.contains("train"))
        #expect(
            picture.tips == [
                "attempt 1: failed, from 2025-12-01 03:00:00 to 2025-12-01 03:00:50 UTC",
                "attempt 2: running, from 2025-12-01 03:01:00 UTC on",
            ])
        #expect(chart.summary == "1 row; attempts: 1 running, 1 failed.")
        // A failed attempt has a cross at its end, beside that of the legend.
        #expect(picture.of("icon", "failed").count == 2)
    }

    @Test("attempts of a host at the same time lie below each other; later ones use a free lane")
    func lanes() throws {
        let spans: [(Double, Double)] = [(0, 100), (10, 50), (60, 90), (110, 120)]
        let bars = spans.map {
            TimelineChart.Bar(
                from: at($0.0), to: at($0.1), state: .done, label: "x", href: "/jobs/1")
        }
        let picture = try Picture(TimelineChart(title: "t", rows: [.init("host", bars)]).svg())
        let tops = picture.of("span").filter { $0.number("height") != 10 }.map { $0.number("y") }
        #expect(tops.count == 4 && tops[1] == tops[2] && tops[0] == tops[3] && tops[1] > tops[0])
        #expect(picture.elements.filter { $0.name == "a" }.count == 4)
    }

    @Test("20,000 attempts on less than a pixel each are drawn as pieces that tell their number")
    func many() throws {
        let bars = (0..<20_000).map {
            TimelineChart.Bar(
                from: at(Double($0)), to: at(Double($0) + 0.9), state: .done, label: "job \($0)")
        }
        let svg = TimelineChart(title: "t", rows: [.init("queue", bars)]).svg(.embedded)
        #expect(svg.utf8.count < 250_000, "\(svg.utf8.count)")
        let told = try Picture(svg).tips.reduce(0) { sum, tip in
            let more = tip.firstMatch(of: /and ([0-9]+) more$/).flatMap { Int($0.1) } ?? 0
            return sum + more + tip.components(separatedBy: "job ").count - 1
        }
        #expect(told == 20_000)
    }
}

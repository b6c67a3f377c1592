// Scales and ticks: round numbers, round times, and ranges that are hard.

import Testing

@testable import Charts

@Suite struct ChartScaleTests {
    @Test("ticks lie at 1, 2 or 5 times a power of ten, with units for large numbers")
    func round() {
        func labels(_ low: Double, _ high: Double, _ count: Int) -> [String] {
            ChartScale(from: 0, to: 100, low: low, high: high).ticks(count).map(\.label)
        }
        #expect(labels(0, 10, 5) == ["0", "2", "4", "6", "8", "10"])
        #expect(labels(89.15, 90.1, 4) == ["89.2", "89.4", "89.6", "89.8", "90.0"])
        #expect(labels(1e6, 4e6, 3) == ["1 M", "2 M", "3 M", "4 M"])
        #expect(labels(-0.2, 0.2, 4) == ["−0.2", "−0.1", "0.0", "0.1", "0.2"])
        #expect(labels(0, 2000, 4) == ["0", "500", "1000", "1500", "2000"])
    }

    @Test("a scale maps its ends to its pixels; values get a margin, zero gets none")
    func margin() {
        let scale = ChartScale([10, 20, .nan, .infinity], from: 0, to: 110)
        #expect(scale.low == 9.5 && scale.high == 20.5)
        #expect(scale(9.5) == 0 && scale(20.5) == 110)
        let bars = ChartScale([4], from: 0, to: 100, fromZero: true)
        #expect(bars.low == 0 && bars(0) == 0 && bars.high > 4)
        let losses = ChartScale([-4], from: 0, to: 100, fromZero: true)
        #expect(losses.high == 0 && losses.low < -4)
    }

    @Test(
        "any range gives finite pixels and few ticks",
        arguments: [
            [], [0], [7, 7], [1e300, -1e300], [.nan], [.infinity, -.infinity],
            [.leastNonzeroMagnitude, 0],
            [1e17, 1e17 + 16], [1e-250, 2e-250], [-1e300], [.greatestFiniteMagnitude],
        ])
    func hard(values: [Double]) {
        let scale = ChartScale(values, from: 0, to: 100)
        #expect(scale.low < scale.high && scale.low.isFinite && scale.high.isFinite)
        for count in [1, 4, 8] {
            let ticks = scale.ticks(count)
            #expect(ticks.count <= 20)
            for tick in ticks {
                #expect(scale(tick.value).isFinite && tick.label.count < 14, "\(tick)")
            }
        }
    }

    @Test("labels along x do not touch each other")
    func spaced() {
        for width in [60.0, 200, 620] {
            for (low, high) in [(0.0, 1.0), (0.0001, 0.0009), (0, 4e6), (1234, 98765)] {
                let scale = ChartScale(from: 0, to: width, low: low, high: high)
                let ticks = scale.spaced(8)
                for (one, next) in zip(ticks, ticks.dropFirst()) {
                    let room = (ChartText.width(one.label) + ChartText.width(next.label)) / 2
                    #expect(scale(next.value) - scale(one.value) > room)
                }
            }
        }
    }

    @Test("times are round in UTC: seconds, minutes, hours, days and Mondays")
    func times() {
        let start = 1_764_558_000.0  // 2025-12-01 03:00:00 UTC, a Monday.
        #expect(TimeTicks.text(start) == "2025-12-01 03:00:00")
        #expect(TimeTicks.text(951_782_399) == "2000-02-28 23:59:59")
        #expect(TimeTicks.dayText(951_782_400) == "2000-02-29")
        #expect(TimeTicks.dayText(4_107_542_400) == "2100-03-01")
        #expect(TimeTicks.text(-1) == "unknown" && TimeTicks.text(.nan) == "unknown")
        func labels(_ span: Double, _ count: Int = 4) -> [String] {
            TimeTicks.ticks(from: start, to: start + span, count).map(\.label)
        }
        #expect(labels(40) == ["03:00:00", "03:00:10", "03:00:20", "03:00:30", "03:00:40"])
        #expect(labels(3600) == ["03:00", "03:15", "03:30", "03:45", "04:00"])
        #expect(labels(86_400) == ["06:00", "12:00", "18:00", "2 Dec"])
        #expect(labels(4 * 86_400) == ["2 Dec", "3 Dec", "4 Dec", "5 Dec"])
        #expect(labels(28 * 86_400) == ["8 Dec", "15 Dec", "22 Dec", "29 Dec"])
        #expect(labels(60 * 86_400).first == "2025-12-22")
        #expect(TimeTicks.ticks(from: -5, to: 5, 4).isEmpty)
        #expect(TimeTicks.ticks(from: 0, to: 2.5e11, 4).count < 10)
    }
}

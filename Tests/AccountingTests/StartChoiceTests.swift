// The choice of a start: it is that of a search over every minute, with gaps, deadlines and equal windows.

import Metering
import Testing

@testable import Accounting

@Suite struct StartChoiceTests {
    /// Draws numbers from a seed.
    private struct Draw {
        var state: UInt64

        /// A number of 0..<`bound`.
        mutating func below(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % UInt64(bound))
        }
    }

    private func piece(_ from: Int64, _ until: Int64, _ grams: Double) -> IntensityPiece {
        IntensityPiece(
            from: from, until: until,
            grams: Interval(value: grams, low: grams / 2, high: grams * 2))
    }

    /// Hours from 0 on; nil is a gap.
    private func hours(_ values: [Double?]) -> IntensityCourse {
        IntensityCourse(
            values.enumerated().compactMap { place, value in
                value.map { piece(3600 * Int64(place), 3600 * Int64(place + 1), $0) }
            })
    }

    /// A made-up task: hours, a duration, and the first and the latest start, all in whole minutes.
    private struct Problem {
        var values: [Double?] = []
        var duration = 0, first = 0, latest = 0

        init(seed: UInt64) {
            var draw = Draw(state: seed &* 0x9E37_79B9_7F4A_7C15 &+ 1)
            let count = 6 + draw.below(66)
            let share = draw.below(3) * draw.below(12)
            // Few values give many equal windows, many values few.
            let choice = draw.below(3)
            let kinds = [2, 5, 1000][choice]
            for _ in 0..<count {
                let grams = Double(draw.below(kinds)) * 0.7
                values.append(draw.below(100) < share ? nil : grams)
            }
            let longest = draw.below(2) == 0 ? 90 : 900
            duration = 1 + draw.below(longest)
            first = draw.below(count * 60 / 2)
            // Some deadlines leave one start, some lie beyond the forecast.
            let isOne = draw.below(8) == 0
            latest = first + (isOne ? 0 : draw.below(count * 60))
        }
    }

    /// What a search over every minute finds.
    private struct Search {
        var best: (start: Int, total: Int64)?
        var atOnce: Int64?
        var gapMinutes = 0

        init(_ task: Problem) {
            let minutes = task.latest + task.duration + 2
            var totals: [Int64] = [0], missing: [Int] = [0]
            for minute in 0..<minutes {
                let value = minute / 60 < task.values.count ? task.values[minute / 60] : nil
                totals.append(totals[minute] + 60 * Int64(((value ?? 0) * 1000).rounded()))
                missing.append(missing[minute] + (value == nil ? 1 : 0))
            }
            func total(_ start: Int) -> Int64? {
                let end = start + task.duration
                return missing[end] == missing[start] ? totals[end] - totals[start] : nil
            }
            atOnce = total(task.first)
            for start in task.first...task.latest {
                let sum = total(start)
                if start < task.latest, sum == nil || total(start + 1) == nil { gapMinutes += 1 }
                if let sum, best.map({ sum < $0.total }) ?? true { best = (start, sum) }
            }
        }
    }

    @Test("of 1,000 random forecasts with gaps and deadlines the choice is that of a full search")
    func bruteForce() {
        var unlike: [UInt64] = []
        var (withGaps, without, late, offGrid) = (0, 0, 0, 0)
        for seed in UInt64(1)...1000 {
            let task = Problem(seed: seed), search = Search(task)
            let choice = StartChoice(
                hours(task.values), duration: Int64(60 * task.duration),
                first: Int64(60 * task.first), latest: Int64(60 * task.latest))
            let isAlike =
                choice.best?.start == search.best.map { Int64(60 * $0.start) }
                && choice.best?.total == search.best?.total
                && choice.atOnce?.total == search.atOnce
                && choice.gapSeconds == Int64(60 * search.gapMinutes)
            if !isAlike { unlike.append(seed) }
            withGaps += search.gapMinutes > 0 ? 1 : 0
            without += search.best == nil ? 1 : 0
            late += (search.best?.start ?? 0) > task.first ? 1 : 0
            offGrid += (search.best?.start ?? 0) % 60 != 0 ? 1 : 0
        }
        print(
            "seeds 1 to 1000: \(withGaps) with gaps, \(without) without a window, \(late) deferred, \(offGrid) off the hour"
        )
        #expect(unlike == [], "these seeds differ")
        // The tasks are of all sorts.
        #expect(withGaps > 100 && without > 10 && late > 300 && offGrid > 100)
    }

    @Test("a window may begin off the hour, where its end is at the bound of a cheap hour")
    func offTheHour() {
        // 90 minutes: the cheap hour and the half of the cheaper of its neighbours, which comes before it.
        let choice = StartChoice(
            hours([400, 200, 100, 300]), duration: 5400, first: 0, latest: 9000)
        #expect(choice.best?.start == 5400)
        #expect(choice.best?.total == 720_000_000)
        #expect(choice.atOnce?.total == 1_800_000_000)
        #expect(choice.gapSeconds == 0)
        let mean = hours([400, 200, 100, 300]).mean(from: 5400, until: 10_800)
        #expect(abs((mean?.value ?? 0) - 400 / 3) < 1e-9 && abs((mean?.high ?? 0) - 800 / 3) < 1e-9)
    }

    @Test("of equal windows the earliest is chosen, so a constant intensity defers nothing")
    func equal() {
        for grams in [0.1, 0, 333.3] {
            let choice = StartChoice(
                hours(Array(repeating: grams, count: 30)), duration: 8999, first: 1234,
                latest: 90_000)
            #expect(choice.best?.start == 1234)
        }
    }

    @Test("windows that touch a gap are no candidates, and how many starts that are is counted")
    func gaps() {
        let course = hours([300, nil, 100, 100, nil, 50])
        let choice = StartChoice(course, duration: 7200, first: 0, latest: 18_000)
        #expect(choice.atOnce == nil && choice.best?.start == 7200)
        #expect(choice.gapSeconds == 18_000)
        let short = StartChoice(course, duration: 3600, first: 0, latest: 18_000)
        #expect(short.best?.start == 18_000 && short.gapSeconds == 18_000 - 3600)
        let none = StartChoice(course, duration: 10_800, first: 0, latest: 18_000)
        #expect(none.best == nil && none.gapSeconds == 18_000)
        #expect(course.mean(from: 0, until: 7200) == nil)
        #expect(StartChoice(hours([]), duration: 60, first: 5, latest: 5).best == nil)
    }
}

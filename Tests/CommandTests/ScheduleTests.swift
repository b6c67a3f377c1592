// Spans and moments as people write them.
import Foundation
import Testing

@testable import ofa

@Suite struct ScheduleTests {
    @Test(
        "a span is a number with a unit",
        arguments: [
            ("90s", 90.0), ("30m", 1800), ("1.5h", 5400), ("1d", 86_400), ("2w", 1_209_600),
        ])
    func span(text: String, seconds: Double) {
        #expect(Span(argument: text)?.seconds == seconds)
    }

    @Test(
        "other texts are no spans",
        arguments: ["", "d", "1", "1y", "-1d", "0s", "nans", "1e9w", "1e3s", "1E0d", "+1d"])
    func noSpan(text: String) { #expect(Span(argument: text) == nil) }

    @Test("a span is told in its largest whole unit")
    func told() {
        let texts = [1.0, 90, 5400, 86_400, 1_209_600, 1.5].map(Span.text)
        #expect(texts == ["1s", "90s", "90m", "1d", "2w", "1.5s"])
    }

    @Test("a time of day is the next such time, today or tomorrow; a full moment is itself")
    func moment() throws {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = try #require(TimeZone(secondsFromGMT: 3600))
        let now = try #require(ISO8601DateFormatter().date(from: "2026-11-24T09:00:00Z"))
        func read(_ text: String) -> String? {
            Moment(text, now: now, calendar: calendar).map {
                ISO8601DateFormatter().string(from: $0.date)
            }
        }
        #expect(read("10:30") == "2026-11-24T09:30:00Z")
        #expect(read("10:00") == "2026-11-25T09:00:00Z")
        #expect(read("03:00") == "2026-11-25T02:00:00Z")
        #expect(read("2026-12-01T03:00:00Z") == "2026-12-01T03:00:00Z")
        for text in ["", "3", "24:00", "03:60", "3:00", "tomorrow", "2026-12-01"] {
            #expect(read(text) == nil, "\(text)")
        }
    }

    @Test("a daily time is said to move where clocks change, and only there")
    func clockChange() throws {
        let berlin = try #require(TimeZone(identifier: "Europe/Berlin"))
        let winter = try #require(Moment(argument: "2026-12-01T02:00:00Z")).date
        let day = try #require(Span(argument: "1d"))
        #expect(
            day.clockChange(after: winter, zone: berlin)?.contains("2027-03-28T01:00:00Z") == true)
        #expect(day.clockChange(after: winter, zone: .gmt) == nil)
        let hours = try #require(Span(argument: "12h"))
        #expect(hours.clockChange(after: winter, zone: berlin) == nil)
    }
}

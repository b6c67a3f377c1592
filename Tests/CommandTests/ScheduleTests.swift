// Spans and moments as people write them.
import Foundation
import Intake
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
            do {
                let moment = try Moment(text, now: now, calendar: calendar)
                return ISO8601DateFormatter().string(from: moment.date)
            } catch { return nil }
        }
        #expect(read("10:30") == "2026-11-24T09:30:00Z")
        #expect(read("10:00") == "2026-11-25T09:00:00Z")
        #expect(read("03:00") == "2026-11-25T02:00:00Z")
        #expect(read("2026-12-01T03:00:00Z") == "2026-12-01T03:00:00Z")
        for text in [
            "", "3", "24:00", "03:60", "3:00", "tomorrow", "2026-12-01", "2026-02-30T00:00:00Z",
        ] {
            #expect(read(text) == nil, "\(text)")
        }
    }

    @Test("a moment to come is taken; one that has passed, or lies beyond ten years, is refused")
    func range() {
        for text in ["2020-01-01T00:00:00Z", "9999-12-31T00:00:00Z"] {
            #expect(throws: ValueFault.self, "\(text)") { try Moment.read(text) }
        }
        #expect(throws: Never.self) { try Moment.read("03:00") }
    }

    @Test(
        "TZ is a zone by name, with or without a colon or a folder; a rule or an unknown name is refused",
        arguments: [
            ("Europe/Berlin", "Europe/Berlin"), (":Europe/Berlin", "Europe/Berlin"),
            ("/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo"), ("", "GMT"),
            ("CET-1CEST,M3.5.0,M10.5.0/3", nil), ("Nope", nil),
        ])
    func zone(text: String, expected: String?) {
        do {
            let zone = try LocalZone.read(["TZ": text])
            #expect(zone.identifier == expected)
        } catch {
            #expect(expected == nil && error.remedy?.contains("TZ=") == true, "\(error)")
        }
    }

    @Test("a daily time is said to move where clocks change, and only there")
    func clockChange() throws {
        let berlin = try #require(TimeZone(identifier: "Europe/Berlin"))
        let winter = try MomentText.read("2026-12-01T02:00:00Z")
        let day = try #require(Span(argument: "1d"))
        #expect(
            day.clockChange(after: winter, zone: berlin)?.contains("2027-03-28T01:00:00Z") == true)
        #expect(day.clockChange(after: winter, zone: .gmt) == nil)
        let hours = try #require(Span(argument: "12h"))
        #expect(hours.clockChange(after: winter, zone: berlin) == nil)
    }
}

// When and how often: the words of `ofa enqueue --every 1d --at 03:00`.

import ArgumentParser
import Foundation
import Intake

/// A span of time as people write it: `90s`, `30m`, `12h`, `1d`, `2w`.
struct Span: ExpressibleByArgument, Equatable {
    /// Its length in seconds.
    let seconds: Double

    private static let units: [Character: Double] = [
        "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800,
    ]

    /// Reads a number with a unit; nil for anything else, and for spans below a second or above ten
    /// years.
    init?(argument: String) {
        guard let unit = argument.last.flatMap({ Self.units[$0] }) else { return nil }
        do throws(InputFault) {
            let count = try DecimalNumber.real(String(argument.dropLast()))
            // `1e3s` is a span to a reader of numbers, and none to people.
            guard !argument.lowercased().contains("e") else { return nil }
            guard (1...3.2e8).contains(count * unit) else { return nil }
            seconds = count * unit
        } catch {
            return nil
        }
    }

    /// Reads a span for `@Option(transform:)`; another text is refused with the form and the range.
    @Sendable static func read(_ text: String) throws -> Span {
        guard let span = Span(argument: text) else {
            throw ValueFault(
                InputFault(
                    "is '\(Shown.excerpt(text, 40))'",
                    remedy: "write a number with s, m, h, d or w, from 1s to ten years, such as 12h"
                ))
        }
        return span
    }

    /// What people who think of a time of day must know: that a day is 24 hours, and when clocks in the zone change
    /// next; nil where they do not, or where the span is no number of days.
    func clockChange(after date: Date, zone: TimeZone) -> String? {
        guard seconds.truncatingRemainder(dividingBy: 86_400) == 0,
            let change = zone.nextDaylightSavingTimeTransition(after: date)
        else { return nil }
        return "a day is 24 hours: when the clocks of \(zone.identifier) change next, at "
            + "\(change.formatted(.iso8601)), its time of day moves; enqueue it again then"
    }

    /// In the largest unit that leaves a whole number: `1d`, `90m`.
    static func text(_ seconds: Double) -> String {
        for (name, unit) in [("w", 604_800.0), ("d", 86_400), ("h", 3600), ("m", 60)]
        where seconds >= unit && seconds.truncatingRemainder(dividingBy: unit) == 0 {
            return "\(Int(seconds / unit))\(name)"
        }
        return seconds == seconds.rounded() ? "\(Int(seconds))s" : "\(seconds)s"
    }
}

/// A moment as people write it: `2026-12-01T03:00:00Z`, or `03:00` for the next such time of day here.
struct Moment: ExpressibleByArgument, Equatable {
    /// The moment.
    let date: Date

    /// Reads a moment; nil for anything else.
    init?(argument: String) {
        self.init(argument, now: Date(), calendar: .current)
    }

    /// Reads a moment for `@Option(transform:)`; another text is refused with the forms.
    @Sendable static func read(_ text: String) throws -> Moment {
        guard let moment = Moment(argument: text) else {
            throw ValueFault(
                InputFault(
                    "is '\(Shown.excerpt(text, 40))'",
                    remedy:
                        "write a time of day from 00:00 to 23:59, or a moment such as 2026-12-01T03:00:00Z"
                ))
        }
        return moment
    }

    /// Reads a moment as seen at `now`, times of day in the calendar's zone.
    init?(_ text: String, now: Date, calendar: Calendar) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        if parts.count == 2, parts.allSatisfy({ $0.wholeMatch(of: /[0-9]{2}/) != nil }),
            let hour = Int(parts[0]),
            let minute = Int(parts[1]), (0..<24).contains(hour), (0..<60).contains(minute)
        {
            let time = DateComponents(hour: hour, minute: minute, second: 0)
            let next = calendar.nextDate(after: now, matching: time, matchingPolicy: .nextTime)
            guard let next else { return nil }
            date = next
            return
        }
        guard let date = ISO8601DateFormatter().date(from: text) else { return nil }
        self.date = date
    }
}

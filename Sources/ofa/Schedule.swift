// Parses schedules such as `ofa enqueue --every 1d --at 03:00`.

import ArgumentParser
import Foundation
import Intake

/// A time span: `90s`, `30m`, `12h`, `1d`, `2w`.
struct Span: ExpressibleByArgument, Equatable {
    /// The length of the span in seconds.
    let seconds: Double

    /// Parses a number with a unit; nil for other texts, and for spans below a second or above ten years.
    init?(argument: String) {
        do throws(InputFault) { seconds = try SpanText.seconds(argument) } catch { return nil }
    }

    private init(seconds: Double) { self.seconds = seconds }

    /// Parses a span for `@Option(transform:)`; the error states the accepted form and range.
    @Sendable static func read(_ text: String) throws -> Span {
        do throws(InputFault) { return Span(seconds: try SpanText.seconds(text)) } catch {
            throw ValueFault(error)
        }
    }

    /// Returns a note for a span of whole days: that a day is 24 hours, and when the clocks of `zone` change next after
    /// `date`. Returns nil for other spans, and if the clocks do not change.
    func clockChange(after date: Date, zone: TimeZone) -> String? {
        guard seconds.truncatingRemainder(dividingBy: 86_400) == 0,
            let change = zone.nextDaylightSavingTimeTransition(after: date)
        else { return nil }
        return "a day is 24 hours: when the clocks of \(zone.identifier) change next, at "
            + "\(change.formatted(.iso8601)), its time of day moves; enqueue it again then"
    }

    /// Formats a span in the largest unit that gives an integer: `1d`, `90m`.
    static func text(_ seconds: Double) -> String {
        for (name, unit) in [("w", 604_800.0), ("d", 86_400), ("h", 3600), ("m", 60)]
        where seconds >= unit && seconds.truncatingRemainder(dividingBy: unit) == 0 {
            return "\(Int(seconds / unit))\(name)"
        }
        return seconds == seconds.rounded() ? "\(Int(seconds))s" : "\(seconds)s"
    }
}

/// A point in time: `2026-12-01T03:00:00Z`, or `03:00` for the next such local time.
struct Moment: Equatable {
    /// The point in time.
    let date: Date

    /// The longest time, in seconds, by which a run may be scheduled in advance: ten years.
    private static let longest: TimeInterval = 3.2e8

    /// Parses a future time for `@Option(transform:)`. Throws for other forms, for past times, and for
    /// times more than ten years ahead.
    @Sendable static func read(_ text: String) throws -> Moment {
        var calendar = Calendar(identifier: .gregorian)
        let now = Date()
        do throws(InputFault) {
            if text.wholeMatch(of: /[0-9]{2}:[0-9]{2}/) != nil {
                calendar.timeZone = try LocalZone.read()
            }
            let moment = try Moment(text, now: now, calendar: calendar)
            guard moment.date > now, moment.date < now + longest else {
                throw InputFault(
                    moment.date <= now
                        ? "is '\(text)', which has passed" : "is '\(text)', over ten years ahead",
                    remedy: moment.date <= now
                        ? "leave it out to start at once" : "write an earlier moment")
            }
            return moment
        } catch {
            throw ValueFault(error)
        }
    }

    /// Parses a point in time. A time of day means the next such time after `now`, in the calendar's zone.
    init(_ text: String, now: Date, calendar: Calendar) throws(InputFault) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        if parts.count == 2, parts.allSatisfy({ $0.wholeMatch(of: /[0-9]{2}/) != nil }),
            let hour = Int(parts[0]),
            let minute = Int(parts[1]), (0..<24).contains(hour), (0..<60).contains(minute)
        {
            let time = DateComponents(hour: hour, minute: minute, second: 0)
            let next = calendar.nextDate(after: now, matching: time, matchingPolicy: .nextTime)
            guard let next else {
                throw InputFault("is '\(text)', which does not come", remedy: "write a moment")
            }
            date = next
            return
        }
        do {
            date = try MomentText.read(text)
        } catch {
            throw InputFault(
                error.reason,
                remedy:
                    "write a time of day from 00:00 to 23:59, or a moment such as 2026-12-01T03:00:00Z"
            )
        }
    }
}

/// The time zone of this process.
enum LocalZone {
    /// Returns the zone that TZ names, or the machine's zone if TZ is not set. Throws if TZ is not the name of a known
    /// zone, because times of day would otherwise silently be read as UTC.
    static func read(
        _ environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(InputFault) -> TimeZone {
        guard var name = environment["TZ"].map({ $0[...] }) else { return .current }
        if name.hasPrefix(":") { name = name.dropFirst() }
        for folder in ["/usr/share/zoneinfo/", "/etc/localtime"] where name.hasPrefix(folder) {
            name = name.dropFirst(folder.count)
            if folder == "/etc/localtime" { return .current }
        }
        if name.isEmpty { return .gmt }
        guard let zone = TimeZone(identifier: String(name)) else {
            throw InputFault(
                "is a time of day, and TZ is '\(Shown.excerpt(environment["TZ"] ?? "", 40))', no zone that is known",
                remedy: "write a moment such as 2026-12-01T03:00:00+01:00, or set TZ=Europe/Berlin")
        }
        return zone
    }
}

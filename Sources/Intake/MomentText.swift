// Times from outside. A time must be ISO 8601 with a time zone, because this form cannot be misread; a
// bare day is accepted only where it is asked for. A day that does not exist is refused; a lenient
// parser would read it as another day.

import Foundation

/// Parses times written by people and scripts.
public enum MomentText {
    /// Parses a time such as `2026-12-01T03:00Z` or `2026-12-01T03:00:00.5+01:00`, of the years 1970
    /// to 9999. With `orDay`, a day such as `2026-12-01` is also allowed and means its start
    /// in UTC. Throws for any other text.
    public static func read(_ text: String, orDay: Bool = false) throws(InputFault) -> Date {
        let form =
            /([0-9]{4})-([0-9]{2})-([0-9]{2})(T([0-9]{2}):([0-9]{2})(:([0-9]{2})(\.[0-9]{1,9})?)?(Z|[-+][0-9]{2}:[0-9]{2}))?/
        let example = orDay ? "2026-01-31 or 2026-01-31T12:00:00Z" : "2026-12-01T03:00:00Z"
        guard let parts = text.wholeMatch(of: form)?.output, orDay || parts.4 != nil else {
            throw InputFault(
                "is '\(Shown.excerpt(text, 40))'", remedy: "write a moment such as \(example)")
        }
        func number(_ digits: Substring?) -> Int { digits.flatMap { Int($0) } ?? 0 }
        let (year, month, day) = (number(parts.1), number(parts.2), number(parts.3))
        let (hour, minute, second) = (number(parts.5), number(parts.6), number(parts.8))
        let zone = parts.10.map(String.init) ?? "Z"
        let offset =
            zone == "Z" ? 0 : number(zone.dropFirst().prefix(2)) * 60 + number(zone.suffix(2))
        guard year >= 1970, (1...12).contains(month),
            (1...length(ofMonth: month, year)).contains(day), hour < 24, minute < 60, second < 60,
            zone == "Z" || number(zone.suffix(2)) < 60, offset <= 14 * 60
        else {
            throw InputFault(
                "is '\(Shown.excerpt(text, 40))', and there is no such moment",
                remedy: "write one from 1970 on such as \(example)")
        }
        let minutes = (days(year, month, day) * 24 + hour) * 60 + minute
        let shift = zone.hasPrefix("-") ? offset : -offset
        let fraction = parts.9.flatMap { Double("0\($0)") } ?? 0
        return Date(timeIntervalSince1970: Double((minutes + shift) * 60 + second) + fraction)
    }

    /// Parses a time as `read` does. The error for a time without a zone says that a local hour may come twice.
    public static func zoned(_ text: String, orDay: Bool = false) throws(InputFault) -> Date {
        do throws(InputFault) { return try read(text, orDay: orDay) } catch {
            guard text.wholeMatch(of: /[0-9-]{10}[T ][0-9:.]{4,}/) != nil else { throw error }
            throw InputFault(
                error.reason,
                remedy:
                    "say which time it is: 2026-10-25T02:00:00Z, or with the offset of that hour +02:00; in the night"
                    + " in which summer time ends, a local hour comes twice")
        }
    }

    private static func length(ofMonth month: Int, _ year: Int) -> Int {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        return month == 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].contains(month) ? 30 : 31
    }

    /// Returns the number of days since 1970-01-01 in the Gregorian calendar. The computation
    /// starts years in March, so that the leap day comes last.
    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let from = month > 2 ? year : year - 1
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        return from * 365 + from / 4 - from / 100 + from / 400 + dayOfYear - 719_468
    }
}

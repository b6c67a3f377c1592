// Ticks of an axis of times, at round seconds, minutes, hours and days of UTC.

/// Ticks at round times.
enum TimeTicks {
    private static let minute = 60.0, hour = 3600.0, day = 86_400.0
    /// The distances between ticks in seconds.
    private static let steps = [
        1, 2, 5, 10, 15, 30, minute, 2 * minute, 5 * minute, 10 * minute, 15 * minute, 30 * minute,
        hour, 2 * hour, 3 * hour, 6 * hour, 12 * hour, day, 2 * day, 7 * day, 14 * day, 28 * day,
        91 * day, 182 * day, 364 * day, 1820 * day, 3640 * day, 36_400 * day, 364_000 * day,
    ]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// Returns about `count` ticks between two times in seconds since 1970. Times before 1970 and after 9999 have none.
    static func ticks(from low: Double, to high: Double, _ count: Int) -> [ChartScale.Tick] {
        guard low >= 0, high <= 253_402_300_799, low <= high else { return [] }
        let rough = (high - low) / Double(max(1, count))
        let step = steps.first { $0 >= rough * 0.99 } ?? steps[steps.count - 1]
        // Weeks begin on Mondays; 1970 began on a Thursday.
        let offset = step >= 7 * day ? 4 * day : 0
        let first = ((low - offset) / step).rounded(.up)
        let last = ((high - offset) / step).rounded(.down)
        guard first <= last, last - first < 1000 else { return [] }
        let isOneYear = date(low).year == date(high).year
        return (0...Int(last - first)).map { place in
            let value = (first + Double(place)) * step + offset
            return ChartScale.Tick(value: value, label: label(value, step, isOneYear))
        }
    }

    /// Returns the day of a time: `2026-12-01`.
    static func dayText(_ seconds: Double) -> String {
        guard seconds >= 0, seconds <= 253_402_300_799 else { return "unknown" }
        let at = date(seconds)
        return "\(at.year)-\(two(at.month))-\(two(at.day))"
    }

    /// Returns the time in UTC to the second: `2026-12-01 03:00:00`.
    static func text(_ seconds: Double) -> String {
        guard seconds >= 0, seconds <= 253_402_300_799 else { return "unknown" }
        return dayText(seconds) + " " + clock(seconds, hasSeconds: true)
    }

    private static func label(_ value: Double, _ step: Double, _ isOneYear: Bool) -> String {
        let isMidnight = value.truncatingRemainder(dividingBy: day) == 0
        guard step >= day || isMidnight else { return clock(value, hasSeconds: step < minute) }
        let at = date(value)
        return isOneYear ? "\(at.day) \(months[at.month - 1])" : dayText(value)
    }

    private static func clock(_ value: Double, hasSeconds: Bool) -> String {
        let second = Int(value.rounded(.down)) % 86_400
        let text = two(second / 3600) + ":" + two(second / 60 % 60)
        return hasSeconds ? text + ":" + two(second % 60) : text
    }

    private static func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }

    /// Returns the day of a time in the Gregorian calendar. The computation counts eras of 400 years that begin in March,
    /// so that the leap day comes last (Hinnant, "chrono-compatible low-level date algorithms").
    private static func date(_ seconds: Double) -> (year: Int, month: Int, day: Int) {
        let days = Int((seconds / day).rounded(.down)) + 719_468
        let era = days / 146_097, dayOfEra = days % 146_097
        let year = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * year + year / 4 - year / 100)
        let part = (5 * dayOfYear + 2) / 153
        let month = part < 10 ? part + 3 : part - 9
        return (
            year + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * part + 2) / 5 + 1
        )
    }
}

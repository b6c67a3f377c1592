// The choice of a start: of all windows of one duration, the one with the least mean intensity of a series that is constant in
// pieces. The mean is linear in the start between two starts at which the window begins or ends at a bound of a piece, so its
// least value is at one of those, or at the first or the last start that is allowed.

import Metering

/// A carbon intensity that holds for a while.
public struct IntensityPiece: Sendable, Equatable {
    /// The begin and the end, in seconds since 1970.
    public let from, until: Int64
    /// The intensity in grams of CO2e for each kWh.
    public let grams: Interval
    /// The value in whole milligrams for each kWh, so that sums are exact and equal windows are told as equal.
    let milligrams: Int64

    /// `grams` holds from `from` on, until before `until`.
    public init(from: Int64, until: Int64, grams: Interval) {
        (self.from, self.until, self.grams) = (from, until, grams)
        milligrams = Int64((grams.value * 1000).rounded())
    }
}

/// A series of intensities that may have gaps.
public struct IntensityCourse: Sendable, Equatable {
    /// The pieces in the order of time; they do not overlap.
    public let pieces: [IntensityPiece]

    /// `pieces` may be in any order, and must not overlap.
    public init(_ pieces: [IntensityPiece]) {
        self.pieces = pieces.sorted { $0.from < $1.from }
    }

    /// Returns the pieces between two times, cut at them; nil if the series has a gap between them.
    private func parts(from: Int64, until: Int64) -> [(piece: IntensityPiece, seconds: Int64)]? {
        var (low, high) = (0, pieces.count)
        while low < high {
            let middle = (low + high) / 2
            if pieces[middle].until <= from { low = middle + 1 } else { high = middle }
        }
        var parts: [(IntensityPiece, Int64)] = []
        var at = from
        while at < until {
            guard low < pieces.count, pieces[low].from <= at else { return nil }
            let end = min(pieces[low].until, until)
            parts.append((pieces[low], end - at))
            at = end
            low += 1
        }
        return parts
    }

    /// Returns the sum of milligrams for each kWh times seconds between two times; nil if the series has a gap there.
    func total(from: Int64, until: Int64) -> Int64? {
        parts(from: from, until: until)?.reduce(0) { $0 + $1.piece.milligrams * $1.seconds }
    }

    /// Returns the mean intensity between two different times; nil if the series has a gap between them.
    public func mean(from: Int64, until: Int64) -> Interval? {
        guard until > from, let parts = parts(from: from, until: until) else { return nil }
        func mean(_ bound: (Interval) -> Double) -> Double {
            parts.reduce(0) { $0 + bound($1.piece.grams) * Double($1.seconds) }
                / Double(until - from)
        }
        let value = mean(\.value)
        return Interval(value: value, low: min(value, mean(\.low)), high: max(value, mean(\.high)))
    }

    /// Returns the seconds from `first` to `latest` at which a window of `duration` may begin without a gap.
    func coveredSeconds(duration: Int64, first: Int64, latest: Int64) -> Int64 {
        var covered: Int64 = 0
        var place = 0
        while place < pieces.count {
            let begin = pieces[place].from
            while place + 1 < pieces.count, pieces[place + 1].from == pieces[place].until {
                place += 1
            }
            covered += max(0, min(latest, pieces[place].until - duration) - max(first, begin))
            place += 1
        }
        return covered
    }
}

/// The start of a window of one duration, chosen for its mean intensity.
public struct StartChoice: Sendable, Equatable {
    /// A window without a gap.
    public struct Window: Sendable, Equatable {
        /// When it begins, in seconds since 1970.
        public let start: Int64
        /// The sum of milligrams for each kWh times seconds.
        public let total: Int64
    }

    /// The window that begins at the first start; nil if it touches a gap.
    public let atOnce: Window?
    /// The window with the least mean, of several the earliest; nil if all touch gaps.
    public let best: Window?
    /// How many of the seconds from the first to the latest start begin a window that touches a gap.
    public let gapSeconds: Int64

    /// Chooses among the starts from `first` to `latest`, at least `first`, of windows of `duration` seconds, above 0.
    public init(_ course: IntensityCourse, duration: Int64, first: Int64, latest: Int64) {
        let latest = max(first, latest)
        var starts: Set<Int64> = [first, latest]
        for piece in course.pieces {
            for edge in [piece.from, piece.until] {
                for start in [edge, edge - duration] where start > first && start < latest {
                    starts.insert(start)
                }
            }
        }
        func window(_ start: Int64) -> Window? {
            course.total(from: start, until: start + duration).map {
                Window(start: start, total: $0)
            }
        }
        atOnce = window(first)
        best = starts.compactMap(window).min { ($0.total, $0.start) < ($1.total, $1.start) }
        gapSeconds =
            latest - first
            - course.coveredSeconds(duration: duration, first: first, latest: latest)
    }
}

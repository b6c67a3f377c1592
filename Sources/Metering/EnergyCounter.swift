// Energy counters of the hardware: they count up, wrap around, and sometimes cannot be read.

/// Turns the readings of a wrapping counter into energy.
public struct EnergyCounter: Sendable, Equatable {
    /// What one reading tells.
    public enum Step: Sendable, Equatable {
        /// The first good reading: nothing to compare with.
        case first
        /// Energy since the last good reading, in microjoules.
        case delta(Int64)
        /// The counter could not be read: this interval is a gap, the next good reading covers it.
        case gap
    }

    /// The value at which the counter starts again, in microjoules.
    public let range: Int64
    private var last: Int64?

    /// Makes a counter that wraps at `range` microjoules.
    public init(range: Int64) {
        self.range = range
    }

    /// Takes a reading in microjoules, nil when it failed.
    ///
    /// Between two good readings at most one wrap is assumed: sample more often than the counter
    /// wraps (minutes at full load). A failed reading leaves the last good one in place.
    public mutating func take(_ reading: Int64?) -> Step {
        guard let reading, reading >= 0 else { return .gap }
        defer { last = reading }
        guard let last else { return .first }
        return .delta(reading >= last ? reading - last : range - last + reading)
    }
}

// Hardware energy counters, which count up, wrap around, and sometimes cannot be read.

/// Computes energy from the readings of a counter that wraps around.
public struct EnergyCounter: Sendable, Equatable {
    /// The result of one reading.
    public enum Step: Sendable, Equatable {
        /// The first successful reading; there is no interval yet.
        case first
        /// The energy since the last successful reading, in microjoules.
        case delta(Int64)
        /// The counter could not be read; the next successful reading covers this interval.
        case gap
    }

    /// The value at which the counter wraps around, in microjoules.
    public let range: Int64
    private var last: Int64?

    /// `range` is the value at which the counter wraps around, in microjoules.
    public init(range: Int64) {
        self.range = range
    }

    /// Takes a reading in microjoules, nil if the reading failed. Returns the energy since the last
    /// successful reading, `first` if there is no such reading, or `gap` if this reading failed.
    ///
    /// The counter may wrap around at most once between two successful readings, so it must be read
    /// more often than it wraps. At full load, the counter wraps after some minutes.
    public mutating func take(_ reading: Int64?) -> Step {
        guard let reading, reading >= 0 else { return .gap }
        defer { last = reading }
        guard let last else { return .first }
        return .delta(reading >= last ? reading - last : range - last + reading)
    }
}

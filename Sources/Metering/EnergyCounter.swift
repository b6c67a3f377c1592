// Hardware energy counters: they count up, wrap around and sometimes cannot be read.

/// Turns the readings of a wrapping counter into energy.
public struct EnergyCounter: Sendable, Equatable {
    /// The result of one reading.
    public enum Step: Sendable, Equatable {
        /// The first successful reading: no interval yet.
        case first
        /// Energy since the last successful reading, in microjoules.
        case delta(Int64)
        /// The counter could not be read; the next successful reading covers this interval.
        case gap
    }

    /// The value at which the counter wraps, in microjoules.
    public let range: Int64
    private var last: Int64?

    /// `range` is the wrap-around value in microjoules.
    public init(range: Int64) {
        self.range = range
    }

    /// Takes a reading in microjoules; nil for a failed one.
    ///
    /// At most one wrap between two successful readings is assumed: sample more often than the
    /// counter wraps (minutes at full load). A failed reading keeps the last successful one.
    public mutating func take(_ reading: Int64?) -> Step {
        guard let reading, reading >= 0 else { return .gap }
        defer { last = reading }
        guard let last else { return .first }
        return .delta(reading >= last ? reading - last : range - last + reading)
    }
}

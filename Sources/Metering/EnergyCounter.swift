// Hardware energy counters, which count up, wrap around, begin anew, and sometimes cannot be read.

/// Computes energy from the readings of a counter that wraps around.
public struct EnergyCounter: Sendable, Equatable {
    /// The result of one reading.
    public enum Step: Sendable, Equatable {
        /// The first successful reading, or the first after the counter began anew: what it counted
        /// before is unknown.
        case first
        /// The energy since the last successful reading, in microjoules.
        case delta(Int64)
        /// The counter could not be read; the next successful reading covers this interval.
        case gap
    }

    /// The value at which the counter wraps around, in microjoules; 0 for a counter that never does.
    public let range: Int64
    /// The largest power that can be true, in watts.
    public let mostWatts: Double
    private var last: Known?

    private struct Known: Sendable, Equatable {
        let reading, atNs: Int64
    }

    /// `range` is the value at which the counter wraps around, in microjoules; 0 if it never does.
    /// A change of more than `mostWatts` is not taken for energy.
    public init(range: Int64, mostWatts: Double = 1000) {
        self.range = range
        self.mostWatts = mostWatts
    }

    /// Takes a reading in microjoules at the monotonic time `now` in nanoseconds, nil if the reading
    /// failed. Returns the energy since the last successful reading, `first` if there is no such
    /// reading, or `gap` if this reading failed.
    ///
    /// A value below the last one is a wrap, or the counter was reset. The energy of a wrap is
    /// what was left of the range plus the new value; if that is more than the hardware can have
    /// drawn in the time, the counter was reset, and the energy is unknown. So is that of any other
    /// jump. The counter may wrap around at most once between two successful readings, so it must be
    /// read more often than it wraps: at full load, that takes some minutes.
    public mutating func take(_ reading: Int64?, atNs now: Int64) -> Step {
        guard let reading, reading >= 0 else { return .gap }
        defer { last = Known(reading: reading, atNs: now) }
        guard let last else { return .first }
        let isWrap = reading < last.reading
        guard !isWrap || last.reading <= range else { return .first }
        let energy = isWrap ? range - last.reading + reading : reading - last.reading
        // The counter is updated once a millisecond, so short times say nothing about the power.
        let seconds = Double(max(now - last.atNs, Self.leastNs)) / 1e9
        return Double(energy) / 1e6 <= mostWatts * seconds ? .delta(energy) : .first
    }

    private static let leastNs: Int64 = 100_000_000

    /// Forgets the last reading: the next one is the first.
    public mutating func forget() { last = nil }
}

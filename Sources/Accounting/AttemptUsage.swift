// The usage of one attempt: time and energy. A meter row records it.

import Metering

/// Energy in microjoules with its uncertainty.
public struct Energy: Sendable, Equatable, Codable {
    /// The best estimate.
    public var microjoules: Int64
    /// The lower end of the range.
    public var low: Int64
    /// The upper end of the range.
    public var high: Int64

    /// Takes values with `low` ≤ `microjoules` ≤ `high`.
    public init(microjoules: Int64, low: Int64, high: Int64) {
        self.microjoules = microjoules
        self.low = low
        self.high = high
    }

    /// No energy.
    public static let zero = Energy(microjoules: 0, low: 0, high: 0)

    /// Adds energies of the same model. Their errors are not independent, so the ends of their
    /// ranges add up.
    public static func + (left: Energy, right: Energy) -> Energy {
        Energy(
            microjoules: left.microjoules + right.microjoules, low: left.low + right.low,
            high: left.high + right.high)
    }
}

/// The usage of one attempt.
public struct AttemptUsage: Sendable, Equatable {
    /// The time from the start to the end of the attempt, in nanoseconds.
    public var wallNs: Int64
    /// The processor time of the attempt, in nanoseconds.
    public var cpuNs: Int64
    /// The energy of the IT equipment (without PUE); nil (a gap, not zero) if a counter could not
    /// be read.
    public var energy: Energy?
    /// The names of the counters and models that the energy was computed from.
    public var method: String
    /// The measurement tier of the energy.
    public var tier: MeteringTier
}

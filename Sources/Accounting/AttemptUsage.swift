// The time and energy that one attempt used, as recorded in a meter row.

import Metering

/// Energy in microjoules with its uncertainty.
public struct Energy: Sendable, Equatable, Codable {
    /// The best estimate.
    public var microjoules: Int64
    /// The lower bound of the energy.
    public var low: Int64
    /// The upper bound of the energy.
    public var high: Int64

    /// Requires `low` ≤ `microjoules` ≤ `high`.
    public init(microjoules: Int64, low: Int64, high: Int64) {
        self.microjoules = microjoules
        self.low = low
        self.high = high
    }

    /// No energy.
    public static let zero = Energy(microjoules: 0, low: 0, high: 0)

    /// Adds energies of the same model. Their errors are not independent, so lower and upper bounds
    /// add up.
    public static func + (left: Energy, right: Energy) -> Energy {
        Energy(
            microjoules: left.microjoules + right.microjoules, low: left.low + right.low,
            high: left.high + right.high)
    }
}

/// The time and energy that one attempt used.
public struct AttemptUsage: Sendable, Equatable {
    /// The time from the start to the end of the attempt, in nanoseconds.
    public var wallNs: Int64
    /// The processor time of the attempt, in nanoseconds.
    public var cpuNs: Int64
    /// The energy of the IT equipment, without the overhead of the building (PUE); nil means
    /// unknown, not zero: a counter could not be read.
    public var energy: Energy?
    /// The names of the counters and models from which the energy was computed.
    public var method: String
    /// The measurement tier of the energy.
    public var tier: MeteringTier
}

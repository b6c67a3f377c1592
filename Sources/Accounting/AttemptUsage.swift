// What one attempt used, as it goes into its meter row.

import Metering

/// Energy in microjoules with the range it may lie in.
public struct Energy: Sendable, Equatable, Codable {
    /// The best estimate.
    public var microjoules: Int64
    /// The lower end.
    public var low: Int64
    /// The upper end.
    public var high: Int64

    /// Makes an energy.
    public init(microjoules: Int64, low: Int64, high: Int64) {
        self.microjoules = microjoules
        self.low = low
        self.high = high
    }

    /// No energy.
    public static let zero = Energy(microjoules: 0, low: 0, high: 0)

    /// Adds figures of the same model: their ends add up.
    public static func + (left: Energy, right: Energy) -> Energy {
        Energy(
            microjoules: left.microjoules + right.microjoules, low: left.low + right.low,
            high: left.high + right.high)
    }
}

/// What one attempt used.
public struct AttemptUsage: Sendable, Equatable {
    /// Time from start to end in nanoseconds.
    public var wallNs: Int64
    /// Processor time in nanoseconds.
    public var cpuNs: Int64
    /// IT energy; nil when a counter could not be read at its end: a gap, not zero.
    public var energy: Energy?
    /// How the energy came about.
    public var method: String
    /// How far the energy can be trusted.
    public var tier: MeteringTier
}

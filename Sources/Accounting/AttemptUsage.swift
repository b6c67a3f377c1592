// The usage of one attempt, as recorded in its meter row.

import Metering

/// Energy in microjoules with its uncertainty.
public struct Energy: Sendable, Equatable, Codable {
    /// The best estimate.
    public var microjoules: Int64
    /// The lower end.
    public var low: Int64
    /// The upper end.
    public var high: Int64

    /// `low` ≤ `microjoules` ≤ `high`.
    public init(microjoules: Int64, low: Int64, high: Int64) {
        self.microjoules = microjoules
        self.low = low
        self.high = high
    }

    /// No energy.
    public static let zero = Energy(microjoules: 0, low: 0, high: 0)

    /// Adds energies of the same model: they err together, so the ends add.
    public static func + (left: Energy, right: Energy) -> Energy {
        Energy(
            microjoules: left.microjoules + right.microjoules, low: left.low + right.low,
            high: left.high + right.high)
    }
}

/// The usage of one attempt.
public struct AttemptUsage: Sendable, Equatable {
    /// Time from start to end in nanoseconds.
    public var wallNs: Int64
    /// Processor time in nanoseconds.
    public var cpuNs: Int64
    /// IT energy; nil (a gap, not zero) if a counter could not be read at the attempt's end.
    public var energy: Energy?
    /// The counters and models behind the energy.
    public var method: String
    /// The measurement tier of the energy.
    public var tier: MeteringTier
}

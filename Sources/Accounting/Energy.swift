// Energy with its uncertainty.

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

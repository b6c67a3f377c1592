// AttemptUse: the metered usage of one attempt, recorded when the attempt ends.

/// The usage of one attempt.
public struct AttemptUse: Sendable, Equatable {
    /// IT energy in microjoules with its uncertainty.
    public struct Energy: Sendable, Equatable {
        /// The best estimate and the ends of its range.
        public let microjoules, low, high: Int64

        /// `low` ≤ `microjoules` ≤ `high`.
        public init(microjoules: Int64, low: Int64, high: Int64) {
            (self.microjoules, self.low, self.high) = (microjoules, low, high)
        }
    }

    /// The electricity zone.
    public var zone: String
    /// Time from start to end in nanoseconds.
    public var wallNs: Int64
    /// Processor time in nanoseconds.
    public var cpuNs: Int64
    /// Nil (a gap, not zero) if a counter could not be read.
    public var energy: Energy?
    /// The counters and models behind the energy.
    public var method: String
    /// The measurement tier: A, B, C, M, K or U.
    public var tier: String

    /// Times are in nanoseconds; `tier` is a tier's letter.
    public init(
        zone: String, wallNs: Int64, cpuNs: Int64, energy: Energy?, method: String, tier: String
    ) {
        self.zone = zone
        self.wallNs = wallNs
        self.cpuNs = cpuNs
        self.energy = energy
        self.method = method
        self.tier = tier
    }
}

/// Meters attempts; its result is recorded in the transaction that ends the attempt.
public protocol AttemptObserver: Sendable {
    /// Called on the worker's thread before the handler runs.
    func start(_ lease: Lease) throws
    /// The usage of an attempt up to the first call for it; nil (a gap) if it was not metered here.
    /// For a lost attempt the rescuing worker calls it.
    func end(_ lease: Lease, outcome: AttemptOutcome) throws -> AttemptUse?
}

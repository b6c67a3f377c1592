// AttemptUse: the metered usage of one attempt, which is recorded when the attempt ends.

/// The usage of one attempt.
public struct AttemptUse: Sendable, Equatable {
    /// Energy of the IT equipment (without PUE) in microjoules, with its uncertainty.
    public struct Energy: Sendable, Equatable {
        /// The best estimate, and the lower and upper end of its range.
        public let microjoules, low, high: Int64

        /// Takes values with `low` ≤ `microjoules` ≤ `high`.
        public init(microjoules: Int64, low: Int64, high: Int64) {
            (self.microjoules, self.low, self.high) = (microjoules, low, high)
        }
    }

    /// The electricity zone of the machine.
    public var zone: String
    /// The time from the start to the end of the attempt, in nanoseconds.
    public var wallNs: Int64
    /// The processor time of the attempt, in nanoseconds.
    public var cpuNs: Int64
    /// The energy of the attempt; nil (a gap, not zero) if a counter could not be read.
    public var energy: Energy?
    /// The name of the counters and models that the energy was computed from.
    public var method: String
    /// The measurement tier: A, B, C, M, K or U.
    public var tier: String

    /// `wallNs` and `cpuNs` are in nanoseconds; `tier` is the letter of a measurement tier.
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

/// Meters attempts. The usage is recorded in the transaction that ends the attempt.
public protocol AttemptObserver: Sendable {
    /// Starts to meter an attempt. The slot calls this on its thread, before the handler runs.
    func start(_ lease: Lease) throws
    /// Returns the usage of an attempt until the first call of `end` for this attempt; nil (a gap)
    /// if this process did not start the attempt. If the attempt is lost or overdue, the worker
    /// that rescues the job calls `end`.
    func end(_ lease: Lease, outcome: AttemptOutcome) throws -> AttemptUse?
}

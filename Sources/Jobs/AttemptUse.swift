// AttemptUse: what one attempt used, as a meter tells it and the queue books it with the attempt's end.

/// What one attempt used.
public struct AttemptUse: Sendable, Equatable {
    /// IT energy in microjoules, with the range it may lie in.
    public struct Energy: Sendable, Equatable {
        /// The best estimate, and the ends of its range.
        public let microjoules, low, high: Int64

        /// Makes an energy.
        public init(microjoules: Int64, low: Int64, high: Int64) {
            (self.microjoules, self.low, self.high) = (microjoules, low, high)
        }
    }

    /// The zone whose electricity it was.
    public var zone: String
    /// Time from start to end in nanoseconds.
    public var wallNs: Int64
    /// Processor time in nanoseconds.
    public var cpuNs: Int64
    /// Nil where a counter could not be read: a gap, not zero.
    public var energy: Energy?
    /// How the energy came about.
    public var method: String
    /// How far it can be trusted: A, B, C, M, K or U.
    public var tier: String

    /// Describes what an attempt used.
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

/// Meters attempts; what it tells is booked in the transaction that ends the attempt.
public protocol AttemptObserver: Sendable {
    /// Called on the worker's thread before the handler runs.
    func start(_ lease: Lease) throws
    /// What an attempt used up to the first time this is asked; nil for one that was not metered here, which becomes a
    /// gap. For a lost attempt, the worker that found it asks.
    func end(_ lease: Lease, outcome: AttemptOutcome) throws -> AttemptUse?
}

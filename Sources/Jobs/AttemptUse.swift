// AttemptUse: the metered time and energy of one attempt, recorded when the attempt ends. AttemptObserver: what a worker
// tells about its attempts. A meter reports their use in pieces while they run (EnergyReport), or returns it at the end.

/// The metered time and energy of one attempt.
public struct AttemptUse: Sendable, Equatable {
    /// Energy of the IT equipment, without the overhead of the building (PUE), in microjoules, with
    /// its uncertainty.
    public struct Energy: Sendable, Equatable {
        /// The best estimate, and its lower and upper bound.
        public let microjoules, low, high: Int64

        /// Requires `low` ≤ `microjoules` ≤ `high`.
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
    /// The energy of the attempt; nil means unknown, not zero: a counter could not be read.
    public var energy: Energy?
    /// The names of the counters and models from which the energy was computed; empty if the use is reported in pieces.
    public var method: String
    /// How the energy was measured: tier A, B, C, M, K or U (`MeteringTier`).
    public var tier: String

    /// The use of an attempt that is reported in pieces (`EnergyReport`), on a machine of the electricity zone `zone`.
    public static func inPieces(zone: String) -> AttemptUse {
        AttemptUse(zone: zone, wallNs: 0, cpuNs: 0, energy: nil, method: "", tier: "")
    }

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

/// Meters attempts. A usage that `end` returns is recorded in the transaction that ends the attempt; what `report` returns
/// is written while attempts run, and before they end.
public protocol AttemptObserver: Sendable {
    /// Starts to meter an attempt. This is called on the handler's thread, before the handler runs.
    func start(_ lease: Lease) throws
    /// Stops metering an attempt and returns its usage; later calls return the same usage. Returns
    /// nil if this process did not start the attempt; `inPieces` if it reports the use in pieces. For a lost or overdue attempt, the
    /// worker that rescues the job calls this.
    func end(_ lease: Lease, outcome: AttemptOutcome) throws -> AttemptUse?
    /// Returns what was metered up to now and is not known to be written; nil if there is nothing to report. With `isLast`,
    /// the process reports no more.
    func report(isLast: Bool) throws -> EnergyReport?
    /// Tells that a report was written.
    func written(_ report: EnergyReport, _ answer: EnergyAnswer)
}

extension AttemptObserver {
    /// Reports nothing.
    public func report(isLast: Bool) throws -> EnergyReport? { nil }
    /// Does nothing.
    public func written(_ report: EnergyReport, _ answer: EnergyAnswer) {}
}

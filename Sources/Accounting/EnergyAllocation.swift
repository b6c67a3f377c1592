// Allocates the energy of a host over an interval to attempts, other load and unreserved
// processors.

/// The energy of one host over one interval; the parts add up exactly.
public struct EnergyAllocation: Sendable, Equatable {
    /// Energy of each attempt, in the order given.
    public let attempts: [Int64]
    /// Energy of processor time that no attempt used, and idle energy of processors reserved by
    /// other processes.
    public let other: Int64
    /// Idle energy of processors that no attempt reserved.
    public let unallocated: Int64

    /// The processors that one attempt reserved and used in the interval, in the units of
    /// `capacity`.
    public struct Share: Sendable, Equatable {
        /// Processors reserved × time.
        public let reserved: Int64
        /// Processor time used.
        public let used: Int64

        /// `used` may exceed `reserved`.
        public init(reserved: Int64, used: Int64) {
            self.reserved = reserved
            self.used = used
        }
    }

    /// Splits energy of any unit: idle energy in proportion to reservations, energy of load to
    /// usage.
    ///
    /// `capacity` is all processors × time, `busy` the host's processor time, `othersReserved` the
    /// reservations of other processes. If reservations or usage exceed those totals (two workers
    /// each reserve the machine, or clocks differ), all of it is shared in proportion.
    public init(
        idle: Int64, load: Int64, capacity: Int64, busy: Int64, othersReserved: Int64 = 0,
        shares: [Share]
    ) {
        let free = max(0, capacity - othersReserved - shares.reduce(0) { $0 + $1.reserved })
        let rest = max(0, busy - shares.reduce(0) { $0 + $1.used })
        let idleParts = LargestRemainder.split(
            idle, weights: shares.map(\.reserved) + [othersReserved, free])
        let loadParts = LargestRemainder.split(load, weights: shares.map(\.used) + [rest])
        attempts = shares.indices.map { idleParts[$0] + loadParts[$0] }
        unallocated = idleParts[shares.count + 1]
        other = loadParts[shares.count] + idleParts[shares.count]
    }
}

// Allocates the energy that a host used in an interval to attempts, to other load, and to
// unreserved processors.

/// The energy of one host in one interval, split into parts that add up exactly to that energy.
public struct EnergyAllocation: Sendable, Equatable {
    /// The energy of each attempt, in the order of `shares`.
    public let attempts: [Int64]
    /// The energy of processor time that no attempt used, and the idle energy of processors that
    /// other processes reserved.
    public let other: Int64
    /// The idle energy of processors that no attempt reserved.
    public let unallocated: Int64

    /// What one attempt reserved and used in the interval, in the unit of `capacity`.
    public struct Share: Sendable, Equatable {
        /// The number of reserved processors × the length of the interval.
        public let reserved: Int64
        /// The processor time that the attempt used.
        public let used: Int64

        /// `used` may exceed `reserved`.
        public init(reserved: Int64, used: Int64) {
            self.reserved = reserved
            self.used = used
        }
    }

    /// Splits the energies `idle` and `load`: idle energy in proportion to reserved processor time,
    /// load energy in proportion to used processor time. Both energies may be in any unit.
    ///
    /// `capacity` is the host's number of processors × the length of the interval. `busy` is the
    /// processor time that the host used. `othersReserved` is the processor time that other
    /// processes reserved. If the reservations exceed `capacity` (two workers each reserve the
    /// machine), all idle energy is split among the reservations. If the attempts' usage exceeds
    /// `busy` (clocks differ), all of `load` is split among the attempts.
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

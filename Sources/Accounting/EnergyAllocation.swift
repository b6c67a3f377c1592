// Who used the energy of a host over an interval: attempts, others, and the part nobody asked for.

/// The energy of one host over one interval, split without a rest.
public struct EnergyAllocation: Sendable, Equatable {
    /// Energy of each attempt, in the order given.
    public let attempts: [Int64]
    /// Energy of processor time that no attempt used, and idle energy of what attempts elsewhere reserved.
    public let other: Int64
    /// Idle energy of processors that no attempt reserved.
    public let unallocated: Int64

    /// What one attempt held and used in the interval, in the units of the host's.
    public struct Share: Sendable, Equatable {
        /// Processors reserved, times time.
        public let reserved: Int64
        /// Processor time used.
        public let used: Int64

        /// Makes a share.
        public init(reserved: Int64, used: Int64) {
            self.reserved = reserved
            self.used = used
        }
    }

    /// Splits energy of any unit: idle energy by what is reserved, energy of load by what is used.
    ///
    /// `capacity` is all processors times time; `busy` the processor time of the whole host; `othersReserved` what
    /// attempts of other processes held. Where all reserved or used more than that (two workers each reserve the
    /// machine, clocks differ), they share everything.
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

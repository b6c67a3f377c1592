// HostBudget: the total of processors, memory and jobs per kind that the slots of one process may
// use. The producer checks it before it claims, so a machine is never oversubscribed.
import Synchronization

/// The resources of one process for jobs.
public final class HostBudget: Sendable {
    /// The free resources for a claim.
    public struct Room: Sendable, Equatable {
        /// The kinds that may be claimed.
        public var kinds: [String]
        /// Free processors; nil means unlimited.
        public var threads: Int?
        /// Free megabytes; nil means unlimited.
        public var memoryMB: Int?
        /// The most jobs that fit under the limits of kinds.
        public var jobs: Int
        /// True if the process holds no job: then it may run a quarantined job, exclusively.
        public var alone: Bool
    }

    private struct Use {
        var threads = 0
        var memoryMB = 0
        var jobs: [String: Int] = [:]
        var total = 0
        /// The token of a running quarantined job: if it crashes this process, no other job is
        /// lost.
        var exclusive: Int64?
        /// A quarantined job is waiting: until this time no new job starts while others run.
        var clearingUntil: ContinuousClock.Instant?
        /// Running jobs without a reservation, limited only by the slots.
        var plain = 0
    }

    /// Processors of the whole process; nil means unlimited.
    public let threads: Int?
    /// Megabytes of the whole process; nil means unlimited.
    public let memoryMB: Int?
    private let limits: [String: Int]
    private let share: Int
    private let slots: Int
    private let use = Mutex(Use())

    /// `limits` bounds concurrent jobs by kind; other kinds are unlimited. A job that reserves no
    /// processors counts as `share` processors, the number it keeps busy.
    public init(
        threads: Int? = nil, memoryMB: Int? = nil, limits: [String: Int] = [:], share: Int = 0,
        slots: Int = 1
    ) {
        self.threads = threads
        self.memoryMB = memoryMB
        self.limits = limits
        self.share = share
        self.slots = slots
    }

    /// The resources available to a claim of `limit` jobs of these kinds; nil if none.
    public func room(kinds: [String], limit: Int) -> Room? {
        use.withLock { use in
            if use.exclusive != nil { return nil }
            if use.total > 0, let end = use.clearingUntil, ContinuousClock.now < end { return nil }
            let open = kinds.filter { kind in
                limits[kind].map { use.jobs[kind, default: 0] < $0 } ?? true
            }
            // With a limited kind claim one job at a time, since a claim cannot count by kind.
            let jobs = open.contains { limits[$0] != nil } ? min(1, limit) : limit
            let taken = use.threads + share * min(slots, use.plain)
            let room = Room(
                kinds: open, threads: threads.map { max(0, $0 - taken) },
                memoryMB: memoryMB.map { max(0, $0 - use.memoryMB) }, jobs: jobs,
                alone: use.total == 0)
            if open.isEmpty || jobs == 0 { return nil }
            // A claim may return a job without a reservation, which must fit too.
            if let free = room.threads, free < share { return nil }
            return room
        }
    }

    /// Reserves the resources of claimed jobs.
    public func take(_ leases: [Lease], in room: Room) {
        use.withLock { use in
            for lease in leases { add(lease, 1, &use) }
            guard room.alone else { return }
            use.clearingUntil = nil
            use.exclusive = leases.first { $0.crashes > 0 }?.token
        }
    }

    /// Releases the resources of a job.
    public func free(_ lease: Lease) {
        use.withLock { use in
            add(lease, -1, &use)
            if use.exclusive == lease.token { use.exclusive = nil }
        }
    }

    /// Ends the quarantine of a job that has saved a checkpoint: others may run beside it.
    public func endQuarantine(_ lease: Lease) {
        use.withLock { if $0.exclusive == lease.token { $0.exclusive = nil } }
    }

    /// Whether the process holds a job.
    public var isBusy: Bool { use.withLock { $0.total > 0 } }

    /// Stops new jobs until all running ones have ended, because a quarantined job waits; for at
    /// most one minute in ten, since a running job may take hours.
    public func clear() {
        use.withLock { use in
            let now = ContinuousClock.now
            if let last = use.clearingUntil, now - last < .seconds(540) { return }
            use.clearingUntil = now + .seconds(60)
        }
    }

    private func add(_ lease: Lease, _ sign: Int, _ use: inout Use) {
        use.threads += sign * lease.threads
        if lease.threads == 0 { use.plain += sign }
        use.memoryMB += sign * lease.memoryMB
        use.jobs[lease.kind, default: 0] += sign
        use.total += sign
    }
}

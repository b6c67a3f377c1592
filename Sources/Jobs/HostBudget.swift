// HostBudget: what the slots of one process may take together: processors, memory, and so many jobs of a kind. The
// producer asks it before it claims, so a machine never holds more than it has room for.
import Synchronization

/// The room of one process for jobs.
public final class HostBudget: Sendable {
    /// What is free, for a claim.
    public struct Room: Sendable, Equatable {
        /// The kinds that may be claimed.
        public var kinds: [String]
        /// Free processors; nil for any number.
        public var threads: Int?
        /// Free megabytes; nil for any number.
        public var memoryMB: Int?
        /// The most jobs that fit under the limits of kinds.
        public var jobs: Int
        /// True when nothing is held here: then a job that workers died on may run, and nothing beside it.
        public var alone: Bool
    }

    private struct Use {
        var threads = 0
        var memoryMB = 0
        var jobs: [String: Int] = [:]
        var total = 0
        /// A job that workers died on runs: if it takes this process down, nothing else goes with it.
        var exclusive: Int64?
        /// Such a job waits: until this moment nothing new begins while something runs.
        var clearingUntil: ContinuousClock.Instant?
        /// Jobs without a reservation; as many run at once as there are slots.
        var plain = 0
    }

    /// Processors of the whole process; nil for any number.
    public let threads: Int?
    /// Megabytes of the whole process; nil for any number.
    public let memoryMB: Int?
    private let limits: [String: Int]
    private let share: Int
    private let slots: Int
    private let use = Mutex(Use())

    /// Makes a budget; `limits` says how many jobs of a kind may run at once, all others any number.
    ///
    /// Each of the `slots` with a job that reserves no processors takes `share` of them: as many as it keeps busy.
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

    /// What a claim of `limit` jobs of these kinds may take; nil for nothing.
    public func room(kinds: [String], limit: Int) -> Room? {
        use.withLock { use in
            if use.exclusive != nil { return nil }
            if use.total > 0, let end = use.clearingUntil, ContinuousClock.now < end { return nil }
            let open = kinds.filter { kind in
                limits[kind].map { use.jobs[kind, default: 0] < $0 } ?? true
            }
            // Where a kind is limited, one job at a time: a claim cannot count kinds.
            let jobs = open.contains { limits[$0] != nil } ? min(1, limit) : limit
            let taken = use.threads + share * min(slots, use.plain)
            let room = Room(
                kinds: open, threads: threads.map { max(0, $0 - taken) },
                memoryMB: memoryMB.map { max(0, $0 - use.memoryMB) }, jobs: jobs,
                alone: use.total == 0)
            if open.isEmpty || jobs == 0 { return nil }
            // A claim may answer with a job that reserves nothing, which has to fit as well.
            if let free = room.threads, free < share { return nil }
            return room
        }
    }

    /// Takes what a claim got in this room.
    public func take(_ leases: [Lease], in room: Room) {
        use.withLock { use in
            for lease in leases { add(lease, 1, &use) }
            guard room.alone else { return }
            use.clearingUntil = nil
            use.exclusive = leases.first { $0.crashes > 0 }?.token
        }
    }

    /// Gives back what a job took.
    public func free(_ lease: Lease) {
        use.withLock { use in
            add(lease, -1, &use)
            if use.exclusive == lease.token { use.exclusive = nil }
        }
    }

    /// Ends the quarantine of a job that has saved a checkpoint alone: others may run beside it.
    public func endQuarantine(_ lease: Lease) {
        use.withLock { if $0.exclusive == lease.token { $0.exclusive = nil } }
    }

    /// True when a job is held here.
    public var isBusy: Bool { use.withLock { $0.total > 0 } }

    /// Lets nothing new begin until nothing runs, because a job waits that has to run alone; for a
    /// minute at most, and not again within ten, since one of those that run may take hours.
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

// HostBudget: how many processors, how much memory and how many jobs of each kind the slots of one
// process may use in total. Before each claim, the worker asks how much is free.
import Synchronization

/// The resources that the jobs of one process share.
public final class HostBudget: Sendable {
    /// The free resources that a claim may use.
    public struct Room: Sendable, Equatable {
        /// The kinds of jobs that may be claimed.
        public var kinds: [String]
        /// The number of free processors; nil means unlimited.
        public var threads: Int?
        /// The free memory in megabytes; nil means unlimited.
        public var memoryMB: Int?
        /// The largest number of jobs to claim; at most 1 if the number of concurrent jobs is
        /// limited for one of `kinds`.
        public var jobs: Int
        /// True if the process holds no job. Then a quarantined job (one that crashed workers) may
        /// be claimed, to run alone.
        public var alone: Bool
    }

    private struct Use {
        var threads = 0
        var memoryMB = 0
        var jobs: [String: Int] = [:]
        var total = 0
        /// The lease token of the quarantined job that runs. Until this job saves a checkpoint or
        /// ends, no other job starts, so that a crash of the process affects no other job.
        var exclusive: Int64?
        /// Until this time no new job starts while other jobs run, because a quarantined job waits
        /// to run alone.
        var clearingUntil: ContinuousClock.Instant?
        /// The number of claimed jobs that reserve no processors. At most `slots` of these jobs run
        /// at once.
        var plain = 0
    }

    /// The processors that the process may use; nil means unlimited.
    public let threads: Int?
    /// The memory that the process may use, in megabytes; nil means unlimited.
    public let memoryMB: Int?
    private let limits: [String: Int]
    private let share: Int
    private let slots: Int
    private let use = Mutex(Use())

    /// `limits` has the largest number of concurrent jobs of a kind; kinds without an entry are
    /// unlimited. A job that reserves no processors counts as `share` processors.
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

    /// Returns the resources for a claim of up to `limit` jobs of the given kinds; nil if no job
    /// may be claimed now.
    public func room(kinds: [String], limit: Int) -> Room? {
        use.withLock { use in
            if use.exclusive != nil { return nil }
            if use.total > 0, let end = use.clearingUntil, ContinuousClock.now < end { return nil }
            let open = kinds.filter { kind in
                limits[kind].map { use.jobs[kind, default: 0] < $0 } ?? true
            }
            // While a kind with a limit may be claimed, one job is claimed at a time, because a
            // claim cannot count jobs by kind.
            let jobs = open.contains { limits[$0] != nil } ? min(1, limit) : limit
            let taken = use.threads + share * min(slots, use.plain)
            let room = Room(
                kinds: open, threads: threads.map { max(0, $0 - taken) },
                memoryMB: memoryMB.map { max(0, $0 - use.memoryMB) }, jobs: jobs,
                alone: use.total == 0)
            if open.isEmpty || jobs == 0 { return nil }
            // A claim may return a job that reserves no processors. Such a job counts as `share`
            // processors.
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

    /// Ends the quarantine of a job that has saved a checkpoint: other jobs may then run at the
    /// same time.
    public func endQuarantine(_ lease: Lease) {
        use.withLock { if $0.exclusive == lease.token { $0.exclusive = nil } }
    }

    /// Whether the process holds any job.
    public var isBusy: Bool { use.withLock { $0.total > 0 } }

    /// Lets no new job start until all running jobs have ended, because a quarantined job waits to
    /// run alone. A running job may take hours, so new jobs wait for at most one minute; calls in
    /// the nine minutes after that do nothing.
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

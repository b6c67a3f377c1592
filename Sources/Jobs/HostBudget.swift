// HostBudget: what the workers of one process may take together: processors, memory, and so many jobs of a
// kind. They ask it before they claim, so a machine never holds more than it has room for.
import Synchronization

/// The room of one process for jobs; shared by its workers.
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
        /// True when nothing runs here: then a job that workers died on may, and nothing beside it.
        public var alone: Bool
    }

    private struct Use {
        var threads = 0
        var memoryMB = 0
        var jobs: [String: Int] = [:]
        var total = 0
        /// A job that workers died on runs: if it takes this process down, nothing else goes with it.
        var isExclusive = false
        /// Such a job waits: until this moment nothing new begins while something runs.
        var clearingUntil: ContinuousClock.Instant?
        /// Jobs without a reservation by the worker that holds them: it runs one after the other.
        var plain: [String: Int] = [:]
    }

    /// Processors of the whole process; nil for any number.
    public let threads: Int?
    /// Megabytes of the whole process; nil for any number.
    public let memoryMB: Int?
    private let limits: [String: Int]
    private let share: Int
    private let use = Mutex(Use())

    /// Makes a budget; `limits` says how many jobs of a kind may run at once, all others any number.
    ///
    /// A worker with jobs that reserve no processors takes `share` of them: as many as it keeps busy.
    public init(
        threads: Int? = nil, memoryMB: Int? = nil, limits: [String: Int] = [:], share: Int = 0
    ) {
        self.threads = threads
        self.memoryMB = memoryMB
        self.limits = limits
        self.share = share
    }

    /// Claims with what is free and takes what the claim got; one worker at a time.
    func claim(kinds: [String], limit: Int, _ body: (Room) throws -> [Lease]) rethrows -> [Lease] {
        try use.withLock { use in
            if use.isExclusive { return [] }
            if use.total > 0, let end = use.clearingUntil, ContinuousClock.now < end { return [] }
            let open = kinds.filter { kind in
                limits[kind].map { use.jobs[kind, default: 0] < $0 } ?? true
            }
            // Where a kind is limited, one job at a time: a claim cannot count kinds.
            let jobs = open.contains { limits[$0] != nil } ? 1 : limit
            let taken = use.threads + share * use.plain.count
            let room = Room(
                kinds: open, threads: threads.map { max(0, $0 - taken) },
                memoryMB: memoryMB.map { max(0, $0 - use.memoryMB) }, jobs: jobs,
                alone: use.total == 0)
            if open.isEmpty { return [] }
            // A claim may answer with a job that reserves nothing, which has to fit as well.
            if let free = room.threads, free < share { return [] }
            let leases = try body(room)
            for lease in leases { add(lease, 1, &use) }
            if room.alone {
                use.clearingUntil = nil
                use.isExclusive = leases.contains { $0.crashes > 0 }
            }
            return leases
        }
    }

    /// Gives back what a job took.
    func free(_ lease: Lease) {
        use.withLock { use in
            add(lease, -1, &use)
            if use.total == 0 { use.isExclusive = false }
        }
    }

    /// Lets nothing new begin until nothing runs, because a job waits that has to run alone; for a
    /// minute at most, and not again within ten, since one of those that run may take hours.
    func clear() {
        use.withLock { use in
            let now = ContinuousClock.now
            if let last = use.clearingUntil, now - last < .seconds(540) { return }
            use.clearingUntil = now + .seconds(60)
        }
    }

    private func add(_ lease: Lease, _ sign: Int, _ use: inout Use) {
        use.threads += sign * lease.threads
        if lease.threads == 0 {
            let count = use.plain[lease.sessionUUID, default: 0] + sign
            use.plain[lease.sessionUUID] = count > 0 ? count : nil
        }
        use.memoryMB += sign * lease.memoryMB
        use.jobs[lease.kind, default: 0] += sign
        use.total += sign
    }
}

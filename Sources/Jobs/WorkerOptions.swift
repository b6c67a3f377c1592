// WorkerOptions: the settings of a worker.
import Foundation
import Postgres

/// What happened to a job of a worker.
public enum JobEvent: Sendable {
    /// The worker claimed the job.
    case claimed(Lease)
    /// An attempt of the job failed; with `isLast` the job ends.
    case failed(Lease, reason: String, isLast: Bool)
}

/// The settings of one worker.
public struct WorkerOptions: Sendable {
    /// The first polling pause of an idle worker, in seconds.
    var firstPollSeconds = 0.02

    /// The kinds of jobs that the worker claims; nil for all kinds that have a handler.
    public var kinds: [String]?
    /// How many jobs the worker runs at once.
    public var slots: Int
    /// The capabilities of the worker, such as `gpu` or `device:my-board`.
    public var offers: [String]
    /// The duties for which the worker bids in addition to the standard ones.
    public var duties: [Duty]
    /// How many processors a handler may keep busy if its job reserves none.
    public var threads: Int
    /// The largest number of jobs that are prefetched per slot, if jobs are short.
    public var prefetch: Int
    /// The resource budget of the slots; nil for no limit.
    public var budget: HostBudget?
    /// The longest polling interval in seconds. While the lease keeper listens for hints, the
    /// longest interval is twice this, because a hint ends a pause early.
    public var pollSeconds: Double
    /// How long the session of the worker lasts without a heartbeat (the lease duration), in
    /// seconds.
    public var ttlSeconds: Double
    /// The name of the worker.
    public var name: String
    /// Whether the worker ends when no work is left.
    public var untilIdle: Bool
    /// The run whose jobs the worker claims; nil for all runs.
    public var runID: RunID?
    /// The time limits of the database sessions of the worker. By default, a transaction may idle
    /// for one lease duration, but at least 1 s and at most 60 s, because a worker that hangs in a
    /// transaction holds locks that others need.
    public var limits: SessionLimits
    /// How the worker retries while the database is unreachable or read-only; by default the worker
    /// never gives up.
    public var reconnectPolicy: ReconnectPolicy
    /// Called with the events of jobs, from any thread of the worker.
    public var told: (@Sendable (JobEvent) -> Void)?
    /// Called with one line for each problem outside a handler.
    public var report: @Sendable (String) -> Void

    /// For how many seconds the server may still execute a statement after its client disconnected.
    var cutOffSeconds: Double {
        limits.statementTimeoutSeconds > 0 ? 2 * limits.statementTimeoutSeconds : .infinity
    }

    /// How statements of a handler are retried while the database is unreachable: for at most
    /// fifteen minutes; the lease usually expires long before.
    var handlerPolicy: ReconnectPolicy {
        var policy = reconnectPolicy
        policy.limitSeconds = min(policy.limitSeconds, 900)
        return policy
    }

    /// All settings have defaults. By default, `ttlSeconds` also bounds idle transactions.
    public init(
        kinds: [String]? = nil, slots: Int = 1, offers: [String] = [], duties: [Duty] = [],
        threads: Int = 1, prefetch: Int = 1, budget: HostBudget? = nil,
        pollSeconds: Double = 1, ttlSeconds: Double = 10, name: String = "worker",
        untilIdle: Bool = false, runID: RunID? = nil, limits: SessionLimits? = nil,
        reconnectPolicy: ReconnectPolicy = ReconnectPolicy(limitSeconds: .infinity),
        told: (@Sendable (JobEvent) -> Void)? = nil,
        report: @escaping @Sendable (String) -> Void = { line in
            FileHandle.standardError.write(Data("\(line)\n".utf8))
        }
    ) {
        self.kinds = kinds
        self.slots = max(1, slots)
        self.offers = Set(offers).sorted()
        self.duties = duties
        self.threads = threads
        self.prefetch = max(1, prefetch)
        self.budget = budget
        self.pollSeconds = pollSeconds
        self.ttlSeconds = ttlSeconds
        self.name = name
        self.untilIdle = untilIdle
        self.runID = runID
        self.limits =
            limits ?? SessionLimits(idleInTransactionTimeoutSeconds: min(60, max(1, ttlSeconds)))
        self.reconnectPolicy = reconnectPolicy
        self.reconnectPolicy.waitsForWrites = true
        self.told = told
        self.report = report
    }
}

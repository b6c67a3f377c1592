// WorkerOptions: the settings of a worker.
import Foundation
import Postgres

/// An event of a worker's jobs.
public enum JobEvent: Sendable {
    /// It was claimed.
    case claimed(Lease)
    /// An attempt failed; the last one ends the job.
    case failed(Lease, reason: String, isLast: Bool)
}

/// The settings of one worker.
public struct WorkerOptions: Sendable {
    /// The first polling pause of an idle worker, in seconds.
    var firstPollSeconds = 0.02

    /// The kinds it claims; nil for every kind with a handler.
    public var kinds: [String]?
    /// How many jobs it runs at once.
    public var slots: Int
    /// Its capabilities, such as `gpu` or `device:my-board`.
    public var offers: [String]
    /// Duties it bids for in addition to the standard ones.
    public var duties: [Duty]
    /// How many threads a handler may keep busy if its job reserves none.
    public var threads: Int
    /// The most jobs it prefetches per slot, if they are short.
    public var prefetch: Int
    /// The resource budget of its slots; nil for no limit.
    public var budget: HostBudget?
    /// The longest polling interval in seconds; doubled while hints arrive, which end it early.
    public var pollSeconds: Double
    /// How long its session lasts without a heartbeat, in seconds.
    public var ttlSeconds: Double
    /// Its name.
    public var name: String
    /// Whether it ends when no work is left.
    public var untilIdle: Bool
    /// Claims only jobs of this run; nil for all.
    public var runID: RunID?
    /// The time limits of its database sessions. A worker that hangs in an open transaction holds
    /// locks that others need, so by default that limit is its lease duration.
    public var limits: SessionLimits
    /// How it retries while the database is unreachable or read-only; by default forever.
    public var reconnectPolicy: ReconnectPolicy
    /// Called with events of its jobs, from any of its threads.
    public var told: (@Sendable (JobEvent) -> Void)?
    /// Called with one line for each problem outside a handler.
    public var report: @Sendable (String) -> Void

    /// How long the server may still execute a statement after its client disconnected, in seconds.
    var cutOffSeconds: Double {
        limits.statementTimeoutSeconds > 0 ? 2 * limits.statementTimeoutSeconds : .infinity
    }

    /// How a handler retries while the database is unreachable; its lease expires long before the
    /// limit.
    var handlerPolicy: ReconnectPolicy {
        var policy = reconnectPolicy
        policy.limitSeconds = min(policy.limitSeconds, 900)
        return policy
    }

    /// All settings have defaults; `ttlSeconds` also bounds idle transactions.
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

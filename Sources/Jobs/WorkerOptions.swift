// WorkerOptions: how a worker works.
import Foundation
import Postgres

/// What a worker tells of its jobs.
public enum JobEvent: Sendable {
    /// It was claimed.
    case claimed(Lease)
    /// An attempt failed; the last one ends the job.
    case failed(Lease, reason: String, isLast: Bool)
}

/// The settings of one worker.
public struct WorkerOptions: Sendable {
    /// The first pause of a worker that finds nothing to do, in seconds.
    var firstPollSeconds = 0.02

    /// The kinds it takes; nil for every kind it has a handler for.
    public var kinds: [String]?
    /// How many jobs it runs at once.
    public var slots: Int
    /// What it has for jobs that require it, such as `gpu` or `device:my-board`.
    public var offers: [String]
    /// Maintenance that it may be elected to do, beside that of every worker.
    public var duties: [Duty]
    /// How many threads the handlers of jobs may keep busy that reserve none.
    public var threads: Int
    /// How many jobs it claims at once for a slot at most, where they are short enough.
    public var prefetch: Int
    /// What its slots may take together; nil for no bound.
    public var budget: HostBudget?
    /// How long it waits at most until it looks for jobs again, in seconds; twice as long where hints arrive, which
    /// shorten that.
    public var pollSeconds: Double
    /// How long its session lasts without a beat, in seconds.
    public var ttlSeconds: Double
    /// Its name.
    public var name: String
    /// True to go when there is nothing left to do.
    public var untilIdle: Bool
    /// Works for this run only; nil for all.
    public var runID: RunID?
    /// How long things may take in its sessions with the database. A worker that stands still in an open
    /// transaction holds locks that others need, so that is not longer than its lease unless said otherwise.
    public var limits: SessionLimits
    /// How long it waits for a database that went away or takes no writes for now; for good unless said otherwise.
    public var reconnectPolicy: ReconnectPolicy
    /// Called with what becomes of its jobs, from any of its threads; nil where it is not wanted.
    public var told: (@Sendable (JobEvent) -> Void)?
    /// Called with one line for each problem outside a handler.
    public var report: @Sendable (String) -> Void

    /// How long the server may still execute a statement after its client disconnected, in seconds.
    var cutOffSeconds: Double {
        limits.statementTimeoutSeconds > 0 ? 2 * limits.statementTimeoutSeconds : .infinity
    }

    /// How long a handler waits for the database; its lease is over long before.
    var handlerPolicy: ReconnectPolicy {
        var policy = reconnectPolicy
        policy.limitSeconds = min(policy.limitSeconds, 900)
        return policy
    }

    /// Makes settings.
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

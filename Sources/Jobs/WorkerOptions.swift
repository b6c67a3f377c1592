// WorkerOptions: how a worker works.
import Foundation
import Postgres

/// The settings of one worker.
public struct WorkerOptions: Sendable {
    /// The first pause of a worker that finds nothing to do, in seconds.
    var firstPollSeconds = 0.02

    /// The kinds it takes; nil for every kind it has a handler for.
    public var kinds: [String]?
    /// How many threads the handlers of jobs may keep busy that reserve none.
    public var threads: Int
    /// How many jobs it claims at once at most, where they are short enough.
    public var prefetch: Int
    /// What it shares with the other workers of its process; nil for no bound.
    public var budget: HostBudget?
    /// How long it waits at most until it looks for jobs again, in seconds; a hint shortens that.
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
    /// How long it waits for a database that went away or takes no writes for now.
    public var reconnectPolicy: ReconnectPolicy
    /// Its keeper drops days of history older than so many days; nil to keep them all.
    public var keepDays: Int?
    /// Hears what goes wrong around the jobs, one line each.
    public var report: @Sendable (String) -> Void

    /// How long the server may go on with an end and a claim whose connection is gone, in seconds.
    var cutOffSeconds: Double {
        limits.statementTimeoutSeconds > 0 ? 2 * limits.statementTimeoutSeconds : .infinity
    }

    /// Makes settings.
    public init(
        kinds: [String]? = nil, threads: Int = 1, prefetch: Int = 1, budget: HostBudget? = nil,
        pollSeconds: Double = 0.5, ttlSeconds: Double = 10, name: String = "worker",
        untilIdle: Bool = false, runID: RunID? = nil, limits: SessionLimits? = nil,
        reconnectPolicy: ReconnectPolicy = ReconnectPolicy(), keepDays: Int? = nil,
        report: @escaping @Sendable (String) -> Void = { line in
            FileHandle.standardError.write(Data("\(line)\n".utf8))
        }
    ) {
        self.kinds = kinds
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
        self.keepDays = keepDays
        self.report = report
    }
}

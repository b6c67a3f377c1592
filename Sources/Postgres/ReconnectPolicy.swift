// ReconnectPolicy: retries operations while the database is temporarily unavailable.
import Foundation

/// Exponential backoff with jitter between two tries to reach the database.
public struct ReconnectPolicy: Sendable {
    /// The first pause, in seconds.
    public var firstDelaySeconds: Double
    /// The longest pause, in seconds.
    public var maxDelaySeconds: Double
    /// How long to retry after the first loss of the connection, in seconds.
    public var limitSeconds: Double
    /// The number of retries after deadlocks, serialisation failures and lock timeouts.
    public var maxConflicts: Int
    /// The number of retries of cancelled statements (57014). A statement that timed out would most
    /// likely time out again, so interactive commands set few retries. The failure of a handler may
    /// cost hours of work, so handlers retry more often: the lock or the load that delayed the
    /// statement may be gone.
    public var maxCancellations: Int
    /// Whether to wait until a read-only server (25006) becomes writable, as for an unreachable
    /// server. Workers wait; interactive commands fail at once.
    public var waitsForWrites: Bool
    /// Called before each pause; if it returns true, the last error is thrown.
    public var giveUp: @Sendable () -> Bool = { false }

    /// By default, retries last up to fifteen minutes.
    public init(
        firstDelaySeconds: Double = 0.05, maxDelaySeconds: Double = 5, limitSeconds: Double = 900,
        maxConflicts: Int = 20, maxCancellations: Int = 20, waitsForWrites: Bool = false
    ) {
        self.firstDelaySeconds = firstDelaySeconds
        self.maxDelaySeconds = maxDelaySeconds
        self.limitSeconds = limitSeconds
        self.maxConflicts = maxConflicts
        self.maxCancellations = maxCancellations
        self.waitsForWrites = waitsForWrites
    }

    /// Returns the pause in seconds before retry number `attempt` (from 0): half of it is fixed,
    /// half is random.
    public func delaySeconds(attempt: Int) -> Double {
        let full = min(maxDelaySeconds, firstDelaySeconds * pow(2, Double(min(attempt, 30))))
        return full * Double.random(in: 0.5...1)
    }
}

extension Connection {
    /// Runs `body`, and repeats it after these errors: a lost connection, a deadlock, a
    /// serialisation failure, a lock timeout, a cancelled statement, a server short of resources
    /// (class 53) and, with `waitsForWrites`, a read-only server (25006). `limitSeconds` bounds the
    /// time of retries after a lost connection, a shortage or a read-only server; for the other
    /// errors, the number of retries is bounded.
    ///
    /// `body` must be safe to run twice: a commit whose response was lost may have taken place.
    /// `giveUp` is called before each pause; if it returns true, the last error is thrown.
    public func withReconnect<T>(
        _ policy: ReconnectPolicy = ReconnectPolicy(), giveUp: () -> Bool = { false },
        _ body: (Connection) throws -> T
    ) throws -> T {
        let clock = ContinuousClock()
        func givesUp() -> Bool { giveUp() || policy.giveUp() }
        var lostSince: ContinuousClock.Instant?
        var losses = 0
        var isLost = false
        var conflicts = 0
        var cancellations = 0
        while true {
            do {
                if isLost {
                    try reconnect()
                    isLost = false
                }
                return try body(self)
            } catch let error as PostgresError
                where error.isConnectionLoss || (error.isReadOnly && policy.waitsForWrites)
            {
                let since = lostSince ?? clock.now
                lostSince = since
                isLost = true
                if givesUp() || clock.now - since > .seconds(policy.limitSeconds) { throw error }
                Thread.sleep(forTimeInterval: policy.delaySeconds(attempt: losses))
                losses += 1
            } catch let error as PostgresError where error.isShortage {
                let since = lostSince ?? clock.now
                lostSince = since
                if givesUp() || clock.now - since > .seconds(policy.limitSeconds) { throw error }
                Thread.sleep(forTimeInterval: policy.delaySeconds(attempt: losses))
                losses += 1
            } catch let error as PostgresError where error.sqlState == "57014" {
                cancellations += 1
                if givesUp() || cancellations > policy.maxCancellations { throw error }
                Thread.sleep(forTimeInterval: policy.delaySeconds(attempt: cancellations))
            } catch let error as PostgresError where error.isRetryable {
                conflicts += 1
                if givesUp() || conflicts > policy.maxConflicts { throw error }
                Thread.sleep(forTimeInterval: policy.delaySeconds(attempt: min(conflicts - 1, 3)))
            }
        }
    }
}

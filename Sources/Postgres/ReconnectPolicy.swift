// ReconnectPolicy: retries while the database is temporarily unavailable.
import Foundation

/// Jittered exponential backoff between attempts to reach the database.
public struct ReconnectPolicy: Sendable {
    /// The first pause, in seconds.
    public var firstDelaySeconds: Double
    /// The longest pause, in seconds.
    public var maxDelaySeconds: Double
    /// Give up this many seconds after the connection was lost.
    public var limitSeconds: Double
    /// How often to retry after a deadlock or serialisation failure.
    public var maxConflicts: Int
    /// How often to retry a cancelled statement (57014). A timeout would most likely recur, so
    /// interactive commands fail soon; a worker may lose hours of work and retries, since the lock
    /// or the load may have gone.
    public var maxCancellations: Int
    /// Whether to wait for a read-only server (25006) as for an unreachable one. A worker waits;
    /// interactive commands fail at once.
    public var waitsForWrites: Bool
    /// Called before each pause; if true, the last error is thrown.
    public var giveUp: @Sendable () -> Bool = { false }

    /// The default waits up to fifteen minutes.
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

    /// The pause before attempt number `attempt` (from 0): half of it fixed, half random.
    public func delaySeconds(attempt: Int) -> Double {
        let full = min(maxDelaySeconds, firstDelaySeconds * pow(2, Double(min(attempt, 30))))
        return full * Double.random(in: 0.5...1)
    }
}

extension Connection {
    /// Runs `body`; retries after a lost connection, a deadlock or serialisation failure, a
    /// cancelled statement, and while the server lacks resources (class 53) or, if
    /// `waitsForWrites`, is read-only (25006). The last two are bounded like a lost connection.
    ///
    /// `body` must be safe to run twice: a commit whose answer was lost may have taken place.
    /// `giveUp` is called before each pause; if true, the last error is thrown.
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

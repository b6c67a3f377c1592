// ReconnectPolicy: how long and how patiently to wait for a database that went away and comes back.
import Foundation

/// Jittered exponential backoff between attempts to reach the database.
public struct ReconnectPolicy: Sendable {
    /// The first pause, in seconds.
    public var firstDelaySeconds: Double
    /// The longest pause, in seconds.
    public var maxDelaySeconds: Double
    /// Give up when this much time has passed since the connection was lost, in seconds.
    public var limitSeconds: Double
    /// How often a deadlock or serialisation failure is run again.
    public var maxConflicts: Int
    /// How often a statement that was cancelled (57014) is run again. One that ran out of time would most likely do so
    /// again, so a person is told soon; a worker may have hours to lose, and the lock or the load may be gone.
    public var maxCancellations: Int
    /// Whether a server that takes no writes for now (25006) is waited for as one that is away. A worker waits; a
    /// person is told at once.
    public var waitsForWrites: Bool
    /// Asked before each pause; when it says true, the last error is thrown.
    public var giveUp: @Sendable () -> Bool = { false }

    /// Makes a policy; the default waits up to fifteen minutes.
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
    /// Runs `body`, again after a lost connection, a lost race (deadlock, serialisation failure), a cancelled
    /// statement, and while the server has no room (class 53) or, for those who wait for it, takes no writes (25006),
    /// which last as long as a lost connection may.
    ///
    /// `body` must be safe to run twice: a commit whose answer was lost may have taken place.
    /// `giveUp` is asked before each pause; when it says true the last error is thrown.
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

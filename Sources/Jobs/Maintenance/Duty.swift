// Duty: a piece of maintenance that one worker of the fleet does at a time. Who does it is decided by a row of table duty,
// which heartbeats renew. Two may do it at once for a moment, when one is slow to notice that it lost it: so each must
// bear that, and the election only saves work. One file a duty.
import Foundation
import Postgres

/// A piece of maintenance.
public struct Duty: Sendable {
    /// What a duty gets to work with.
    public struct Work {
        /// The queue, on a connection with the duty's limits.
        public let queue: JobQueue
        /// Writes what attempts cost.
        public let observer: (any AttemptObserver)?
        /// True when the worker is going: stop at the next good moment.
        public let isStopping: @Sendable () -> Bool
        /// Says one line about what was left undone.
        public let report: @Sendable (String) -> Void
    }

    /// How a worker comes to do it.
    enum Occasion: Sendable {
        /// Statement DutyLook says, in the column of that name, that there is something to do; on the producer's connection.
        case look(String)
        /// It was last done so many seconds ago; on a thread and a connection of its own, opened for the purpose.
        case every(seconds: Double)
    }

    /// Its name in table duty.
    public let name: String
    /// The longest one of its statements may run, and wait for a lock, in seconds.
    public let statementSeconds: Double, lockSeconds: Double
    let occasion: Occasion
    let body: @Sendable (Work) throws -> Void

    init(
        name: String, occasion: Occasion, statementSeconds: Double, lockSeconds: Double,
        _ body: @escaping @Sendable (Work) throws -> Void
    ) {
        self.name = name
        self.occasion = occasion
        self.statementSeconds = statementSeconds
        self.lockSeconds = lockSeconds
        self.body = body
    }

    /// Describes a duty that is done every so many seconds, on a connection of its own.
    ///
    /// What `body` throws is said, at most once a minute, and it is tried again later and later; no other duty waits.
    public init(
        name: String, everySeconds: Double, statementSeconds: Double = 60, lockSeconds: Double = 1,
        _ body: @escaping @Sendable (Work) throws -> Void
    ) {
        self.init(
            name: name, occasion: .every(seconds: everySeconds),
            statementSeconds: statementSeconds, lockSeconds: lockSeconds, body)
    }

    /// The duties of every worker.
    static func standard(_ options: WorkerOptions) -> [Duty] {
        [.rescue(), .promote, .recurring, .history, .ledger, .retention] + options.duties
    }

    /// The limits of a session in which it is done.
    func limits(_ usual: SessionLimits) -> SessionLimits {
        var limits = usual
        limits.statementTimeoutSeconds = statementSeconds
        limits.lockTimeoutSeconds = lockSeconds
        return limits
    }
}

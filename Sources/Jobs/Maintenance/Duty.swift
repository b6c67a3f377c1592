// Duty: a maintenance task that one worker of the fleet does at a time. A worker is elected through
// a row of table duty, and stays elected as long as its heartbeats renew that row. Two workers may
// do the same duty briefly, if one is slow to notice that it no longer holds the duty. Duties must
// tolerate this; the election only saves work. The standard duties have one file each.
import Foundation
import Postgres

/// A maintenance task.
public struct Duty: Sendable {
    /// What the body of a duty gets as its argument.
    public struct Work {
        /// The queue, on a connection with the duty's limits.
        public let queue: JobQueue
        /// The meter of attempts, which the duty `rescue` asks for the usage of lost and overdue
        /// attempts; nil if there is none.
        public let observer: (any AttemptObserver)?
        /// Returns true if the worker is stopping: then the duty should stop at the next safe
        /// point.
        public let isStopping: @Sendable () -> Bool
        /// Called with one line for each problem.
        public let report: @Sendable (String) -> Void
    }

    /// What triggers a duty.
    enum Occasion: Sendable {
        /// The duty is due when statement DutyLook returns true in the column of this name. The
        /// duty runs on the producer's connection.
        case look(String)
        /// The duty is due once per period. It runs on its own thread with a temporary connection.
        case every(seconds: Double)
    }

    /// The name of the duty in table duty.
    public let name: String
    /// The statement timeout and the lock timeout of the duty, in seconds.
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

    /// Makes a periodic duty, which runs on a connection of its own.
    ///
    /// An error of `body` is reported at most once a minute, and the duty is retried with backoff;
    /// other duties are not affected.
    public init(
        name: String, everySeconds: Double, statementSeconds: Double = 60, lockSeconds: Double = 1,
        _ body: @escaping @Sendable (Work) throws -> Void
    ) {
        self.init(
            name: name, occasion: .every(seconds: everySeconds),
            statementSeconds: statementSeconds, lockSeconds: lockSeconds, body)
    }

    /// Returns the duties for which a worker bids: the standard duties and those in `options`.
    static func standard(_ options: WorkerOptions) -> [Duty] {
        [.rescue(), .promote, .recurring, .history, .ledger, .retention] + options.duties
    }

    /// Returns `usual` with the timeouts of the duty.
    func limits(_ usual: SessionLimits) -> SessionLimits {
        var limits = usual
        limits.statementTimeoutSeconds = statementSeconds
        limits.lockTimeoutSeconds = lockSeconds
        return limits
    }
}

// Duty: a maintenance task done by one worker of the fleet at a time. The holder is elected through
// a row of table duty, renewed by heartbeats. Two workers may overlap briefly if one is slow to
// notice its loss, so every duty must tolerate that; the election only saves work. One file per
// duty.
import Foundation
import Postgres

/// A maintenance task.
public struct Duty: Sendable {
    /// The context of a duty.
    public struct Work {
        /// The queue, on a connection with the duty's limits.
        public let queue: JobQueue
        /// Meters attempts.
        public let observer: (any AttemptObserver)?
        /// True if the worker is stopping: stop at the next safe point.
        public let isStopping: @Sendable () -> Bool
        /// Called with one line for each problem.
        public let report: @Sendable (String) -> Void
    }

    /// What triggers a duty.
    enum Occasion: Sendable {
        /// Statement DutyLook reports work in the column of this name; runs on the producer's
        /// connection.
        case look(String)
        /// A period; runs on its own thread and a temporary connection.
        case every(seconds: Double)
    }

    /// Its name in table duty.
    public let name: String
    /// Its statement and lock timeouts, in seconds.
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

    /// A periodic duty on a connection of its own.
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

    /// The duties of every worker.
    static func standard(_ options: WorkerOptions) -> [Duty] {
        [.rescue(), .promote, .recurring, .history, .ledger, .retention] + options.duties
    }

    /// The session limits it runs under.
    func limits(_ usual: SessionLimits) -> SessionLimits {
        var limits = usual
        limits.statementTimeoutSeconds = statementSeconds
        limits.lockTimeoutSeconds = lockSeconds
        return limits
    }
}

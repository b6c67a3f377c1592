// Duty: makes due jobs (scheduled or retryable) available. A claim that finds no available job does
// that too; this duty is for lanes that are never empty.
import Postgres
import Schema

extension Duty {
    /// Promotes a thousand jobs per statement, for at most one second; the next look continues.
    static let promote = Duty(
        name: "promote", occasion: .look("promote"), statementSeconds: 5, lockSeconds: 0.4
    ) { work in
        let began = ContinuousClock.now
        while try work.queue.connection.queryOne(.jobPromote).int("promoted") >= 1000 {
            if ContinuousClock.now - began > .seconds(1) || work.isStopping() { break }
        }
        try work.queue.hint()
    }
}

// Duty: makes due jobs (scheduled or retryable) available. A claim promotes them too, but only if
// it finds no available job. So without this duty, due jobs would wait as long as other jobs are
// available.
import Postgres
import Schema

extension Duty {
    /// Promotes a thousand jobs per statement, for at most one second; the next call continues.
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

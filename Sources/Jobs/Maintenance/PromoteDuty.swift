// Duty: promotes scheduled jobs that are due. A claim that finds nothing promotes too; this covers
// lanes that are never empty.
import Postgres
import Schema

extension Duty {
    /// A thousand jobs per statement, for at most one second; the rest follows at the next poll.
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

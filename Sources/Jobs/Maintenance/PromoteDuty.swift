// The duty to make jobs available whose time has come. A claim that finds nothing does so too; this is for lanes that are
// never empty.
import Postgres
import Schema

extension Duty {
    /// A thousand jobs a statement, and for a second at most: the rest comes with the next look.
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

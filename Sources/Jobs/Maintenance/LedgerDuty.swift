// The duty to sum up the days of the ledger that are over.
import Postgres
import Schema

extension Duty {
    /// What is asked of all runs reads days.
    static let ledger = Duty(name: "ledger", everySeconds: JobQueue.historySeconds) { work in
        try work.queue.foldDays()
    }
}

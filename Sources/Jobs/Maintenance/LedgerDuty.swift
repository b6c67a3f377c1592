// Duty: folds past days of the ledger into sums.
import Postgres
import Schema

extension Duty {
    /// Queries over all runs read the daily sums.
    static let ledger = Duty(name: "ledger", everySeconds: JobQueue.historySeconds) { work in
        try work.queue.foldDays()
    }
}

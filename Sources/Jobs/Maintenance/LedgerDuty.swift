// Duty: sums past days of the ledger into ofa.spent_day.
import Postgres
import Schema

extension Duty {
    /// Keeps ofa.spent_day up to date, which queries over all runs read.
    static let ledger = Duty(name: "ledger", everySeconds: JobQueue.historySeconds) { work in
        try work.queue.foldDays()
    }
}

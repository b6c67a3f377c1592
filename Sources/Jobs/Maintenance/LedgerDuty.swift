// Duty: sums the ledgers of past days in ofa.cost_day.
import Postgres
import Schema

extension Duty {
    /// Keeps ofa.cost_day, which queries over all runs read, up to date.
    static let ledger = Duty(name: "ledger", everySeconds: JobQueue.historySeconds) { work in
        try work.queue.foldDays()
    }
}

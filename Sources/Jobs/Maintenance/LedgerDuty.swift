// Duty: adds up the ledger of past days in ofa.spent_day.
import Postgres
import Schema

extension Duty {
    /// Keeps ofa.spent_day, which queries over all runs read, up to date.
    static let ledger = Duty(name: "ledger", everySeconds: JobQueue.historySeconds) { work in
        try work.queue.foldDays()
    }
}

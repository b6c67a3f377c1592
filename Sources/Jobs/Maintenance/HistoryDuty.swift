// Duty: creates the daily partitions of history and the monthly ones of jobs ahead.
import Postgres
import Schema

extension Duty {
    /// Writers create a missing partition too, but then the end of an attempt waits for it.
    static let history = Duty(name: "history", everySeconds: JobQueue.historySeconds) { work in
        try work.queue.openDays()
    }
}

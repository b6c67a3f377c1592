// The duty to make the days of history and the months of jobs ahead.
import Postgres
import Schema

extension Duty {
    /// Those who write make what is missing too, but then an end waits for it.
    static let history = Duty(name: "history", everySeconds: JobQueue.historySeconds) { work in
        try work.queue.openDays()
    }
}

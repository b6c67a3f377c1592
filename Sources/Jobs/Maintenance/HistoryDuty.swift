// Duty: creates the partitions of history, of meter rows and of jobs ahead.
import Postgres
import Schema

extension Duty {
    /// Creates missing partitions ahead. If a partition is missing, the first write creates it, but
    /// then the end of an attempt must wait for that.
    static let history = Duty(name: "history", everySeconds: JobQueue.historySeconds) { work in
        try work.queue.openDays()
    }
}

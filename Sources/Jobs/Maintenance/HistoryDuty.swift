// Duty: creates the partitions of history, of meter rows and of jobs in advance.
import Postgres
import Schema

extension Duty {
    /// Creates missing partitions in advance. Without this duty the first write to a missing
    /// partition would create it, and the end of an attempt would wait for the creation.
    static let history = Duty(name: "history", everySeconds: JobQueue.historySeconds) { work in
        try work.queue.openDays()
    }
}

// Duty: drops data older than its retention period.
import Postgres
import Schema

extension Duty {
    /// Drops old partitions. Only the schema's owner may do that; workers of other roles decline
    /// the duty. Closing a month copies the arguments of the jobs that made artifacts, which may
    /// take a while.
    static let retention = Duty(
        name: "retention", everySeconds: JobQueue.historySeconds, statementSeconds: 600
    ) { work in
        try work.queue.applyRetention()
    }
}

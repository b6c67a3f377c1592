// Duty: drops data older than its retention period.
import Postgres
import Schema

extension Duty {
    /// Drops old partitions. Only the schema's owner may do that; workers of other roles decline
    /// the duty. Before the jobs of a month are dropped, the arguments of those that made artifacts
    /// are copied, which may take a while.
    static let retention = Duty(
        name: "retention", everySeconds: JobQueue.historySeconds, statementSeconds: 600
    ) { work in
        try work.queue.applyRetention()
    }
}

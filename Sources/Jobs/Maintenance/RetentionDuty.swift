// The duty to drop what is older than it is to be kept.
import Postgres
import Schema

extension Duty {
    /// Only a role that owns the schema may drop; a worker of another leaves the duty to others. Closing a month keeps what
    /// made its artifacts, which may take a while.
    static let retention = Duty(
        name: "retention", everySeconds: JobQueue.historySeconds, statementSeconds: 600
    ) { work in
        try work.queue.applyRetention()
    }
}

// The duty to make the days of history ahead, and to drop those that are older than they are to be kept.
import Postgres
import Schema

extension Duty {
    /// Days ahead first: dropping may fail for good reasons, such as a dump under way, and must not keep them from being
    /// made.
    static let history = Duty(name: "history", everySeconds: JobQueue.historySeconds) { work in
        try work.queue.openDays()
        try work.queue.foldDays()
        // A worker whose role does not own the schema does all but this.
        do { try work.queue.applyRetention() } catch let error as JobsError
            where error.code == .notOwner
        { work.report("\(error)") }
    }
}

// Duty: enqueues due recurring runs.
import Postgres

extension Duty {
    /// Enqueues due recurring runs. A run that cannot be read is skipped and reported.
    static let recurring = Duty(
        name: "recurring", occasion: .look("recurring"), statementSeconds: 30, lockSeconds: 0.4
    ) { try $0.queue.enqueueDue() }
}

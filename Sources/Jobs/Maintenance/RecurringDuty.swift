// The duty to enqueue the recurring runs that are due.
import Postgres

extension Duty {
    /// Enqueues what is due; a run that cannot be read is left out and said.
    static let recurring = Duty(
        name: "recurring", occasion: .look("recurring"), statementSeconds: 30, lockSeconds: 0.4
    ) { try $0.queue.enqueueDue() }
}

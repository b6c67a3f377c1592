// The duty to free the jobs of workers that are gone, or that do not stop after their time.
import Postgres

extension Duty {
    /// Expires sessions, rescues their jobs, and sweeps the sessions that hold nothing any more.
    static func rescue(limitSeconds: Double = 1) -> Duty {
        Duty(name: "rescue", occasion: .look("rescue"), statementSeconds: 5, lockSeconds: 0.4) {
            _ = try $0.queue.rescue(observer: $0.observer, limitSeconds: limitSeconds)
        }
    }
}

// Duty: frees the jobs of sessions that are over, and of attempts that do not stop after their
// timeout; allocates the energy of machines whose workers are all gone.
import Postgres

extension Duty {
    /// Expires sessions, rescues their jobs for at most `limitSeconds`, and marks ended sessions
    /// without leases as swept, so that they are not examined again. Then allocates what the workers of silent machines
    /// had metered.
    static func rescue(limitSeconds: Double = 1) -> Duty {
        Duty(name: "rescue", occasion: .look("rescue"), statementSeconds: 5, lockSeconds: 0.4) {
            _ = try $0.queue.rescue(observer: $0.observer, limitSeconds: limitSeconds)
            try $0.queue.allocateEnergy()
        }
    }
}

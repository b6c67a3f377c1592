// WorkerReading: what one worker does now and has done so far, for its metrics.
import Foundation

/// A copy of a worker's counts and of what it runs.
public struct WorkerReading: Sendable {
    /// A job that the worker has leased.
    public struct Job: Sendable {
        /// The lease.
        public let lease: Lease
        /// The progress that the handler told last, in 0…1.
        public let fraction: Double
        /// Images trained per second, as the handler recorded last; nil if it has recorded nothing.
        public let imagesPerSecond: Double?

        /// Takes the figures.
        public init(lease: Lease, fraction: Double, imagesPerSecond: Double?) {
            self.lease = lease
            self.fraction = fraction
            self.imagesPerSecond = imagesPerSecond
        }
    }

    /// How many jobs the worker runs at once at most, and how many slots run one now.
    public var slots = 0, busySlots = 0
    /// How many jobs the worker claimed.
    public var claims = 0
    /// How many attempts ended, as the database recorded them; `lost` are those whose lease was over before their end.
    public var ended: [AttemptOutcome: Int] = [:]
    /// The time since the last acknowledged heartbeat, in seconds; nil without a session.
    public var heartbeatAgeSeconds: Double?
    /// The largest delay of a heartbeat so far, in seconds.
    public var heartbeatDelaySeconds = 0.0
    /// The leased jobs that slots run or that wait for a slot.
    public var jobs: [Job] = []

    /// Starts with nothing.
    public init() {}
}

extension Worker {
    /// What the worker does now and has done so far. This may be called from any thread, and does not wait for the
    /// database.
    public var reading: WorkerReading { board.reading }
}

/// The counts of one worker.
struct WorkerCounts {
    var claims = 0
    var ended: [AttemptOutcome: Int] = [:]
}

extension WorkerBoard {
    /// A copy for metrics.
    var reading: WorkerReading {
        let now = clock()
        let (reading, held) = state.withLock { state in
            var reading = WorkerReading()
            reading.slots = state.slots.count
            reading.busySlots = state.slots.count {
                if case .working = $0 { true } else { false }
            }
            reading.claims = state.counts.claims
            reading.ended = state.counts.ended
            reading.heartbeatAgeSeconds = state.session.map { _ in now - state.lastBeat }
            reading.heartbeatDelaySeconds = max(0, state.latestSeconds)
            return (reading, state.held)
        }
        var whole = reading
        whole.jobs = held.map {
            let (fraction, rate) = $0.signal.reached
            return WorkerReading.Job(lease: $0.lease, fraction: fraction, imagesPerSecond: rate)
        }
        return whole
    }

    /// Counts an attempt that ended as `kind` says, or not, as the database answered.
    func count(_ kind: Ending.Kind, _ answer: CompletionAnswer, of held: Held) {
        var outcome = kind.outcome
        if answer == .fenced || outcome == .released && held.signal.wasFenced { outcome = .lost }
        state.withLock { $0.counts.ended[outcome, default: 0] += 1 }
    }
}

extension Ending.Kind {
    /// The outcome that the database records.
    var outcome: AttemptOutcome {
        switch self {
        case .completed: .completed
        case .failed, .overdue: .failed
        case .cancelled: .cancelled
        case .released: .released
        case .unbegun: .unbegun
        case .lost: .lost
        }
    }
}

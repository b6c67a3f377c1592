// WorkerBoard: what a worker's own thread and its lease keeper's thread share.
import Foundation
import Synchronization

/// The shared state of one worker.
final class WorkerBoard: Sendable {
    /// What the keeper finds when it looks.
    struct View {
        var session: Session?
        var lease: Lease?
        var signal: AttemptSignal?
        var lastBeat: Double
        var isStopped: Bool
    }

    private struct State {
        var session: Session?
        var lease: Lease?
        var signal: AttemptSignal?
        var lastBeat = 0.0
        var isSessionOver = false
        var isDraining = false
        var isStopped = false
    }

    private let state = Mutex(State())
    private let bell = NSCondition()

    /// Seconds of a clock that is never set and runs on while the machine sleeps.
    let clock: @Sendable () -> Double = {
        let start = WorkerBoard.clockStart
        let passed = (ContinuousClock.now - start).components
        return Double(passed.seconds) + Double(passed.attoseconds) * 1e-18
    }
    private static let clockStart = ContinuousClock.now

    var view: View {
        state.withLock {
            View(
                session: $0.session, lease: $0.lease, signal: $0.signal, lastBeat: $0.lastBeat,
                isStopped: $0.isStopped)
        }
    }

    var isDraining: Bool { state.withLock { $0.isDraining } }
    var isSessionOver: Bool { state.withLock { $0.isSessionOver } }

    /// `openedAt` is from before the session was asked for.
    func begin(_ session: Session, openedAt: Double) {
        state.withLock {
            $0.session = session
            $0.lastBeat = openedAt
            $0.isSessionOver = false
        }
    }

    /// Hands out the wires of a new attempt; its term runs from the last beat.
    func begin(_ lease: Lease, ttlSeconds: Double) -> AttemptSignal {
        state.withLock { state in
            let signal = AttemptSignal(
                lastBeat: state.lastBeat, termSeconds: ttlSeconds * 2 / 3, clock: clock)
            if state.isDraining { signal.drain() }
            state.lease = lease
            state.signal = signal
            return signal
        }
    }

    func endLease() {
        state.withLock {
            $0.lease = nil
            $0.signal = nil
        }
    }

    func beaten(_ session: Session, sentAt: Double) {
        state.withLock {
            guard $0.session == session else { return }
            $0.lastBeat = max($0.lastBeat, sentAt)
            $0.signal?.beaten(sentAt: sentAt)
        }
    }

    func sessionIsOver(_ session: Session) {
        state.withLock {
            guard $0.session == session else { return }
            $0.isSessionOver = true
            $0.signal?.interrupt(.fenced)
        }
    }

    func drain() {
        state.withLock {
            $0.isDraining = true
            $0.signal?.drain()
        }
        ring()
    }

    func stop() {
        state.withLock { $0.isStopped = true }
        ring()
    }

    /// Waits, or less when somebody rings.
    func pause(seconds: Double) {
        bell.lock()
        _ = bell.wait(until: Date(timeIntervalSinceNow: seconds))
        bell.unlock()
    }

    private func ring() {
        bell.lock()
        bell.broadcast()
        bell.unlock()
    }
}

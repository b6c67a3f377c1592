// WorkerBoard: what a worker's own thread and its lease keeper's thread share.
import Foundation
import Postgres
import Synchronization

/// The shared state of one worker.
final class WorkerBoard: Sendable {
    /// A lease and the wires of its attempt.
    struct Held {
        let lease: Lease
        let signal: AttemptSignal
    }

    /// What the keeper finds when it looks.
    struct View {
        var session: Session?
        var held: [Held]
        var lastBeat: Double
        var isStopped: Bool
    }

    private struct State {
        var session: Session?
        var held: [Held] = []
        var lastBeat = 0.0
        var latestSeconds = 0.0
        var isSessionOver = false
        var isDraining = false
        var isStopped = false
        /// Claims that were begun, and that are over: equal while none is under way.
        var claimsBegun = 0
        var claimsOver = 0
        /// Until when a claim that was cut off may still take place.
        var orphansUntil = -Double.infinity
        /// Rises with every hint, so that one that comes before the pause is not missed.
        var hints = 0
    }

    private let state = Mutex(State())
    /// Ends the worker's pause.
    private let bell: WakeSignal
    /// Ends the keeper's waiting.
    let wake: WakeSignal

    /// Seconds of a clock that is never set and runs on while the machine sleeps.
    let clock: @Sendable () -> Double

    init(clock: @escaping @Sendable () -> Double = WorkerBoard.machineClock) throws {
        self.clock = clock
        (bell, wake) = (try WakeSignal(), try WakeSignal())
    }

    static let machineClock: @Sendable () -> Double = {
        let start = WorkerBoard.clockStart
        let passed = (ContinuousClock.now - start).components
        return Double(passed.seconds) + Double(passed.attoseconds) * 1e-18
    }
    private static let clockStart = ContinuousClock.now

    var view: View {
        state.withLock {
            View(
                session: $0.session, held: $0.held, lastBeat: $0.lastBeat, isStopped: $0.isStopped)
        }
    }

    var isDraining: Bool { state.withLock { $0.isDraining } }
    var isSessionOver: Bool { state.withLock { $0.isSessionOver } }
    var hints: Int { state.withLock { $0.hints } }
    /// How much later than every third of the lease a beat was sent at most, in seconds.
    var latestSeconds: Double { state.withLock { $0.latestSeconds } }

    /// `openedAt` is from before the session was asked for.
    func begin(_ session: Session, openedAt: Double) {
        state.withLock {
            $0.session = session
            $0.lastBeat = openedAt
            $0.isSessionOver = false
        }
    }

    /// Hands out the wires of new attempts; their term runs from the last beat.
    func begin(_ leases: [Lease], ttlSeconds: Double) -> [Held] {
        state.withLock { state in
            let held = leases.map { lease in
                let signal = AttemptSignal(
                    lastBeat: state.lastBeat, termSeconds: ttlSeconds * 2 / 3, clock: clock)
                if state.isDraining { signal.drain() }
                return Held(lease: lease, signal: signal)
            }
            state.held += held
            return held
        }
    }

    // MARK: Orphans

    /// Notes that a claim begins; `endClaim` follows when its leases are held.
    func beginClaim() { state.withLock { $0.claimsBegun += 1 } }
    func endClaim() { state.withLock { $0.claimsOver += 1 } }

    /// Notes that a claim was cut off: the server may go on with it for so long, and nobody will hear.
    func claimWasCutOff(seconds: Double) {
        let until = clock() + seconds
        state.withLock { $0.orphansUntil = max($0.orphansUntil, until) }
    }

    /// The number of claims so far while none is under way and one that was cut off may still take place.
    var quietClaims: Int? {
        let now = clock()
        return state.withLock {
            now < $0.orphansUntil && $0.claimsBegun == $0.claimsOver ? $0.claimsBegun : nil
        }
    }

    /// Forgets leases that are written down as ended, or are somebody else's.
    func end(_ leases: some Sequence<Lease>) {
        let tokens = Set(leases.map(\.token))
        state.withLock { $0.held.removeAll { tokens.contains($0.lease.token) } }
    }

    /// Notes a beat that the database answered; it was due `dueSeconds` after the one before. Returns
    /// how late it was sent, in seconds.
    func beaten(_ session: Session, sentAt: Double, dueSeconds: Double) -> Double {
        state.withLock { state in
            guard state.session == session else { return 0 }
            let late = sentAt - state.lastBeat - dueSeconds
            state.latestSeconds = max(state.latestSeconds, late)
            state.lastBeat = max(state.lastBeat, sentAt)
            for held in state.held { held.signal.beaten(sentAt: sentAt) }
            return late
        }
    }

    func sessionIsOver(_ session: Session) {
        state.withLock {
            guard $0.session == session else { return }
            $0.isSessionOver = true
            for held in $0.held { held.signal.interrupt(.fenced) }
        }
    }

    func drain() {
        state.withLock {
            $0.isDraining = true
            for held in $0.held { held.signal.drain() }
        }
        bell.wake()
    }

    func stop() {
        state.withLock { $0.isStopped = true }
        bell.wake()
        wake.wake()
    }

    /// Says that there may be something to do.
    func hint() {
        state.withLock { $0.hints += 1 }
        bell.wake()
    }

    /// The worker's pause; shorter when somebody rings, or has hinted since `hints` was read.
    func pause(seconds: Double, since hints: Int) {
        _ = bell.take()
        if state.withLock({ $0.hints != hints || $0.isDraining }) { return }
        bell.wait(seconds: seconds)
    }

    /// The keeper's pause, also while the worker is going; shorter when the worker stops.
    func pauseKeeper(seconds: Double) { wake.wait(seconds: seconds) }
}

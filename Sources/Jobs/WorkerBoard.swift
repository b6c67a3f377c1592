// WorkerBoard: the state that the threads of a worker (producer, lease keeper and slots) share.
// This file has the session, its leases and its heartbeats; the slots' part is in
// WorkerBoard+Slots.swift.
import Foundation
import Postgres
import Synchronization

/// The shared state of one worker.
final class WorkerBoard: Sendable {
    /// A lease and the signal of its attempt.
    struct Held {
        let lease: Lease
        let signal: AttemptSignal
    }

    /// A copy of the state for the lease keeper.
    struct View {
        var session: Session?
        var held: [Held]
        var lastBeat: Double
        var isStopped: Bool
        var workingSlots: Int
        /// When the producer last attended to the duties of its session.
        var attended: Double
    }

    /// The shared state.
    struct State {
        var session: Session?
        var held: [Held] = []
        var lastBeat = 0.0
        var latestSeconds = 0.0
        var counts = WorkerCounts()
        var isSessionOver = false
        var isDraining = false
        /// A draining worker waits for an unavailable database until this time.
        var drainsUntil = Double.infinity
        var isStopped = false
        /// The number of events for the producer so far. The producer does not pause if this number
        /// has changed since the producer last read it, so that no event is missed.
        var events = 0
        /// The number of hints of available jobs so far.
        var hints = 0
        var isListening = false
        /// The names of the threads that wait for the database to come back.
        var outages: Set<String> = []
        var duties: Set<String> = []
        var dutiesUntil = -Double.infinity
        /// Duties that this worker cannot do.
        var declined: Set<String> = []
        var attended = -Double.infinity
        var slots: [SlotState] = []
        var inbox = Inbox()
        var done: [Finished] = []
        var doneSince: Double?
        var isProducerHeldUp = false
    }

    let state: Mutex<State>
    /// Wakes the producer.
    let bell: WakeSignal
    /// Wakes the lease keeper.
    let wake: WakeSignal
    /// For each slot, the signal that wakes it.
    let slotBells: [WakeSignal]

    /// Returns the time of a monotonic clock in seconds. The clock continues while the system
    /// sleeps.
    let clock: @Sendable () -> Double

    init(slots: Int = 1, clock: @escaping @Sendable () -> Double = WorkerBoard.machineClock) throws
    {
        self.clock = clock
        (bell, wake) = (try WakeSignal(), try WakeSignal())
        slotBells = try (0..<slots).map { _ in try WakeSignal() }
        state = Mutex(State(slots: Array(repeating: .starting, count: slots)))
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
                session: $0.session, held: $0.held, lastBeat: $0.lastBeat, isStopped: $0.isStopped,
                workingSlots: $0.isProducerHeldUp ? 0 : $0.slots.count { $0.isWorking },
                attended: $0.attended)
        }
    }

    var isDraining: Bool { state.withLock { $0.isDraining } }
    /// Whether a draining worker has waited for the database for long enough.
    var isPatienceOver: Bool {
        let now = clock()
        return state.withLock { now >= $0.drainsUntil }
    }
    var isSessionOver: Bool { state.withLock { $0.isSessionOver } }
    /// The largest delay of a heartbeat, in seconds.
    var latestSeconds: Double { state.withLock { $0.latestSeconds } }

    /// Records a new session; `openedAt` is the time just before the session was requested.
    func begin(_ session: Session, openedAt: Double) {
        state.withLock {
            $0.session = session
            $0.lastBeat = openedAt
            $0.isSessionOver = false
            $0.duties = []
        }
        wake.wake()
    }

    /// Removes leases that are over: the outcome of the attempt was recorded or refused.
    func end(_ leases: some Sequence<Lease>) {
        let tokens = Set(leases.map(\.token))
        if tokens.isEmpty { return }
        state.withLock { $0.held.removeAll { tokens.contains($0.lease.token) } }
    }

    // MARK: Heartbeats

    /// Records an acknowledged heartbeat, which was due `dueSeconds` after the previous heartbeat;
    /// returns its delay in seconds.
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
            $0.events += 1
            for held in $0.held { held.signal.interrupt(.fenced) }
        }
        bell.wake()
    }

    // MARK: Duties

    /// Records the duties that the session holds until `until`, a time of this board's clock.
    func hold(duties: Set<String>, until: Double) {
        state.withLock {
            ($0.duties, $0.dutiesUntil) = (duties, until)
        }
    }

    /// Declines a duty that this worker cannot do: the worker no longer bids for the duty.
    func decline(duty: String) {
        state.withLock { state in
            state.declined.insert(duty)
            state.duties.remove(duty)
        }
    }

    /// Returns those of `duties` for which this worker may bid.
    func biddable(_ duties: [String]) -> [String] {
        state.withLock { state in duties.filter { !state.declined.contains($0) } }
    }

    /// Returns the duties that the session holds now, and records that the producer attends to
    /// them.
    func attendDuties() -> Set<String> {
        let now = clock()
        return state.withLock {
            $0.attended = now
            return now < $0.dutiesUntil ? $0.duties : []
        }
    }

    // MARK: Signals

    /// How long a draining worker waits for an unavailable database, in seconds. Leases of the
    /// default duration have expired by then.
    static let drainSeconds = 30.0

    func drain() {
        let until = clock() + Self.drainSeconds
        state.withLock {
            $0.isDraining = true
            $0.drainsUntil = min($0.drainsUntil, until)
            $0.events += 1
            for held in $0.held { held.signal.drain() }
        }
        bell.wake()
    }

    func stop() {
        state.withLock { $0.isStopped = true }
        bell.wake()
        wake.wake()
        for bell in slotBells { bell.wake() }
    }

    /// Tells the producer that jobs may be available.
    func hint() {
        state.withLock {
            $0.hints += 1
            $0.events += 1
        }
        bell.wake()
    }

    /// Sets whether the lease keeper listens for hints; if so, the producer polls more slowly.
    func listens(_ isListening: Bool) { state.withLock { $0.isListening = isListening } }

    /// Pauses the producer for at most `seconds`. The pause ends early at an event that comes after
    /// the caller has read the number `events`.
    func pause(seconds: Double, since events: Int) {
        _ = bell.take()
        if state.withLock({ $0.events != events }) { return }
        bell.wait(seconds: seconds)
    }

    /// Pauses the lease keeper for at most `seconds`. The signal `wake` ends the pause early, for
    /// example when the worker stops.
    func pauseKeeper(seconds: Double) {
        wake.wait(seconds: seconds)
        _ = wake.take()
    }

    // MARK: Outages

    /// Records that a thread waits for the database; returns true if no other thread waited, so
    /// that this thread must report the outage.
    func isAway(for thread: String) -> Bool {
        state.withLock { state in
            defer { state.outages.insert(thread) }
            return state.outages.isEmpty
        }
    }

    /// Records that a thread reached the database again; returns true if the thread had waited and
    /// no thread waits any more.
    func isBack(for thread: String) -> Bool {
        state.withLock { $0.outages.remove(thread) != nil && $0.outages.isEmpty }
    }
}

extension WorkerBoard {
    /// Pauses the producer for at most `seconds` after an error.
    func pauseProducer(seconds: Double) {
        _ = bell.take()
        bell.wait(seconds: seconds)
    }

    /// Interrupts all jobs as `fenced`, because the outcomes of their attempts can no longer be
    /// recorded.
    func abandon() {
        state.withLock { state in
            for held in state.held { held.signal.interrupt(.fenced) }
        }
    }
}

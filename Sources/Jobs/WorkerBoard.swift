// WorkerBoard: the state shared by a worker's threads: the producer, the lease keeper and the
// slots. This file: the session, its leases and its heartbeats. The slots' part is in
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

    /// A snapshot for the lease keeper.
    struct View {
        var session: Session?
        var held: [Held]
        var lastBeat: Double
        var isStopped: Bool
        var workingSlots: Int
        /// When the producer last attended to its duties.
        var attended: Double
    }

    /// The shared state.
    struct State {
        var session: Session?
        var held: [Held] = []
        var lastBeat = 0.0
        var latestSeconds = 0.0
        var isSessionOver = false
        var isDraining = false
        /// Until when a draining worker waits for the database.
        var drainsUntil = Double.infinity
        var isStopped = false
        /// Incremented by every event for the producer, so that an event just before its pause is
        /// not missed.
        var events = 0
        /// Incremented by every hint of available jobs.
        var hints = 0
        var isListening = false
        /// The threads that wait for the database to come back.
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
    /// Wake each slot.
    let slotBells: [WakeSignal]

    /// Monotonic seconds that include system sleep.
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
    /// Whether a draining worker has waited for the database long enough.
    var isPatienceOver: Bool {
        let now = clock()
        return state.withLock { now >= $0.drainsUntil }
    }
    var isSessionOver: Bool { state.withLock { $0.isSessionOver } }
    /// The largest delay of a heartbeat, in seconds.
    var latestSeconds: Double { state.withLock { $0.latestSeconds } }

    /// `openedAt` was read before the session was requested.
    func begin(_ session: Session, openedAt: Double) {
        state.withLock {
            $0.session = session
            $0.lastBeat = openedAt
            $0.isSessionOver = false
            $0.duties = []
        }
        wake.wake()
    }

    /// Removes leases that were recorded as ended or belong to another worker.
    func end(_ leases: some Sequence<Lease>) {
        let tokens = Set(leases.map(\.token))
        if tokens.isEmpty { return }
        state.withLock { $0.held.removeAll { tokens.contains($0.lease.token) } }
    }

    // MARK: Heartbeats

    /// Records an acknowledged heartbeat, which was due `dueSeconds` after the previous one.
    /// Returns its delay in seconds.
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

    /// Records the duties that the session holds until a time of this clock.
    func hold(duties: Set<String>, until: Double) {
        state.withLock {
            ($0.duties, $0.dutiesUntil) = (duties, until)
        }
    }

    /// Declines a duty that this worker cannot do.
    func decline(duty: String) {
        state.withLock { state in
            state.declined.insert(duty)
            state.duties.remove(duty)
        }
    }

    /// The duties among `duties` that this worker may bid for.
    func biddable(_ duties: [String]) -> [String] {
        state.withLock { state in duties.filter { !state.declined.contains($0) } }
    }

    /// The duties that the session holds now; records the producer's attention.
    func attendDuties() -> Set<String> {
        let now = clock()
        return state.withLock {
            $0.attended = now
            return now < $0.dutiesUntil ? $0.duties : []
        }
    }

    // MARK: Signals

    /// How long a draining worker waits for an unavailable database, in seconds: after that its
    /// leases have expired anyway.
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

    /// Signals that jobs may be available.
    func hint() {
        state.withLock {
            $0.hints += 1
            $0.events += 1
        }
        bell.wake()
    }

    /// Sets whether hints arrive: polling is slower then.
    func listens(_ isListening: Bool) { state.withLock { $0.isListening = isListening } }

    /// The producer's pause; ends early on an event since `events` was read.
    func pause(seconds: Double, since events: Int) {
        _ = bell.take()
        if state.withLock({ $0.events != events }) { return }
        bell.wait(seconds: seconds)
    }

    /// The lease keeper's pause; ends early when the worker stops.
    func pauseKeeper(seconds: Double) {
        wake.wait(seconds: seconds)
        _ = wake.take()
    }

    // MARK: Outages

    /// Records that a thread waits for the database; true if it is the first, which reports it.
    func isAway(for thread: String) -> Bool {
        state.withLock { state in
            defer { state.outages.insert(thread) }
            return state.outages.isEmpty
        }
    }

    /// Records that a thread reached the database again; true if no other thread waits.
    func isBack(for thread: String) -> Bool {
        state.withLock { $0.outages.remove(thread) != nil && $0.outages.isEmpty }
    }
}

extension WorkerBoard {
    /// The producer's pause while it is in trouble.
    func pauseProducer(seconds: Double) {
        _ = bell.take()
        bell.wait(seconds: seconds)
    }

    /// Interrupts every job, because its end could not be recorded any more.
    func abandon() {
        state.withLock { state in
            for held in state.held { held.signal.interrupt(.fenced) }
        }
    }
}

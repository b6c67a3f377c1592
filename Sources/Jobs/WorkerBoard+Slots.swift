// The slots' part of the board: jobs in hand that no slot has begun, what slots are at, and the ends that the producer
// has to write.
import Foundation
import Postgres
import Synchronization

/// An attempt that a slot is done with.
struct Finished {
    let held: WorkerBoard.Held
    /// How it ended; nil where the slot has written it down itself.
    var ending: Ending?
    /// What it said last, written before the end.
    var notes: [Request] = []
    /// What it made, written after the end and behind the fence.
    var records: [Request] = []
    /// How long it took, in seconds; nil for one that never began.
    var seconds: Double?

    var lease: Lease { held.lease }
}

/// What a slot is at.
enum SlotState: Equatable {
    /// Its thread has not begun yet.
    case starting
    /// It waits for a job.
    case waiting
    /// It works at a job, since a moment of the board's clock.
    case working(since: Double)
    /// Its thread has ended; it may start again from a moment on.
    case stopped(until: Double)

    var isWorking: Bool { if case .stopped = self { false } else { true } }
}

/// Jobs in hand that no slot has begun, the first come first.
struct Inbox {
    private var jobs: [(held: WorkerBoard.Held, since: Double)] = []
    private var head = 0

    var count: Int { jobs.count - head }
    var isEmpty: Bool { head == jobs.count }
    /// Since when the first waits.
    var since: Double? { isEmpty ? nil : jobs[head].since }

    mutating func append(_ held: [WorkerBoard.Held], since: Double) {
        jobs.removeFirst(head)
        head = 0
        jobs += held.map { ($0, since) }
    }

    mutating func popFirst() -> WorkerBoard.Held? {
        guard !isEmpty else { return nil }
        head += 1
        return jobs[head - 1].held
    }

    /// Takes all that waits since before a moment.
    mutating func take(before moment: Double) -> [WorkerBoard.Held] {
        var taken: [WorkerBoard.Held] = []
        while let since, since <= moment, let held = popFirst() { taken.append(held) }
        return taken
    }
}

extension WorkerBoard {
    /// What the producer finds when it looks.
    struct Work {
        var session: Session?
        var isSessionOver: Bool
        var isDraining: Bool
        var isListening: Bool
        var events: Int
        var hints: Int
        var held: Int
        var inbox: Int
        var inboxSince: Double?
        var done: Int
        var doneSince: Double?
        var slots: [SlotState]

        /// A slot waits for a job, and there is none in hand.
        var isStarving: Bool { inbox == 0 && slots.contains(.waiting) }

        /// Slots that wait, or are at a job that they have only just begun.
        func quickSlots(now: Double, within seconds: Double) -> Int {
            slots.count { slot in
                if case .working(let since) = slot { return now - since <= seconds }
                return slot == .waiting
            }
        }
    }

    var work: Work {
        state.withLock {
            Work(
                session: $0.session, isSessionOver: $0.isSessionOver, isDraining: $0.isDraining,
                isListening: $0.isListening, events: $0.events, hints: $0.hints,
                held: $0.held.count, inbox: $0.inbox.count, inboxSince: $0.inbox.since,
                done: $0.done.count, doneSince: $0.doneSince, slots: $0.slots)
        }
    }

    // MARK: The producer

    /// Hands out the wires of new attempts and puts their jobs in hand; their term runs from the last beat.
    func deal(_ leases: [Lease], ttlSeconds: Double) {
        if leases.isEmpty { return }
        let now = clock()
        let waiting = state.withLock { state in
            let held = leases.map { lease in
                let signal = AttemptSignal(
                    lastBeat: state.lastBeat, termSeconds: ttlSeconds * 2 / 3, clock: clock)
                if state.isDraining { signal.drain() }
                return Held(lease: lease, signal: signal)
            }
            state.held += held
            state.inbox.append(held, since: now)
            return state.slots.indices.filter { state.slots[$0] == .waiting }
        }
        for slot in waiting.prefix(leases.count) { slotBells[slot].wake() }
    }

    /// Takes what slots are done with.
    func takeDone() -> [Finished] {
        state.withLock { state in
            defer { (state.done, state.doneSince) = ([], nil) }
            return state.done
        }
    }

    /// Takes the jobs in hand that no slot has begun for so long.
    func takeUnbegun(forSeconds seconds: Double) -> [Held] {
        let moment = clock() - seconds
        return state.withLock { $0.inbox.take(before: moment) }
    }

    /// Says whether the producer is held up by an error: then no slot gets work.
    func producerIsHeldUp(_ isHeldUp: Bool) {
        state.withLock { $0.isProducerHeldUp = isHeldUp }
    }

    // MARK: The slots

    /// Takes what a slot has done, if anything, and gives it the next job; nil when it has to wait.
    func next(slot: Int, after finished: Finished?) -> Held? {
        let now = clock()
        let (held, rings) = state.withLock { state in
            var rings = false
            if let finished {
                rings = state.done.isEmpty
                state.done.append(finished)
                state.doneSince = state.doneSince ?? now
            }
            // What has not begun when the worker is asked to go is given back.
            let held = state.isDraining ? nil : state.inbox.popFirst()
            if held != nil {
                state.slots[slot] = .working(since: now)
            } else if state.slots[slot] != .waiting {
                state.slots[slot] = .waiting
                rings = true
            }
            if rings { state.events += 1 }
            return (held, rings)
        }
        if rings { bell.wake() }
        return held
    }

    /// Waits until there may be a job for a slot, or for so long; false when the worker has stopped.
    func waitForJob(slot: Int, seconds: Double) -> Bool {
        if !state.withLock({ $0.isStopped }) { slotBells[slot].wait(seconds: seconds) }
        _ = slotBells[slot].take()
        return !state.withLock { $0.isStopped }
    }

    /// Notes that the thread of a slot has ended, and that it may start again at a moment.
    func slotStopped(_ slot: Int, until moment: Double, giving finished: Finished?) {
        let now = clock()
        state.withLock {
            $0.slots[slot] = .stopped(until: moment)
            $0.events += 1
            guard let finished else { return }
            $0.done.append(finished)
            $0.doneSince = $0.doneSince ?? now
        }
        bell.wake()
    }

    /// Notes that the thread of a slot starts again.
    func slotStarts(_ slot: Int) { state.withLock { $0.slots[slot] = .starting } }
}

// The part of `WorkerBoard` for the slots (handler threads): prefetched jobs, the state of each
// slot, and the finished attempts whose outcomes the producer has to write.
import Foundation
import Postgres
import Synchronization

/// An attempt whose handler has returned, or a prefetched job that was taken back before its start.
struct Finished {
    let held: WorkerBoard.Held
    /// How the attempt ended; nil if the slot has already written the outcome to the database.
    var ending: Ending?
    /// The statements that write the last progress and log lines. They are executed before the
    /// outcome is written.
    var notes: [Request] = []
    /// The handler's statements (`JobOutput.records`). They are executed after the outcome is
    /// written.
    var records: [Request] = []
    /// The duration of the attempt in seconds; nil if the attempt never started.
    var seconds: Double?

    var lease: Lease { held.lease }
}

/// The state of a slot.
enum SlotState: Equatable {
    /// The thread of the slot has not asked for a job yet.
    case starting
    /// The slot waits for a job.
    case waiting
    /// The slot runs a job that it started at this time of the board's clock.
    case working(since: Double)
    /// The thread of the slot has ended. It may restart from this time on.
    case stopped(until: Double)

    var isWorking: Bool { if case .stopped = self { false } else { true } }
}

/// Prefetched jobs that no slot has started, oldest first.
struct Inbox {
    private var jobs: [(held: WorkerBoard.Held, since: Double)] = []
    private var head = 0

    var count: Int { jobs.count - head }
    var isEmpty: Bool { head == jobs.count }
    /// When the oldest job in the inbox was added; nil if the inbox is empty.
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

    /// Removes and returns the jobs that were added at or before `moment`.
    mutating func take(before moment: Double) -> [WorkerBoard.Held] {
        var taken: [WorkerBoard.Held] = []
        while let since, since <= moment, let held = popFirst() { taken.append(held) }
        return taken
    }
}

extension WorkerBoard {
    /// A copy of the state for the producer.
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

        /// Whether a slot waits for a job and no job is prefetched.
        var isStarving: Bool { inbox == 0 && slots.contains(.waiting) }

        /// Returns how many slots wait for a job or started their job at most `seconds` ago.
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

    /// Adds newly leased jobs to the inbox and wakes waiting slots. Each job gets an
    /// `AttemptSignal`, whose term (`termSeconds`) counts from the last heartbeat, not from now.
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
            state.counts.claims += leases.count
            state.inbox.append(held, since: now)
            return state.slots.indices.filter { state.slots[$0] == .waiting }
        }
        for slot in waiting.prefix(leases.count) { slotBells[slot].wake() }
    }

    /// Removes and returns the finished attempts.
    func takeDone() -> [Finished] {
        state.withLock { state in
            defer { (state.done, state.doneSince) = ([], nil) }
            return state.done
        }
    }

    /// Removes and returns the jobs that were prefetched at least `seconds` ago and that no slot
    /// has started.
    func takeUnbegun(forSeconds seconds: Double) -> [Held] {
        let moment = clock() - seconds
        return state.withLock { $0.inbox.take(before: moment) }
    }

    /// Sets whether the producer is in trouble. While it is in trouble, heartbeats report no
    /// working slot.
    func producerIsHeldUp(_ isHeldUp: Bool) {
        state.withLock { $0.isProducerHeldUp = isHeldUp }
    }

    // MARK: The slots

    /// Stores a slot's finished attempt, if any, and returns the next job for the slot; nil if the
    /// slot must wait.
    func next(slot: Int, after finished: Finished?) -> Held? {
        let now = clock()
        let (held, rings) = state.withLock { state in
            var rings = false
            if let finished {
                rings = state.done.isEmpty
                state.done.append(finished)
                state.doneSince = state.doneSince ?? now
            }
            // A draining worker starts no job; its prefetched jobs are released.
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

    /// Waits until there may be a job for the slot, for at most `seconds`; returns false if the
    /// worker has stopped.
    func waitForJob(slot: Int, seconds: Double) -> Bool {
        if !state.withLock({ $0.isStopped }) { slotBells[slot].wait(seconds: seconds) }
        _ = slotBells[slot].take()
        return !state.withLock { $0.isStopped }
    }

    /// Records that the thread of a slot has ended and may restart at `moment`. `finished` is the
    /// attempt that the slot was running, if any; the producer writes the outcome of this attempt.
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

    /// Records that the thread of a slot starts.
    func slotStarts(_ slot: Int) { state.withLock { $0.slots[slot] = .starting } }
}

// Producer: the thread of a worker that talks to the queue. It ends attempts and claims jobs for
// all slots (handler threads) in one transaction, releases jobs that no slot starts, and runs the
// duties of its session. This file has the schedule; the transaction is in Producer+Round.swift.
import Foundation
import Postgres

/// The producer of one worker. Only the producer's thread uses this.
struct Producer {
    /// The largest factor by which the number of jobs prefetched per slot grows at once. The growth
    /// is limited, because the first jobs may be unusually short.
    static let growth = 16
    /// How long the jobs prefetched for a slot should take together, in seconds.
    static let secondsInHand = 0.05
    /// The outcome of an attempt is written at most this many seconds after its end, even if no
    /// slot is idle, because other jobs may wait for the attempt's job.
    static let endSeconds = 0.02
    /// A prefetched job that no slot has started after this many seconds is released.
    static let unbegunSeconds = 0.5
    /// While this process runs jobs, it looks for quarantined jobs once in this many seconds.
    static let quarantineSeconds = 5.0
    /// The time between two searches for orphan leases (leases of this session that the worker does
    /// not know), in seconds: `cutOff` for a while after a claim whose response was lost, `usual`
    /// at other times.
    static let orphanSeconds = (usual: 60.0, cutOff: 0.5)
    /// The minimum time between two hints, in seconds.
    static let hintSeconds = 0.05
    /// What was metered is always written before an attempt ends that took this many seconds, and before others as long as
    /// writing takes at most this share of the time.
    static let energySeconds = 1.0, energyShare = 0.02

    let queue: JobQueue
    let board: WorkerBoard
    let options: WorkerOptions
    let registry: [String: any JobHandler]
    let observer: (any AttemptObserver)?
    let budget: HostBudget
    let kinds: [String]

    /// Finished attempts whose outcomes are not written to the database yet.
    var writing: [Finished] = []
    /// How many jobs to prefetch per slot.
    var size = 1
    /// The moving average of the duration of a job, in seconds.
    var secondsEach = 0.0
    /// True from a claim whose response was lost until orphan leases were released.
    var isClaimUnknown = false

    /// When what was metered was last written, and how long that took, in seconds.
    var reported = (at: -Double.infinity, seconds: 0.0)

    private var maintenance: Maintenance
    private var trouble: Trouble
    private var seenHints = -1
    private var idleSeconds: Double
    private var nextPoll = -Double.infinity
    private var nextOrphans: Double
    private var orphansUntil = -Double.infinity
    private var lookedForQuarantine: Double

    init(
        queue: JobQueue, board: WorkerBoard, options: WorkerOptions,
        registry: [String: any JobHandler], observer: (any AttemptObserver)?,
        budget: HostBudget, databaseURL: String
    ) {
        self.queue = queue
        self.board = board
        self.options = options
        self.registry = registry
        self.observer = observer
        self.budget = budget
        kinds = (options.kinds ?? Array(registry.keys)).filter { registry[$0] != nil }.sorted()
        idleSeconds = options.firstPollSeconds
        let now = board.clock()
        nextOrphans = now + Self.orphanSeconds.usual
        lookedForQuarantine = now
        maintenance = Maintenance(
            databaseURL: databaseURL, options: options, observer: observer, clock: board.clock,
            decline: { board.decline(duty: $0) })
        trouble = Trouble(options: options, board: board)
        queue.hintSeconds = Self.hintSeconds
    }

    /// The names of the duties that this worker bids for.
    var duties: [String] { maintenance.names }

    /// Runs until the worker has drained, or, with `untilIdle`, until no work is left. `restart`
    /// starts the thread of a stopped slot again.
    mutating func run(restart: (Int) -> Void) throws {
        defer { maintenance.end() }
        while true {
            do {
                if trouble.isAway { try comeBack() }
                if try !step(restart) { return }
                trouble.isOver()
            } catch {
                try trouble.wait(after: error, unwritten: writing.count)
            }
        }
    }

    /// Reconnects. If the response to a claim was lost, releases the leases of that claim.
    private mutating func comeBack() throws {
        try queue.connection.reconnect()
        guard isClaimUnknown, let session = board.view.session else { return }
        try queue.releaseOrphans(session, known: board.view.held.map(\.lease))
        // The server may still execute that claim, so the producer keeps looking for orphan leases.
        orphansUntil = board.clock() + options.cutOffSeconds
        nextOrphans = board.clock() + Self.orphanSeconds.cutOff
        isClaimUnknown = false
    }

    /// Does everything that is due, then pauses; returns false when the producer should end.
    private mutating func step(_ restart: (Int) -> Void) throws -> Bool {
        var work = board.work
        if work.isSessionOver || work.session == nil {
            try openSession()
            work = board.work
        }
        guard let session = work.session else { return false }
        let now = board.clock()
        for (slot, state) in work.slots.enumerated() {
            if case .stopped(let until) = state, until <= now, !work.isDraining { restart(slot) }
        }
        takeBack(work.isDraining ? 0 : Self.unbegunSeconds, work)
        let isIdle = try exchange(session, &work, now)
        if work.isDraining || isIdle, work.held == 0, writing.isEmpty {
            if work.isDraining { return false }
            if options.untilIdle, try !isAnythingLeft() { return false }
        }
        try lookForOrphans(session, now)
        let nextDuty = try maintenance.attend(board.attendDuties(), queue)
        let nextHint = try queue.payHint()
        board.pause(
            seconds: min(pauseSeconds(work), nextDuty - board.clock(), nextHint ?? .infinity),
            since: work.events)
        return true
    }

    private mutating func openSession() throws {
        let openedAt = board.clock()
        let session = try queue.openSession(
            name: options.name, ttlSeconds: options.ttlSeconds, slots: options.slots, kinds: kinds,
            offers: options.offers, duties: duties)
        board.begin(session, openedAt: openedAt)
        // The energy of this machine is not allocated from now on without what this process will report.
        writeEnergy()
    }

    /// Releases the jobs that were prefetched at least `seconds` ago and that no slot has started.
    private mutating func takeBack(_ seconds: Double, _ work: WorkerBoard.Work) {
        guard work.inbox > 0 else { return }
        let reason =
            seconds == 0 ? JobInterruption.draining.description : "no slot was free to begin it"
        for held in board.takeUnbegun(forSeconds: seconds) {
            budget.free(held.lease)
            size = 1
            writing.append(
                Finished(
                    held: held,
                    ending: Ending(held.lease, .unbegun(reason: reason))))
        }
    }

    /// Writes the outcomes of finished attempts and claims jobs, each of them only if it is due;
    /// returns true if a claim found no job.
    mutating func exchange(
        _ session: Session, _ work: inout WorkerBoard.Work, _ now: Double
    ) throws -> Bool {
        let waits = work.isStarving
        let isDue = work.doneSince.map { waits || work.isDraining || now - $0 >= Self.endSeconds }
        let ends = isDue == true || !writing.isEmpty
        let polls = now >= nextPoll || work.hints != seenHints
        // If several jobs are prefetched per slot, the transaction that writes outcomes also claims
        // jobs, before a slot has to wait for a job.
        let claims =
            !work.isDraining
            && (waits ? ends || polls : ends && polls && size > 1 && wanted(work, now) > 0)
        guard ends || claims else { return false }
        seenHints = work.hints
        collect()
        let claimed = try round(session, claims ? room(work, now) : nil)
        let events = work.events
        work = board.work
        // `work.events` keeps the number that was read before the exchange: if an event came during
        // the exchange, the next pause ends at once.
        work.events = events
        if claimed > 0 {
            idleSeconds = options.firstPollSeconds
            nextPoll = board.clock()
            return false
        }
        guard claims else { return false }
        nextPoll = board.clock() + idleSeconds
        // A worker with `untilIdle` polls often; the others rely on hints.
        let longest =
            options.untilIdle
            ? min(0.1, options.pollSeconds) : options.pollSeconds * (work.isListening ? 2 : 1)
        idleSeconds = min(longest, idleSeconds * 1.5)
        return true
    }

    /// Returns the resources for the next claim; nil if no job may be claimed now.
    private mutating func room(_ work: WorkerBoard.Work, _ now: Double) throws
        -> HostBudget.Room?
    {
        for held in board.view.held where held.lease.crashes > 0 && held.signal.hasCheckpoint {
            budget.endQuarantine(held.lease)
        }
        if budget.isBusy, now - lookedForQuarantine > Self.quarantineSeconds {
            lookedForQuarantine = now
            let isWaiting = try queue.hasQuarantined(
                run: options.runID, kinds: kinds, offers: options.offers)
            if isWaiting { budget.clear() }
        }
        return budget.room(kinds: kinds, limit: max(0, wanted(work, now)))
    }

    /// Returns how many more jobs to claim: `size` for each slot that counts, less the prefetched
    /// jobs. Idle slots count; with prefetching, slots that started their job recently count too.
    private func wanted(_ work: WorkerBoard.Work, _ now: Double) -> Int {
        let slots =
            size > 1
            ? work.quickSlots(now: now, within: 2 * Self.secondsInHand)
            : work.slots.count { $0 == .waiting }
        return slots * size - work.inbox
    }

    private func isAnythingLeft() throws -> Bool {
        try queue.hasJobsInSight(
            run: options.runID, kinds: kinds, threads: budget.threads, memoryMB: budget.memoryMB,
            offers: options.offers)
    }

    private mutating func lookForOrphans(_ session: Session, _ now: Double) throws {
        guard now >= nextOrphans else { return }
        let orphans = try queue.orphans(session, known: board.view.held.map(\.lease))
        if !orphans.isEmpty { _ = try queue.end(orphans, session: session.uuid) }
        nextOrphans =
            now + (now < orphansUntil ? Self.orphanSeconds.cutOff : Self.orphanSeconds.usual)
    }

    /// Returns the pause until the next scheduled work, in seconds; an event ends the pause early.
    private func pauseSeconds(_ work: WorkerBoard.Work) -> Double {
        let now = board.clock()
        var until = nextOrphans
        if work.isStarving, !work.isDraining { until = min(until, nextPoll) }
        if let since = work.doneSince { until = min(until, since + Self.endSeconds) }
        if let since = work.inboxSince { until = min(until, since + Self.unbegunSeconds) }
        if !work.isDraining {
            for case .stopped(let moment) in work.slots { until = min(until, moment) }
        }
        // The pause is at most one second, because the producer must attend to its duties at least
        // every `LeaseKeeper.attentionSeconds`.
        return min(1, max(0.001, until - now))
    }
}

// Producer: the thread of a worker that talks to the queue: it ends attempts and claims jobs for all slots in one
// transaction, gives back what no slot begins, and looks after the duties that its session holds. This file: when it does
// what. What a round trip does is in Producer+Round.swift.
import Foundation
import Postgres

/// The producer of one worker; used by its thread only.
struct Producer {
    /// Several jobs are claimed for a slot only as long as they take about so long together, in seconds.
    static let secondsInHand = 0.05
    /// What is done is written down after so many seconds, though no slot waits: others may need it.
    static let endSeconds = 0.02
    /// A job in hand that no slot has begun after so many seconds goes back to the queue.
    static let unbegunSeconds = 0.5
    /// How often a busy process looks for jobs that have to run alone, in seconds.
    static let quarantineSeconds = 5.0
    /// How often leases are looked for that this process does not know of, in seconds; sooner after a claim was cut off.
    static let orphanSeconds = (usual: 60.0, cutOff: 0.5)
    /// Another hint is sent after so many seconds at the soonest.
    static let hintSeconds = 0.05

    let queue: JobQueue
    let board: WorkerBoard
    let options: WorkerOptions
    let registry: [String: any JobHandler]
    let observer: (any AttemptObserver)?
    let budget: HostBudget
    let kinds: [String]

    /// What is done and not written down yet.
    var writing: [Finished] = []
    /// How many jobs a slot is given at once.
    var size = 1
    /// Seconds that a job takes, lately.
    var secondsEach = 0.0
    /// A claim may have taken place whose answer was lost.
    var isClaimUnknown = false

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

    /// The names of the duties it may hold.
    var duties: [String] { maintenance.names }

    /// Works until the worker is asked to go and has, or nothing is left where the options say so.
    ///
    /// `restart` starts the thread of a slot again.
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

    /// Reconnects, and gives back what a claim may have leased whose answer was lost.
    private mutating func comeBack() throws {
        try queue.connection.reconnect()
        guard isClaimUnknown, let session = board.view.session else { return }
        try queue.releaseOrphans(session, known: board.view.held.map(\.lease))
        // The server may not even have begun with it: those that come later are looked for.
        orphansUntil = board.clock() + options.cutOffSeconds
        nextOrphans = board.clock() + Self.orphanSeconds.cutOff
        isClaimUnknown = false
    }

    /// Does what is due and waits for more; false when it is time to go.
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

    private func openSession() throws {
        let openedAt = board.clock()
        let session = try queue.openSession(
            name: options.name, ttlSeconds: options.ttlSeconds, slots: options.slots, kinds: kinds,
            offers: options.offers, duties: duties)
        board.begin(session, openedAt: openedAt)
    }

    /// Gives back the jobs in hand that no slot has begun for so long.
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

    /// Ends and claims when it is time to; true when there was nothing to be had.
    mutating func exchange(
        _ session: Session, _ work: inout WorkerBoard.Work, _ now: Double
    ) throws -> Bool {
        let waits = work.isStarving
        let isDue = work.doneSince.map { waits || work.isDraining || now - $0 >= Self.endSeconds }
        let ends = isDue == true || !writing.isEmpty
        let polls = now >= nextPoll || work.hints != seenHints
        // Short jobs are claimed with the ends of others, before the slots run out of them.
        let claims =
            !work.isDraining
            && (waits ? ends || polls : ends && polls && size > 1 && wanted(work, now) > 0)
        guard ends || claims else { return false }
        seenHints = work.hints
        collect()
        let claimed = try round(session, claims ? room(work, now) : nil)
        let events = work.events
        work = board.work
        // What happened meanwhile is looked at before the next pause.
        work.events = events
        if claimed > 0 {
            idleSeconds = options.firstPollSeconds
            nextPoll = board.clock()
            return false
        }
        guard claims else { return false }
        nextPoll = board.clock() + idleSeconds
        // A worker that goes when nothing is left wants to know soon; others live by hints.
        let longest =
            options.untilIdle
            ? min(0.1, options.pollSeconds) : options.pollSeconds * (work.isListening ? 2 : 1)
        idleSeconds = min(longest, idleSeconds * 1.5)
        return true
    }

    /// What the next claim may take; nil for nothing.
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

    /// How many jobs more the slots are to have in hand: short ones every slot that will soon be free, long ones only
    /// those that are.
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

    /// How long there is nothing to do unless something happens.
    private func pauseSeconds(_ work: WorkerBoard.Work) -> Double {
        let now = board.clock()
        var until = nextOrphans
        if work.isStarving, !work.isDraining { until = min(until, nextPoll) }
        if let since = work.doneSince { until = min(until, since + Self.endSeconds) }
        if let since = work.inboxSince { until = min(until, since + Self.unbegunSeconds) }
        if !work.isDraining {
            for case .stopped(let moment) in work.slots { until = min(until, moment) }
        }
        // It comes by every second, though there is nothing to do: see LeaseKeeper.
        return min(1, max(0.001, until - now))
    }
}

// LeaseKeeper: the heartbeat thread of a worker, with its own connection. It sends heartbeats,
// interrupts the jobs that must stop, receives hints of available jobs, and writes progress and log
// lines. Its timeouts are short, so that heartbeats are not late.
import Foundation
import Postgres

/// Keeps the leases of one worker alive until the worker stops.
struct LeaseKeeper: Sendable {
    /// The channel of notifications that jobs became available (hints).
    static let channel = "ofa_jobs"
    /// If the producer (the claiming thread) has not attended to the session's duties for this many
    /// seconds, heartbeats do not renew the duties, so that another worker gets the duties.
    private static let attentionSeconds = 3.0
    /// The time between two comparisons of runs with their budgets, in seconds.
    private static let budgetSeconds = 2.0

    let databaseURL: String
    let options: WorkerOptions
    let board: WorkerBoard
    let duties: [String]
    let observer: (any AttemptObserver)?

    private var tickSeconds: Double { min(0.5, options.ttlSeconds / 6) }
    /// The time between two heartbeats: a third of the lease duration, but at most 10/3 seconds. A
    /// dead worker keeps its duties for 1.5 times this time, so for at most 5 seconds.
    private var beatSeconds: Double { min(options.ttlSeconds, 10) / 3 }
    private var dutySeconds: Double { 1.5 * beatSeconds }
    /// The time between two reports of energy: the lease duration, but at most 10 s. A worker that is killed loses what it
    /// metered since the last report.
    private var energySeconds: Double { min(options.ttlSeconds, 10) }

    /// Runs until the worker stops. The keeper thread calls this.
    func run() {
        var connection: Connection?
        var losses = 0
        var state = State()
        while !board.view.isStopped {
            do {
                let live: Connection
                if let connection {
                    live = connection
                } else {
                    live = try connect()
                    connection = live
                    // Hints that were sent before LISTEN were missed, so there may be available
                    // jobs.
                    board.hint()
                }
                let queue = JobQueue(
                    live,
                    policy: ReconnectPolicy(limitSeconds: 0, maxConflicts: 0, maxCancellations: 2))
                try tick(queue, &state)
                if board.isBack(for: "keeper") {
                    options.report("\(options.name): the database is back")
                }
                losses = 0
                try wait(live)
            } catch let error as PostgresError where error.isConnectionLoss || error.isReadOnly {
                // If this server is read-only, the next connection may reach a writable server.
                connection?.close()
                connection = nil
                losses += 1
                if board.isAway(for: "keeper") {
                    options.report(Trouble.wait(options.name, error))
                }
                board.pauseKeeper(
                    seconds: min(1, options.reconnectPolicy.delaySeconds(attempt: losses)))
            } catch {
                options.report("\(options.name), lease keeper: \(error)")
                board.pauseKeeper(seconds: tickSeconds)
            }
        }
    }

    /// When notes and energy were last written and budgets last compared, and the session of the last heartbeat.
    private struct State {
        var lastNotes = -Double.infinity, lastEnergy = -Double.infinity
        var lastBudgets = -Double.infinity
        /// Why budgets are not compared.
        var budgetTrouble = ToldOnce()
        var session: Int64 = 0
    }

    private func connect() throws -> Connection {
        var limits = options.limits
        // The timeouts are so short that, when the server has vanished, a heartbeat over another
        // connection still arrives before the leases expire.
        limits.statementTimeoutSeconds = max(0.5, options.ttlSeconds / 6)
        limits.connectTimeoutSeconds = 2
        limits.answerMarginSeconds = max(0.5, options.ttlSeconds / 12)
        // While the keeper waits for a lock, it sends no heartbeats. So it waits only briefly for a
        // lock, and tries again after the next pause (`wait`).
        limits.lockTimeoutSeconds = options.ttlSeconds / 24
        let connection = try Connection(
            url: databaseURL, applicationName: "ofa \(options.name) keeper", limits: limits)
        if !connection.isPooled { try connection.listen(Self.channel) }
        board.listens(!connection.isPooled)
        return connection
    }

    /// Waits for a hint, for at most `tickSeconds` and at most until the next heartbeat is due.
    private func wait(_ connection: Connection) throws {
        let sinceBeat = board.clock() - board.view.lastBeat
        let seconds = min(tickSeconds, max(0.01, beatSeconds - sinceBeat))
        let hints = try connection.waitForNotification(timeoutSeconds: seconds, wokenBy: board.wake)
        if !hints.isEmpty { board.hint() }
    }

    private func tick(_ queue: JobQueue, _ state: inout State) throws {
        let view = board.view
        let now = board.clock()
        // The first heartbeat of a session is sent at once, because it also bids for the duties.
        if let session = view.session,
            now - view.lastBeat >= beatSeconds || state.session != session.id
        {
            try beat(queue, session, view, sentAt: now, isFirst: state.session != session.id)
            state.session = session.id
        }
        guard now - state.lastNotes >= tickSeconds else { return }
        state.lastNotes = now
        for held in view.held {
            do { try Self.writeNotes(queue, held.lease, held.signal) } catch let error
                as PostgresError where error.isRetryable
            {}
        }
        if now - state.lastEnergy >= energySeconds {
            state.lastEnergy = now
            queue.reportIfPossible(observer, options)
        }
        if now - state.lastBudgets >= Self.budgetSeconds {
            state.lastBudgets = now
            do {
                try Self.holdByBudgets(queue, view.held)
                if state.budgetTrouble.isOver() {
                    options.report("\(options.name): budgets are compared again")
                }
            } catch let error as PostgresError where error.isRetryable {
            } catch let error as PostgresError where !error.isConnectionLoss && !error.isReadOnly {
                if state.budgetTrouble.isNew("\(error)") {
                    options.report("\(options.name): budgets are not compared: \(error)")
                }
            }
        }
    }

    /// Asks the jobs whose runs a budget holds to stop at a checkpoint.
    private static func holdByBudgets(_ queue: JobQueue, _ held: [WorkerBoard.Held]) throws {
        let reasons = try queue.checkBudgets(held.map(\.lease))
        for one in held {
            if let reason = reasons[one.lease.token] { one.signal.hold(reason) }
        }
    }

    private func beat(
        _ queue: JobQueue, _ session: Session, _ view: WorkerBoard.View, sentAt: Double,
        isFirst: Bool
    ) throws {
        // While the producer hangs in a duty, the duties of the session are not renewed.
        let attends = sentAt - view.attended < Self.attentionSeconds
        let beat = try queue.beat(
            session, holding: view.held.map(\.lease), workingSlots: view.workingSlots,
            duties: attends ? board.biddable(duties) : [], dutySeconds: dutySeconds)
        guard let beat else {
            board.sessionIsOver(session)
            return
        }
        board.hold(duties: beat.duties, until: sentAt + dutySeconds)
        let late = board.beaten(session, sentAt: sentAt, dueSeconds: beatSeconds)
        if late > options.ttlSeconds / 6, !isFirst {
            options.report(
                "\(options.name): a heartbeat was \(Int(late * 1000)) ms late: the machine or the way to the "
                    + "database is overloaded; jobs stop before their leases of \(Int(options.ttlSeconds)) s end"
            )
        }
        for one in view.held {
            // If the response lacks the token of a lease, the lease is over, although the session
            // is alive.
            let (token, signal) = (one.lease.token, one.signal)
            if !beat.held.contains(token) { signal.interrupt(.fenced) }
            if beat.cancelled.contains(token) { signal.interrupt(.cancelled) }
            // The server counts timeouts from the claim. A job that was prefetched starts later;
            // its timeout counts from its start in a slot.
            if beat.overdue.contains(token), signal.hasRun(one.lease.timeoutSeconds) {
                signal.interrupt(.timedOut)
            }
            if beat.stalled.contains(token), signal.hasRun(one.lease.stallSeconds) {
                signal.interrupt(.stalled)
            }
        }
    }

    /// Writes new progress, log lines and metrics of a job, in one transaction: if it fails, `signal`
    /// keeps all of them for the next call, and none is written twice.
    static func writeNotes(_ queue: JobQueue, _ lease: Lease, _ signal: AttemptSignal) throws {
        let notes = signal.takeNotes()
        do {
            _ = try queue.connection.pipeline(JobQueue.notes(of: lease, notes))
        } catch {
            signal.putBack(notes)
            throw error
        }
    }
}

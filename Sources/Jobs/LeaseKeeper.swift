// LeaseKeeper: the heartbeat thread of a worker. On its own connection it sends heartbeats,
// receives interruptions and hints, and writes progress and log lines. It does nothing that could
// block for long.
import Foundation
import Postgres

/// Keeps the leases of one worker alive; runs until the board stops it.
struct LeaseKeeper: Sendable {
    /// The channel of hints that jobs became available.
    static let channel = "ofa_jobs"
    /// After this many seconds without attention from the producer, its duties go to another
    /// worker.
    private static let attentionSeconds = 3.0

    let databaseURL: String
    let options: WorkerOptions
    let board: WorkerBoard
    let duties: [String]

    private var tickSeconds: Double { min(0.5, options.ttlSeconds / 6) }
    /// Long leases get heartbeats as often as short ones, because duties are held for only a few
    /// seconds.
    private var beatSeconds: Double { min(options.ttlSeconds, 10) / 3 }
    private var dutySeconds: Double { 1.5 * beatSeconds }

    /// The thread's body.
    func run() {
        var connection: Connection?
        var losses = 0
        var state = (lastNotes: -Double.infinity, session: Int64(0))
        while !board.view.isStopped {
            do {
                let live: Connection
                if let connection {
                    live = connection
                } else {
                    live = try connect()
                    connection = live
                    // Hints sent before LISTEN were missed.
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
                // The next connection may reach a writable server.
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

    private func connect() throws -> Connection {
        var limits = options.limits
        // A vanished server is noticed early enough to send a heartbeat over another connection.
        limits.statementTimeoutSeconds = max(0.5, options.ttlSeconds / 6)
        limits.connectTimeoutSeconds = 2
        limits.answerMarginSeconds = max(0.5, options.ttlSeconds / 12)
        // It sends no heartbeats while it waits for a lock, so a lock that is not free soon is left
        // for the next time.
        limits.lockTimeoutSeconds = options.ttlSeconds / 24
        let connection = try Connection(
            url: databaseURL, applicationName: "ofa \(options.name) keeper", limits: limits)
        if !connection.isPooled { try connection.listen(Self.channel) }
        board.listens(!connection.isPooled)
        return connection
    }

    /// Waits for a hint, at most until the next heartbeat or poll is due.
    private func wait(_ connection: Connection) throws {
        let sinceBeat = board.clock() - board.view.lastBeat
        let seconds = min(tickSeconds, max(0.01, beatSeconds - sinceBeat))
        let hints = try connection.waitForNotification(timeoutSeconds: seconds, wokenBy: board.wake)
        if !hints.isEmpty { board.hint() }
    }

    private func tick(
        _ queue: JobQueue, _ state: inout (lastNotes: Double, session: Int64)
    ) throws {
        let view = board.view
        let now = board.clock()
        // The first heartbeat is sent at once: it bids for the duties.
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
    }

    private func beat(
        _ queue: JobQueue, _ session: Session, _ view: WorkerBoard.View, sentAt: Double,
        isFirst: Bool
    ) throws {
        // A producer that hangs in a duty gives its duties up.
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
                "\(options.name): a beat was \(Int(late * 1000)) ms late: the machine or the way to the "
                    + "database is overloaded; at \(Int(options.ttlSeconds / 3)) s the jobs stop")
        }
        for one in view.held {
            // Another worker holds the job, though the session lives.
            let (token, signal) = (one.lease.token, one.signal)
            if !beat.held.contains(token) { signal.interrupt(.fenced) }
            if beat.cancelled.contains(token) { signal.interrupt(.cancelled) }
            // The server counts from the claim, but a prefetched job gets its whole timeout from
            // its start.
            if beat.overdue.contains(token), signal.hasRun(one.lease.timeoutSeconds) {
                signal.interrupt(.timedOut)
            }
            if beat.stalled.contains(token), signal.hasRun(one.lease.stallSeconds) {
                signal.interrupt(.stalled)
            }
        }
    }

    /// Writes new progress and log lines of a job; on failure they stay buffered.
    static func writeNotes(_ queue: JobQueue, _ lease: Lease, _ signal: AttemptSignal) throws {
        let notes = signal.takeNotes()
        do {
            for note in JobQueue.notes(of: lease, notes) { try queue.connection.execute(note) }
        } catch {
            signal.putBack(notes)
            throw error
        }
    }
}

// LeaseKeeper: the thread beside a worker's thread. On a connection of its own it says that the
// worker lives, hears what to stop and that there is something to do, writes down progress and log
// lines, frees the jobs of workers that are gone, and keeps house.
import Foundation
import Postgres

/// Keeps the leases of one worker; runs until the board says stop.
struct LeaseKeeper: Sendable {
    /// The channel of hints that jobs became available.
    static let channel = "ofa_jobs"

    let databaseURL: String
    let options: WorkerOptions
    let board: WorkerBoard
    let observer: (any AttemptObserver)?

    private var tickSeconds: Double { min(0.5, options.ttlSeconds / 6) }
    private var beatSeconds: Double { options.ttlSeconds / 3 }

    /// The thread's body.
    func run() {
        var connection: Connection?
        var losses = 0
        var lastRound = -Double.infinity
        while !board.view.isStopped {
            do {
                let live: Connection
                if let connection {
                    live = connection
                } else {
                    live = try connect()
                    connection = live
                    // Whatever was said before it listened was not heard.
                    board.hint()
                }
                let queue = JobQueue(
                    live,
                    policy: ReconnectPolicy(limitSeconds: 0, maxConflicts: 0, maxCancellations: 2))
                try tick(queue, lastRound: &lastRound)
                if losses > 0 { options.report("\(options.name): the database is back") }
                losses = 0
                try wait(live)
            } catch let error as PostgresError where error.isConnectionLoss || error.isReadOnly {
                // The next connection may reach another server, which takes writes.
                connection?.close()
                connection = nil
                losses += 1
                if losses == 1 {
                    let what = error.isReadOnly ? "takes no writes" : "is away"
                    options.report(
                        "\(options.name): the database \(what) (\(error.message)); waiting for it")
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
        // A server that has vanished without a word is noticed early enough to beat over another connection.
        limits.statementTimeoutSeconds = max(0.5, options.ttlSeconds / 6)
        limits.connectTimeoutSeconds = 2
        limits.answerMarginSeconds = max(0.5, options.ttlSeconds / 12)
        // While it waits it does not beat: a lock that is not free soon is left for the next time.
        limits.lockTimeoutSeconds = options.ttlSeconds / 24
        let connection = try Connection(
            url: databaseURL, applicationName: "ofa \(options.name) keeper", limits: limits)
        if !connection.isPooled { try connection.listen(Self.channel) }
        return connection
    }

    /// Waits for a hint, at most until the next beat or look is due.
    private func wait(_ connection: Connection) throws {
        let sinceBeat = board.clock() - board.view.lastBeat
        let seconds = min(tickSeconds, max(0.01, beatSeconds - sinceBeat))
        let hints = try connection.waitForNotification(timeoutSeconds: seconds, wokenBy: board.wake)
        if !hints.isEmpty { board.hint() }
    }

    private func tick(_ queue: JobQueue, lastRound: inout Double) throws {
        let view = board.view
        let now = board.clock()
        if let session = view.session, now - view.lastBeat >= beatSeconds {
            try beat(queue, session, sentAt: now)
        }
        guard now - lastRound >= tickSeconds else { return }
        lastRound = now
        for held in view.held {
            do { try Self.writeNotes(queue, held.lease, held.signal) } catch let error
                as PostgresError where error.isRetryable
            {}
        }
        if let session = view.session { try releaseOrphans(queue, session) }
        // One worker's keeper in a while is enough for the others' jobs, and a beat must not wait for it.
        try queue.rescue(observer: observer, limitSeconds: options.ttlSeconds / 12)
        try queue.housekeep(keepDays: options.keepDays)
    }

    /// Gives back what a claim that was cut off leased after all, when nobody waited for it any more.
    private func releaseOrphans(_ queue: JobQueue, _ session: Session) throws {
        guard let claims = board.quietClaims else { return }
        let orphans = try queue.orphans(session, known: board.view.held.map(\.lease))
        // A claim that began meanwhile may have taken what looked like one.
        guard !orphans.isEmpty, board.quietClaims == claims else { return }
        _ = try queue.end(orphans, session: session.uuid)
        try queue.hint()
    }

    private func beat(_ queue: JobQueue, _ session: Session, sentAt: Double) throws {
        let held = board.view.held
        guard let beat = try queue.beat(session, holding: held.map(\.lease)) else {
            board.sessionIsOver(session)
            return
        }
        let late = board.beaten(session, sentAt: sentAt, dueSeconds: beatSeconds)
        if late > options.ttlSeconds / 6 {
            options.report(
                "\(options.name): a beat was \(Int(late * 1000)) ms late: the machine or the way to the "
                    + "database is overloaded; at \(Int(options.ttlSeconds / 3)) s the jobs stop")
        }
        for one in held {
            // Somebody else has it, though the session lives.
            if !beat.held.contains(one.lease.token) { one.signal.interrupt(.fenced) }
            if beat.cancelled.contains(one.lease.token) { one.signal.interrupt(.cancelled) }
            if beat.overdue.contains(one.lease.token) { one.signal.interrupt(.timedOut) }
            if beat.stalled.contains(one.lease.token) { one.signal.interrupt(.stalled) }
        }
    }

    /// Writes down what the job said since the last time; what cannot be written is kept.
    static func writeNotes(_ queue: JobQueue, _ lease: Lease, _ signal: AttemptSignal) throws {
        let notes = signal.takeNotes()
        do {
            if let progress = notes.progress {
                try queue.progress(lease, fraction: progress.fraction, message: progress.message)
            }
            try queue.log(lease, lines: notes.lines)
        } catch {
            signal.putBack(notes)
            throw error
        }
    }
}

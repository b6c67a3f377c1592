// LeaseKeeper: the thread beside a worker's thread. On a connection of its own it says that the
// worker lives, hears what to stop, writes down progress and log lines, and frees the jobs of
// workers that are gone.
import Foundation
import Postgres

/// Keeps the leases of one worker; runs until the board says stop.
struct LeaseKeeper: Sendable {
    let databaseURL: String
    let options: WorkerOptions
    let board: WorkerBoard
    let observer: (any AttemptObserver)?

    private var tickSeconds: Double { min(0.5, options.ttlSeconds / 6) }

    /// The thread's body.
    func run() {
        var connection: Connection?
        var losses = 0
        var lastRescue = 0.0
        while !board.view.isStopped {
            do {
                let live = try connection ?? connect()
                connection = live
                let queue = JobQueue(live, policy: ReconnectPolicy(limitSeconds: 0))
                try tick(queue, lastRescue: &lastRescue)
                losses = 0
                board.pause(seconds: tickSeconds)
            } catch let error as PostgresError where error.isConnectionLoss {
                connection?.close()
                connection = nil
                losses += 1
                if losses == 1 {
                    options.report("\(options.name): the database is away (\(error.message))")
                }
                board.pause(seconds: min(1, options.reconnectPolicy.delaySeconds(attempt: losses)))
            } catch {
                options.report("\(options.name), lease keeper: \(error)")
                board.pause(seconds: tickSeconds)
            }
        }
    }

    private func connect() throws -> Connection {
        try Connection(
            url: databaseURL, applicationName: "ofa \(options.name) keeper",
            statementTimeoutSeconds: max(1, options.ttlSeconds))
    }

    private func tick(_ queue: JobQueue, lastRescue: inout Double) throws {
        let view = board.view
        let now = board.clock()
        if let session = view.session, now - view.lastBeat >= options.ttlSeconds / 3 {
            try beat(queue, session, sentAt: now)
        }
        if let lease = view.lease, let signal = view.signal {
            try Self.writeNotes(queue, lease, signal)
        }
        if now - lastRescue >= tickSeconds {
            lastRescue = now
            try queue.rescue(observer: observer)
        }
    }

    private func beat(_ queue: JobQueue, _ session: Session, sentAt: Double) throws {
        guard let beat = try queue.beat(session) else {
            board.sessionIsOver(session)
            return
        }
        board.beaten(session, sentAt: sentAt)
        // Looked at anew: the worker may be at another job by now.
        let view = board.view
        guard let lease = view.lease, let signal = view.signal else { return }
        if beat.cancelled.contains(lease.token) { signal.interrupt(.cancelled) }
        if beat.overdue.contains(lease.token) { signal.interrupt(.timedOut) }
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

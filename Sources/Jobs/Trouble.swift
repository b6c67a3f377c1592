// Trouble: the error handling of a producer. While the database is unreachable, read-only or full,
// the producer waits, and reports once that it waits. Any other error is reported, with its effect
// on the slots, at most once a minute, and the producer tries again.
import Foundation
import Postgres

/// Handles the consecutive errors of one producer: waits, and reports. Only the producer's thread
/// uses this.
struct Trouble {
    /// While the errors go on, they are reported at most once in this many seconds.
    private static let againSeconds = 60.0

    private let options: WorkerOptions
    private let board: WorkerBoard
    private var since: Double?
    private var tries = 0
    private var saidAt = -Double.infinity
    /// True if the connection is lost or the server is read-only, so that the producer must
    /// reconnect.
    private(set) var isAway = false

    init(options: WorkerOptions, board: WorkerBoard) {
        self.options = options
        self.board = board
    }

    /// Returns the text that reports that the worker waits for the database.
    static func wait(_ worker: String, _ error: PostgresError) -> String {
        let what =
            if error.isReadOnly { "takes no writes" } else if error.isConnectionLoss {
                "is away"
            } else if error.isShortage { "has no room" } else { "is held up" }
        return "\(worker): the database \(what) (\(error.message)); waiting for it"
    }

    /// Waits after an error, with exponential backoff. `unwritten` is the number of finished
    /// attempts whose outcomes are not written yet. Throws the error if the errors go on for longer
    /// than the policy allows. A draining worker also throws the error if it holds no job and
    /// `unwritten` is 0, or if the drain began at least half a minute ago.
    mutating func wait(after error: any Error, unwritten: Int) throws {
        let now = board.clock(), began = since ?? now
        since = began
        let isIdle = unwritten == 0 && board.view.held.isEmpty
        if now - began > options.reconnectPolicy.limitSeconds || board.isDraining && isIdle
            || board.isPatienceOver
        {
            throw error
        }
        let seconds: Double
        if let error = error as? PostgresError, error.isPassing {
            isAway = error.isConnectionLoss || error.isReadOnly
            if board.isAway(for: "producer") { options.report(Self.wait(options.name, error)) }
            seconds = options.reconnectPolicy.delaySeconds(attempt: tries)
        } else {
            board.producerIsHeldUp(true)
            seconds = min(60, pow(2, Double(min(tries, 6))))
            if now - saidAt >= Self.againSeconds {
                saidAt = now
                let ends = unwritten == 0 ? "" : ", and \(unwritten) ends of jobs are not written"
                options.report(
                    "\(options.name): \(error)\n\(options.name): its \(options.slots) slots get no jobs\(ends);"
                        + " trying again every \(Int(seconds)) s")
            }
        }
        tries += 1
        board.pauseProducer(seconds: seconds)
    }

    /// Call this after a step that succeeded: if errors preceded the step, reports that they are
    /// over and resets this struct.
    mutating func isOver() {
        guard since != nil else { return }
        board.producerIsHeldUp(false)
        if board.isBack(for: "producer") { options.report("\(options.name): the database is back") }
        if saidAt > -.infinity { options.report("\(options.name): its slots get jobs again") }
        (since, tries, saidAt, isAway) = (nil, 0, -.infinity, false)
    }
}

/// Decides whether a trouble is told: once, until another one comes or it is over.
struct ToldOnce {
    private var told: String?

    /// Returns whether the trouble `text` differs from the last one.
    mutating func isNew(_ text: String) -> Bool {
        defer { told = text }
        return told != text
    }

    /// Call this after a success: returns whether there was a trouble.
    mutating func isOver() -> Bool {
        defer { told = nil }
        return told != nil
    }
}

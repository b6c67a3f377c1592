// Trouble: the error handling of a producer. An unreachable, read-only or full database is waited
// for and reported once; any other error is reported at once with its effect on the slots, and
// retried.
import Foundation
import Postgres

/// The current trouble of one producer; used by its thread only.
struct Trouble {
    /// The same error is reported again after this many seconds.
    private static let againSeconds = 60.0

    private let options: WorkerOptions
    private let board: WorkerBoard
    private var since: Double?
    private var tries = 0
    private var saidAt = -Double.infinity
    /// The connection is lost, or the server is read-only.
    private(set) var isAway = false

    init(options: WorkerOptions, board: WorkerBoard) {
        self.options = options
        self.board = board
    }

    /// The report about a database that is waited for.
    static func wait(_ worker: String, _ error: PostgresError) -> String {
        let what =
            if error.isReadOnly { "takes no writes" } else if error.isConnectionLoss {
                "is away"
            } else if error.isShortage { "has no room" } else { "is held up" }
        return "\(worker): the database \(what) (\(error.message)); waiting for it"
    }

    /// Waits after an error, with exponential backoff. Throws the error if that lasts longer than
    /// the policy allows, or if the worker is draining and has nothing to write or has waited for
    /// half a minute.
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

    /// Clears the trouble.
    mutating func isOver() {
        guard since != nil else { return }
        board.producerIsHeldUp(false)
        if board.isBack(for: "producer") { options.report("\(options.name): the database is back") }
        if saidAt > -.infinity { options.report("\(options.name): its slots get jobs again") }
        (since, tries, saidAt, isAway) = (nil, 0, -.infinity, false)
    }
}

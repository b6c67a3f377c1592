// Trouble: what keeps a producer from the queue. A database that is away, takes no writes or has no room is waited for,
// and said once; any other error is said at once, with what it does to the slots, and tried again.
import Foundation
import Postgres

/// The present trouble of one producer; used by its thread only.
struct Trouble {
    /// The same is said again after so many seconds.
    private static let againSeconds = 60.0

    private let options: WorkerOptions
    private let board: WorkerBoard
    private var since: Double?
    private var tries = 0
    private var saidAt = -Double.infinity
    /// The connection is lost, or leads to a server that takes no writes.
    private(set) var isAway = false

    init(options: WorkerOptions, board: WorkerBoard) {
        self.options = options
        self.board = board
    }

    /// What is said of a database that is waited for.
    static func wait(_ worker: String, _ error: PostgresError) -> String {
        let what =
            if error.isReadOnly { "takes no writes" } else if error.isConnectionLoss {
                "is away"
            } else if error.isShortage { "has no room" } else { "is held up" }
        return "\(worker): the database \(what) (\(error.message)); waiting for it"
    }

    /// Waits a while after an error, longer every time; throws it when that has lasted longer than the policy allows, or
    /// the worker is to go and has nothing to write, or was asked to half a minute ago.
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

    /// Notes that all is well.
    mutating func isOver() {
        guard since != nil else { return }
        board.producerIsHeldUp(false)
        if board.isBack(for: "producer") { options.report("\(options.name): the database is back") }
        if saidAt > -.infinity { options.report("\(options.name): its slots get jobs again") }
        (since, tries, saidAt, isAway) = (nil, 0, -.infinity, false)
    }
}

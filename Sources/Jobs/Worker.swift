// Worker: claims jobs and runs their handlers, one at a time, on a thread of its own. It survives a
// database that goes away and comes back; what it did in the meantime is written when the database
// still grants it. Short jobs are claimed and ended several in one round trip.
import Foundation
import Postgres
import Synchronization

/// A worker of one process; run several for several jobs at once.
public final class Worker: Sendable {
    /// The stack of the thread that runs handlers, in bytes.
    private static let stackBytes = 64 << 20

    private let databaseURL: String
    private let registry: [String: any JobHandler]
    private let options: WorkerOptions
    private let observer: (any AttemptObserver)?
    private let board: WorkerBoard

    /// Makes a worker; `registry` maps kinds to handlers.
    public init(
        databaseURL: String, registry: [String: any JobHandler],
        options: WorkerOptions = WorkerOptions(),
        observer: (any AttemptObserver)? = nil
    ) throws {
        self.databaseURL = databaseURL
        self.registry = registry
        self.options = options
        self.observer = observer
        board = try WorkerBoard()
    }

    /// Works until it is asked to go, or has nothing left to do where the options say so.
    ///
    /// Throws when the database cannot be reached at the start, or stays away longer than the
    /// policy allows.
    public func run() throws {
        let worker = JoinableThread(name: options.name, stackBytes: Self.stackBytes) { [self] in
            try work()
        }
        try worker.join()
    }

    /// Asks the worker to go: it takes no new job and ends the present one, which may save a
    /// checkpoint and give itself back. May be called from any thread.
    public func requestDrain() { board.drain() }

    /// How much later than a third of the lease a beat was sent at most, in seconds; it should stay
    /// below a sixth.
    public var latestBeatSeconds: Double { board.latestSeconds }

    // MARK: The worker's thread

    private func work() throws {
        let connection = try Connection(
            url: databaseURL, applicationName: "ofa \(options.name)", limits: options.limits)
        let queue = JobQueue(connection, policy: options.reconnectPolicy)
        try openSession(queue)
        let keeper = LeaseKeeper(
            databaseURL: databaseURL, options: options, board: board, observer: observer)
        let thread = JoinableThread(name: "\(options.name) keeper", stackBytes: 1 << 20) {
            keeper.run()
        }
        let outcome = Result {
            var round = WorkerRound(
                queue: queue, board: board, options: options, registry: registry,
                observer: observer)
            try loop(queue, &round)
        }
        board.stop()
        try thread.join()
        try outcome.get()
        if let session = board.view.session { try queue.close(session) }
    }

    private func openSession(_ queue: JobQueue) throws {
        let openedAt = board.clock()
        let session = try queue.openSession(name: options.name, ttlSeconds: options.ttlSeconds)
        board.begin(session, openedAt: openedAt)
    }

    private func loop(_ queue: JobQueue, _ round: inout WorkerRound) throws {
        let kinds = (options.kinds ?? Array(registry.keys)).filter { registry[$0] != nil }.sorted()
        var idleSeconds = options.firstPollSeconds
        while !board.isDraining || round.hasEndings {
            if board.isSessionOver { try openSession(queue) }
            guard let session = board.view.session else { return }
            let hints = board.hints
            if try round.endAndClaim(session, board.isDraining ? [] : kinds) {
                idleSeconds = options.firstPollSeconds
                try round.workOff()
                continue
            }
            if board.isDraining { return }
            if options.untilIdle {
                let isLeft = try queue.hasJobsInSight(
                    run: options.runID, kinds: kinds, threads: options.budget?.threads,
                    memoryMB: options.budget?.memoryMB)
                if !isLeft { return }
            }
            board.pause(seconds: idleSeconds, since: hints)
            // A worker that goes when nothing is left wants to know soon; others live by hints.
            let longest = options.untilIdle ? min(0.1, options.pollSeconds) : options.pollSeconds
            idleSeconds = min(longest, idleSeconds * 1.5)
        }
    }
}

/// A thread that can be waited for, with a stack as large as wanted.
final class JoinableThread: Sendable {
    private let outcome = Mutex<Result<Void, any Error>?>(nil)
    private let ended = DispatchSemaphore(value: 0)

    /// Starts the thread.
    init(name: String, stackBytes: Int, _ body: @escaping @Sendable () throws -> Void) {
        let thread = Thread { [self] in
            let result = Result { try body() }
            outcome.withLock { $0 = result }
            ended.signal()
        }
        thread.name = name
        thread.stackSize = stackBytes
        thread.start()
    }

    /// Waits for its end and throws what it threw.
    func join() throws {
        ended.wait()
        try outcome.withLock { $0 }?.get()
    }
}

// Worker: claims jobs and runs their handlers, one at a time, on a thread of its own. It survives a
// database that goes away and comes back; what it did in the meantime is written when the database
// still grants it.
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
    private let board = WorkerBoard()

    /// Makes a worker; `registry` maps kinds to handlers.
    public init(
        databaseURL: String, registry: [String: any JobHandler],
        options: WorkerOptions = WorkerOptions(),
        observer: (any AttemptObserver)? = nil
    ) {
        self.databaseURL = databaseURL
        self.registry = registry
        self.options = options
        self.observer = observer
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

    // MARK: The worker's thread

    private func work() throws {
        let connection = try Connection(url: databaseURL, applicationName: "ofa \(options.name)")
        let queue = JobQueue(connection, policy: options.reconnectPolicy)
        try openSession(queue)
        let keeper = LeaseKeeper(
            databaseURL: databaseURL, options: options, board: board, observer: observer)
        let thread = JoinableThread(name: "\(options.name) keeper", stackBytes: 1 << 20) {
            keeper.run()
        }
        let outcome = Result { try loop(queue) }
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

    private func loop(_ queue: JobQueue) throws {
        let kinds = (options.kinds ?? Array(registry.keys)).filter { registry[$0] != nil }.sorted()
        var idleSeconds = 0.05
        while !board.isDraining {
            if board.isSessionOver { try openSession(queue) }
            guard let session = board.view.session else { return }
            if let lease = try claim(queue, session, kinds) {
                idleSeconds = 0.05
                try attempt(lease, queue)
            } else {
                if options.untilIdle, try queue.jobsInSight(run: options.runID, kinds: kinds) == 0 {
                    return
                }
                board.pause(seconds: idleSeconds)
                idleSeconds = min(0.5, idleSeconds * 1.5)
            }
        }
    }

    private func claim(_ queue: JobQueue, _ session: Session, _ kinds: [String]) throws -> Lease? {
        var mayHaveOrphans = false
        let isDraining = { self.board.isDraining }
        let policy = options.reconnectPolicy
        return try queue.connection.withReconnect(policy, giveUp: isDraining) { _ in
            if mayHaveOrphans { try queue.releaseOrphans(session) }
            mayHaveOrphans = true
            return try queue.claim(session, kinds: kinds, run: options.runID).first
        }
    }

    private func attempt(_ lease: Lease, _ queue: JobQueue) throws {
        let signal = board.begin(lease, ttlSeconds: options.ttlSeconds)
        defer { board.endLease() }
        let context = JobContext(
            lease: lease, connection: queue.connection, threads: options.threads, signal: signal,
            queue: JobQueue(queue.connection, policy: options.reconnectPolicy))
        let outcome = Result<JobOutput, any Error> {
            guard let handler = registry[lease.kind] else {
                throw JobsError(.notFound, "no handler for jobs of kind \(lease.kind)")
            }
            try observer?.start(lease)
            return try handler.run(context)
        }
        do {
            try queue.connection.withReconnect(options.reconnectPolicy) { _ in
                try LeaseKeeper.writeNotes(queue, lease, signal)
            }
        } catch let error as PostgresError where !error.isConnectionLoss {
            // The job's outcome matters more than what it said on the way.
            options.report(
                "\(options.name): the log of job \(lease.jobID) was not written: \(error)")
        }
        let answer = try end(lease, outcome, signal, queue)
        if answer == .fenced {
            options.report(
                "\(options.name): job \(lease.jobID) was taken over; nothing of this attempt is kept"
            )
        }
    }

    /// Writes how the attempt ended.
    private func end(
        _ lease: Lease, _ outcome: Result<JobOutput, any Error>, _ signal: AttemptSignal,
        _ queue: JobQueue
    ) throws -> CompletionAnswer {
        func observed(_ outcome: AttemptOutcome) -> (Connection) throws -> Void {
            { [observer] in try observer?.end(lease, outcome: outcome, connection: $0) }
        }
        do {
            let output = try outcome.get()
            return try queue.complete(lease, result: output.result, fanOut: output.fanOut) {
                connection in
                try output.inTransaction?(connection)
                try observed(.completed)(connection)
            }
        } catch {
            // A handler that stops on demand may throw anything; the demand decides what it means.
            let interruption = (error as? JobInterruption) ?? signal.interruption
            switch interruption {
            case .cancelled:
                return try queue.finishCancelled(lease, inTransaction: observed(.cancelled))
            case .draining:
                return try queue.release(
                    lease, reason: JobInterruption.draining.description,
                    inTransaction: observed(.released))
            case .fenced:
                return try queue.release(
                    lease, reason: JobInterruption.fenced.description,
                    inTransaction: observed(.released))
            case .timedOut:
                return try queue.fail(
                    lease, error: JobInterruption.timedOut.description,
                    inTransaction: observed(.failed))
            case nil:
                return try fail(lease, error, queue, observed)
            }
        }
    }

    private func fail(
        _ lease: Lease, _ error: any Error, _ queue: JobQueue,
        _ observed: (AttemptOutcome) -> (Connection) throws -> Void
    ) throws -> CompletionAnswer {
        if let lost = error as? PostgresError, lost.isConnectionLoss {
            // The database went away under the handler: not its fault, but not for ever either.
            return try queue.release(
                lease, reason: lost.message, crashed: true, inTransaction: observed(.released))
        }
        return try queue.fail(
            lease, error: "\(error)", retry: !(error is any PermanentError),
            inTransaction: observed(.failed))
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

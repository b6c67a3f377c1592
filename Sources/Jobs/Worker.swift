// Worker: claims jobs and runs their handlers. A worker has one session, a lease keeper thread that
// sends heartbeats, a producer thread that claims and ends jobs for all slots, and the slots, which
// are threads that run handlers. A worker survives outages of the database: the outcomes of
// attempts are written after the outage, if the leases are still valid then.
import Foundation
import Postgres
import Synchronization

/// A worker. It uses two connections, one more for each slot that needs a connection, and one
/// for each periodic duty while the duty runs.
public final class Worker: Sendable {
    private let databaseURL: String
    private let registry: [String: any JobHandler]
    private let options: WorkerOptions
    private let observer: (any AttemptObserver)?
    let board: WorkerBoard

    /// `registry` maps kinds of jobs to their handlers. `observer` meters attempts.
    public init(
        databaseURL: String, registry: [String: any JobHandler],
        options: WorkerOptions = WorkerOptions(),
        observer: (any AttemptObserver)? = nil
    ) throws {
        self.databaseURL = databaseURL
        self.registry = registry
        self.options = options
        self.observer = observer
        board = try WorkerBoard(slots: options.slots)
    }

    /// Runs until the worker has drained, or, with `untilIdle`, until no work is left.
    ///
    /// Throws if the database is unreachable at the start, or for longer than `reconnectPolicy`
    /// allows.
    public func run() throws {
        let producer = JoinableThread(name: options.name, stackBytes: 8 << 20) { [self] in
            try work()
        }
        try producer.join()
    }

    /// Drains the worker: it claims no more jobs; running jobs finish, or save a checkpoint and are
    /// released. This may be called from any thread.
    public func requestDrain() { board.drain() }

    /// The largest delay of a heartbeat so far, in seconds. It should stay below a sixth of the
    /// lease duration.
    public var latestBeatSeconds: Double { board.latestSeconds }

    // MARK: The producer's thread

    private func work() throws {
        let connection = try Connection(
            url: databaseURL, applicationName: "ofa \(options.name)", limits: options.limits)
        // The producer retries by itself after a lost connection, so this queue retries only
        // conflicts.
        let queue = JobQueue(
            connection,
            policy: ReconnectPolicy(limitSeconds: 0, maxConflicts: 5, maxCancellations: 0))
        let budget = options.budget ?? HostBudget()
        let slots = SlotThreads(count: options.slots, options: options, board: board) {
            [self] number in
            Slot(
                number: number, databaseURL: databaseURL, registry: registry, options: options,
                observer: observer, board: board, budget: budget)
        }
        var producer = Producer(
            queue: queue, board: board, options: options, registry: registry, observer: observer,
            budget: budget, databaseURL: databaseURL)
        let keeper = LeaseKeeper(
            databaseURL: databaseURL, options: options, board: board, duties: producer.duties,
            observer: observer)
        let thread = JoinableThread(name: "\(options.name) keeper", stackBytes: 1 << 20) {
            keeper.run()
        }
        for number in 0..<options.slots { slots.start(number) }
        let outcome = Result { try producer.run { slots.start($0) } }
        if case .failure = outcome { board.abandon() }
        board.stop()
        slots.join()
        try thread.join()
        try outcome.get()
        if let session = board.view.session { try close(session, queue) }
    }

    /// Closes the session. If the database is unreachable, the session is left to expire.
    private func close(_ session: Session, _ queue: JobQueue) throws {
        queue.reportIfPossible(observer, isLast: true, options)
        do { try queue.close(session) } catch let error as PostgresError where error.isPassing {
            options.report(
                "\(options.name): its session is left to expire (\(error.message))")
        }
    }
}

/// The threads of the slots. Only the thread of the producer uses this object.
final class SlotThreads {
    /// The longest pause before a stopped slot restarts, in seconds.
    private static let longestSeconds = 60.0

    private let options: WorkerOptions
    private let board: WorkerBoard
    private let make: @Sendable (Int) -> Slot
    private var threads: [JoinableThread?]
    private var starts: [(tries: Int, at: Double)]

    init(
        count: Int, options: WorkerOptions, board: WorkerBoard,
        make: @escaping @Sendable (Int) -> Slot
    ) {
        self.options = options
        self.board = board
        self.make = make
        threads = Array(repeating: nil, count: count)
        starts = Array(repeating: (0, -.infinity), count: count)
    }

    /// Starts the thread of slot `number`, for the first time or after it stopped.
    func start(_ number: Int) {
        let now = board.clock()
        if now - starts[number].at > 2 * Self.longestSeconds { starts[number].tries = 0 }
        let pause = min(Self.longestSeconds, pow(2, Double(starts[number].tries)))
        starts[number] = (min(starts[number].tries + 1, 10), now)
        board.slotStarts(number)
        let (options, board, make) = (options, board, make)
        threads[number] = JoinableThread(
            name: "\(options.name) slot \(number + 1)", stackBytes: Slot.stackBytes
        ) {
            do { try make(number).run() } catch {
                let stopped = error as? Slot.Stopped
                let job = stopped.map { "job \($0.held.lease.jobID) goes back to the queue, and " }
                options.report(
                    "\(options.name): slot \(number + 1) of \(options.slots) stopped: "
                        + "\(stopped?.cause ?? error); \(job ?? "")it starts again in \(Int(pause)) s"
                )
                let back = stopped.map { stopped in
                    Finished(
                        held: stopped.held,
                        ending: Ending(
                            stopped.held.lease,
                            .released(
                                reason: "the slot stopped: \(stopped.cause)", crashed: true)))
                }
                board.slotStopped(number, until: board.clock() + pause, giving: back)
            }
        }
    }

    /// Waits until all threads have ended.
    func join() {
        for thread in threads { thread?.wait() }
    }
}

/// A joinable thread with a chosen stack size.
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

    /// Whether the thread has ended.
    var isOver: Bool { outcome.withLock { $0 != nil } }

    /// Waits until the thread has ended.
    func wait() {
        ended.wait()
        ended.signal()
    }

    /// Waits until the thread has ended, and throws the error that `body` threw.
    func join() throws {
        wait()
        try outcome.withLock { $0 }?.get()
    }
}

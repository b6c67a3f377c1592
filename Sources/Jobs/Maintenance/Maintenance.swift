// Maintenance: runs the duties that a worker's session holds, each on a schedule of its own. If a
// duty fails, it is retried with backoff, its failure is reported at most once a minute, and other
// duties are not affected.
import Foundation
import Postgres
import Schema
import Synchronization

/// The duties of one worker. Only the thread of its producer uses this.
struct Maintenance {
    /// The longest time between two checks whether a periodic duty is due, in seconds.
    private static let checkSeconds = 60.0
    /// The next failure of a duty is reported after this many seconds at the earliest.
    private static let againSeconds = 60.0

    /// The state of one duty.
    private struct Record {
        let duty: Duty
        var failures = 0
        var nextAt = -Double.infinity
        var saidAt = -Double.infinity
        /// The thread that runs the duty; nil while the duty does not run on its own thread.
        var thread: JoinableThread?
    }

    private let databaseURL: String
    private let options: WorkerOptions
    private let observer: (any AttemptObserver)?
    private let clock: @Sendable () -> Double
    /// Withdraws the worker's bid for a duty.
    private let decline: @Sendable (String) -> Void
    private var records: [Record]
    private var nextLook = -Double.infinity
    private let stop = StopFlag()

    /// The names of the duties.
    var names: [String] { records.map(\.duty.name) }

    init(
        databaseURL: String, options: WorkerOptions, observer: (any AttemptObserver)?,
        clock: @escaping @Sendable () -> Double, decline: @escaping @Sendable (String) -> Void
    ) {
        self.decline = decline
        self.databaseURL = databaseURL
        self.options = options
        self.observer = observer
        self.clock = clock
        records = Duty.standard(options).map { Record(duty: $0) }
    }

    /// Runs the duties in `held` that are due; returns when to call `attend` again, as a time of
    /// `clock`.
    ///
    /// Throws if the connection of `queue` is lost. The failure of a duty is recorded, not thrown.
    mutating func attend(_ held: Set<String>, _ queue: JobQueue) throws -> Double {
        for place in records.indices { collect(place) }
        var next = clock() + Self.checkSeconds
        if !held.isEmpty, clock() >= nextLook { try look(held, queue) }
        if !held.isEmpty { next = min(next, nextLook) }
        for place in records.indices where held.contains(records[place].duty.name) {
            guard case .every(let seconds) = records[place].duty.occasion else { continue }
            if records[place].thread == nil, clock() >= records[place].nextAt {
                try begin(place, seconds, queue)
            }
            next = min(next, records[place].nextAt)
        }
        return next
    }

    /// Asks running duties to stop and waits for them.
    func end() {
        stop.set()
        for record in records { record.thread?.wait() }
    }

    // MARK: Duties that the statement DutyLook finds due

    /// Asks the database once which of the duties have work, and does these duties if they are in
    /// `held`.
    private mutating func look(_ held: Set<String>, _ queue: JobQueue) throws {
        nextLook = clock() + min(0.75, options.ttlSeconds / 6)
        let row: Row
        do { row = try queue.connection.queryOne(.dutyLook) } catch let error as PostgresError
            where !error.isConnectionLoss
        {
            // The failure is recorded for the first duty, `rescue`, which is the most urgent one.
            note(0, error)
            return
        }
        for place in records.indices {
            let duty = records[place].duty
            guard case .look(let column) = duty.occasion, held.contains(duty.name),
                clock() >= records[place].nextAt, try row.bool(column)
            else { continue }
            do {
                try queue.connection.under(duty.limits(options.limits)) {
                    try duty.body(work(queue))
                }
                records[place].failures = 0
            } catch let error as PostgresError where error.isConnectionLoss { throw error } catch {
                note(place, error)
            }
        }
    }

    private func work(_ queue: JobQueue) -> Duty.Work {
        Duty.Work(
            queue: queue, observer: observer, isStopping: { [stop] in stop.isSet },
            report: options.report)
    }

    // MARK: Periodic duties

    /// Starts a periodic duty on its own thread, if no worker did it within the last period.
    private mutating func begin(_ place: Int, _ seconds: Double, _ queue: JobQueue) throws {
        let duty = records[place].duty
        records[place].nextAt = clock() + min(Self.checkSeconds, seconds)
        do {
            let due = Request.dutyIsDue(name: duty.name, seconds: seconds)
            guard try queue.connection.queryOne(due).bool("due") else { return }
        } catch let error as PostgresError where !error.isConnectionLoss {
            note(place, error)
            return
        }
        let (url, limits, name) = (databaseURL, duty.limits(options.limits), options.name)
        let (observer, stop, report) = (observer, stop, options.report)
        records[place].thread = JoinableThread(
            name: "\(name) \(duty.name)", stackBytes: 8 << 20
        ) {
            let connection = try Connection(
                url: url, applicationName: "ofa \(name) \(duty.name)", limits: limits)
            defer { connection.close() }
            let queue = JobQueue(connection, policy: ReconnectPolicy(limitSeconds: 5))
            try duty.body(
                Duty.Work(
                    queue: queue, observer: observer, isStopping: { stop.isSet }, report: report))
            try connection.execute(.dutyDone(name: duty.name))
        }
    }

    /// Records the outcome of a duty that ran on its own thread.
    private mutating func collect(_ place: Int) {
        guard let thread = records[place].thread, thread.isOver else { return }
        records[place].thread = nil
        do {
            try thread.join()
            records[place].failures = 0
        } catch let error as JobsError where error.code == .notOwner {
            // Another worker gets the duty when this worker stops renewing it.
            options.report(
                "\(options.name): duty \(records[place].duty.name) is left to others: \(error)")
            decline(records[place].duty.name)
        } catch { note(place, error) }
    }

    /// Records a failure: the duty is retried with backoff.
    private mutating func note(_ place: Int, _ error: any Error) {
        let now = clock()
        records[place].failures += 1
        let pause = min(60, pow(2, Double(min(records[place].failures, 6) - 1)))
        records[place].nextAt = now + pause
        guard now - records[place].saidAt >= Self.againSeconds else { return }
        records[place].saidAt = now
        options.report(
            "\(options.name): duty \(records[place].duty.name) failed and is tried again in \(Int(pause)) s: \(error)"
        )
    }
}

/// A flag that is set once.
private final class StopFlag: Sendable {
    private let flag = Mutex(false)
    var isSet: Bool { flag.withLock { $0 } }
    func set() { flag.withLock { $0 = true } }
}

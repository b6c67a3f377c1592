// Maintenance: does the duties that a worker's session holds, each at its own time. One that fails stops no other; it is
// tried again later and later, and said once a minute.
import Foundation
import Postgres
import Schema
import Synchronization

/// The duties of one worker; used by its producer's thread.
struct Maintenance {
    /// How often a worker asks whether a duty that has a period is due, in seconds.
    private static let checkSeconds = 60.0
    /// The same failure is said again after so many seconds.
    private static let againSeconds = 60.0

    /// What is known of one duty.
    private struct Record {
        let duty: Duty
        var failures = 0
        var nextAt = -Double.infinity
        var saidAt = -Double.infinity
        /// The thread that does it, and how it ended.
        var thread: JoinableThread?
    }

    private let databaseURL: String
    private let options: WorkerOptions
    private let observer: (any AttemptObserver)?
    private let clock: @Sendable () -> Double
    /// Ends the worker's bidding for a duty.
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

    /// Does those of the duties `held` that are due; returns when to come again, by the board's clock.
    ///
    /// Throws only when the connection of `queue` is lost.
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

    /// Waits for the duties that are being done; they are asked to stop.
    func end() {
        stop.set()
        for record in records { record.thread?.wait() }
    }

    // MARK: Duties with a look

    /// Asks once which of the duties have something to do, and does those.
    private mutating func look(_ held: Set<String>, _ queue: JobQueue) throws {
        nextLook = clock() + min(0.75, options.ttlSeconds / 6)
        let row: Row
        do { row = try queue.connection.queryOne(.dutyLook) } catch let error as PostgresError
            where !error.isConnectionLoss
        {
            // Said as the first duty's, which is the one that cannot wait.
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

    // MARK: Duties with a period

    /// Begins a duty on a thread of its own when it is due.
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

    /// Takes note of how a duty ended that was done on its own thread.
    private mutating func collect(_ place: Int) {
        guard let thread = records[place].thread, thread.isOver else { return }
        records[place].thread = nil
        do {
            try thread.join()
            records[place].failures = 0
        } catch let error as JobsError where error.code == .notOwner {
            // Another worker takes it when this one renews it no longer.
            options.report(
                "\(options.name): duty \(records[place].duty.name) is left to others: \(error)")
            decline(records[place].duty.name)
        } catch { note(place, error) }
    }

    /// Notes a failure: the duty is tried again later and later.
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

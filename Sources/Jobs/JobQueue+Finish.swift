// Ends attempts: completed, failed, released, lost. All writes of a worker are fenced by job, token
// and session: a worker that lost its lease writes nothing.
import Foundation
import Intake
import Postgres
import Schema

/// The end of one attempt.
public struct Ending: Sendable, Equatable {
    /// How it ended.
    public enum Kind: Sendable, Equatable {
        /// The job is done; `result` is JSON text.
        case completed(result: String, fannedOut: Bool = false)
        /// It failed; no retry if `pauseSeconds` is nil.
        case failed(error: String, pauseSeconds: Double?)
        /// It was cancelled on request, and its job ends.
        case cancelled(reason: String)
        /// The worker releases the job; `crashed` counts as a crash.
        case released(reason: String, crashed: Bool)
        /// The worker releases the job before starting it: not counted as an attempt, nothing is
        /// charged.
        case unbegun(reason: String)
        /// A rescuer found the worker's session expired.
        case lost(reason: String)
        /// A rescuer found the attempt still running long after its timeout.
        case overdue(error: String, pauseSeconds: Double?)
    }

    /// The job.
    public let job: JobID
    /// The attempt's token.
    public let token: Int64
    /// How it ended.
    public let kind: Kind
    /// Its usage; nil if it was not metered.
    public let use: AttemptUse?

    /// `token` is the attempt's lease token.
    public init(job: JobID, token: Int64, _ kind: Kind, use: AttemptUse? = nil) {
        self.job = job
        self.token = token
        self.kind = kind
        self.use = use
    }

    /// The end of the attempt that holds `lease`.
    public init(_ lease: Lease, _ kind: Kind, use: AttemptUse? = nil) {
        self.init(job: lease.jobID, token: lease.token, kind, use: use)
    }
}

extension JobQueue {
    /// Ends attempts of one session in one round trip; returns answers in the same order.
    ///
    /// `notes` run before and `records` after them in the same transaction.
    public func end(
        _ endings: [Ending], session: String?, notes: [Request] = [], records: [Request] = []
    ) throws -> [CompletionAnswer] {
        if endings.isEmpty { return [] }
        let end = Self.request(ending: endings, session: session)
        let rows = try connection.withReconnect(policy) { connection in
            notes.isEmpty && records.isEmpty
                ? try connection.query(end)
                : try connection.pipeline(notes + [end] + records)[notes.count]
        }
        let (answers, freed) = try Self.answers(rows, count: endings.count)
        if freed > 0 { try hint() }
        return answers
    }

    /// Completes a job: result, fan-out, `inTransaction` and the release of dependants, all or
    /// nothing.
    ///
    /// `inTransaction` runs behind the fence, possibly more than once (deadlock, lost connection)
    /// but committed once; `records` run after the end. Returns `already` if this attempt was
    /// completed before, `fenced` if the lease is over. Errors: `invalidText` for a result that is
    /// not storable JSON.
    public func complete(
        _ lease: Lease, result: String, fanOut: FanOut? = nil, use: AttemptUse? = nil,
        records: [Request] = [], inTransaction: ((Connection) throws -> Void)? = nil
    ) throws -> CompletionAnswer {
        try UnstorableOutput.check(result: result)
        let ending = Ending(
            lease, .completed(result: result, fannedOut: fanOut != nil), use: use)
        let answer = try end(
            lease, ending, records: records,
            fanOut == nil && inTransaction == nil
                ? nil
                : { connection in
                    try inTransaction?(connection)
                    if let fanOut { try FanOutInsert(connection).add(fanOut, of: lease) }
                })
        if fanOut != nil, answer == .done { try hint() }
        return answer
    }

    /// Ends a failed attempt; the job waits for its next attempt, or is discarded after the last
    /// one or if `retry` is false.
    public func fail(
        _ lease: Lease, error: String, retry: Bool = true, use: AttemptUse? = nil
    ) throws -> CompletionAnswer {
        let pause = retry ? Self.pauseSeconds(lease) : nil
        return try end(
            lease, Ending(lease, .failed(error: error, pauseSeconds: pause), use: use), nil)
    }

    /// Ends an attempt that was cancelled on request, and its job.
    public func finishCancelled(
        _ lease: Lease, reason: String = "cancelled on demand", use: AttemptUse? = nil
    ) throws -> CompletionAnswer {
        try end(lease, Ending(lease, .cancelled(reason: reason), use: use), nil)
    }

    /// Releases a job as if it had not been claimed; `crashed` counts towards its crash limit.
    ///
    /// Allowed after the lease has expired too, until another worker takes the job over.
    @discardableResult
    public func release(
        _ lease: Lease, reason: String, crashed: Bool = false, use: AttemptUse? = nil
    ) throws -> CompletionAnswer {
        try end(
            lease, Ending(lease, .released(reason: reason, crashed: crashed), use: use), nil)
    }

    /// Frees the jobs of expired sessions and of attempts that do not stop after their timeout.
    /// Safe to call from any worker at any time.
    ///
    /// Returns how many jobs it freed, each in its own transaction. It stops after `limitSeconds`
    /// and skips jobs whose locks it cannot get within the connection's lock timeout; both are left
    /// for the next call.
    @discardableResult
    public func rescue(
        observer: (any AttemptObserver)? = nil, limitSeconds: Double = .infinity
    ) throws -> Int {
        let began = ContinuousClock.now
        _ = try ask(.sessionExpire)
        var freed = 0
        for row in rescueOrder(try ask(.jobsLost)) {
            if ContinuousClock.now - began >= .seconds(min(limitSeconds, 1e6)) { break }
            do {
                if try rescue(job: try row.int64("job_id"), observer: observer) { freed += 1 }
            } catch let error as PostgresError where error.isRetryable {}
        }
        if freed > 0 { try hint() }
        _ = try ask(.sessionSweep)
        return freed
    }

    private func rescue(job: JobID, observer: (any AttemptObserver)?) throws -> Bool {
        try transact { connection in
            // Check again under the lock: the worker may have completed it meanwhile.
            guard let row = try connection.query(.jobLockLost(job: job)).first else {
                return false
            }
            let lease = try Self.lease(row, sessionUUID: try row.uuid("uuid"))
            let worker = try row.text("session_name")
            let ending: Ending
            if try row.bool("lost") {
                ending = Ending(
                    lease, .lost(reason: "worker \(worker) is gone"),
                    use: try observer?.end(lease, outcome: .lost))
            } else {
                let why =
                    try row.bool("stalled")
                    ? JobInterruption.stalled.description : JobInterruption.timedOut.description
                ending = Ending(
                    lease,
                    .overdue(
                        error: "\(why), and worker \(worker) did not stop",
                        pauseSeconds: Self.pauseSeconds(lease)),
                    use: try observer?.end(lease, outcome: .failed))
            }
            let rows = try connection.query(Self.request(ending: [ending], session: nil))
            return try Self.answers(rows, count: 1).answers == [.done]
        }
    }

    // MARK: The fence

    /// Ends one attempt behind the fence, in the same transaction as `body`.
    private func end(
        _ lease: Lease, _ ending: Ending, records: [Request] = [],
        _ body: ((Connection) throws -> Void)?
    ) throws -> CompletionAnswer {
        guard let body else {
            return try end([ending], session: lease.sessionUUID, records: records)[0]
        }
        let request = Self.request(
            ending: [ending], session: lease.sessionUUID, isLocked: true)
        let outcome = EndingColumns(ending.kind).outcome
        let isRelease =
            switch ending.kind {
            case .released, .unbegun: true
            default: false
            }
        let (answers, freed) = try transact { connection in
            // The fence comes before `body`, whose writes must not survive a lost lease. If it
            // fails there is no end, even if a heartbeat has renewed the lease since.
            guard try isRelease || self.holds(lease, connection) else {
                let known = try connection.query(
                    .leaseOutcome(
                        job: lease.jobID, token: lease.token, session: lease.sessionUUID)
                ).first?.text("outcome")
                return ([known == outcome ? .already : .fenced], 0)
            }
            try body(connection)
            let ended = try Self.answers(connection.query(request), count: 1)
            if ended.answers != [.done] { throw Fenced(answers: ended.answers) }
            for record in records { _ = try connection.query(record) }
            return ended
        } catch: { (error: Fenced) in
            (error.answers, 0)
        }
        if freed > 0 { try hint() }
        return answers[0]
    }

    /// Rolls back a transaction whose lease is lost.
    private struct Fenced: Error {
        let answers: [CompletionAnswer]
    }

    private func transact<T>(
        _ body: (Connection) throws -> T, catch recover: (Fenced) -> T
    ) throws -> T {
        do { return try transact(body) } catch let error as Fenced { return recover(error) }
    }

    /// Runs `body` in a transaction that holds the lease, or returns why it cannot.
    func fenced(
        _ lease: Lease, _ body: (Connection) throws -> Void
    ) throws -> CompletionAnswer {
        try transact { connection in
            guard try self.holds(lease, connection) else { return .fenced }
            try body(connection)
            return .done
        }
    }

    /// Locks the leased job; false if the lease is over.
    func holds(_ lease: Lease, _ connection: Connection) throws -> Bool {
        try !connection.query(
            .leaseLock(job: lease.jobID, token: lease.token, session: lease.sessionUUID)
        ).isEmpty
    }

    static func pauseSeconds(_ lease: Lease) -> Double {
        var random = SystemRandomNumberGenerator()
        return lease.backoff.delaySeconds(afterAttempt: lease.attempt, using: &random)
    }

    // MARK: Statement AttemptsEnd

    /// Statement AttemptsEnd for endings; without a session they are a rescuer's.
    ///
    /// `isLocked`: this transaction already holds the leases' locks.
    static func request(
        ending endings: [Ending], session: String?, isLocked: Bool = false
    ) -> Request {
        let columns = endings.map { EndingColumns($0.kind) }
        /// The values of a column without trailing defaults.
        func said<T: Equatable>(_ values: [T], usual: T) -> [T] {
            Array(values[..<((values.lastIndex { $0 != usual } ?? -1) + 1)])
        }
        let uses = said(endings.map(\.use), usual: nil)
        func used<T>(_ value: (AttemptUse) -> T?) -> [T?] { uses.map { $0.flatMap(value) } }
        return .attemptsEnd(
            session: session, jobs: endings.map(\.job), tokens: endings.map(\.token),
            outcomes: said(columns.map(\.outcome), usual: EndingColumns.usualOutcome),
            results: columns.map(\.result), reasons: said(columns.map(\.reason), usual: nil),
            delays: said(columns.map(\.pauseSeconds), usual: nil),
            crashes: said(columns.map { $0.crashed ? 1 : 0 }, usual: 0),
            fannedOut: said(columns.map(\.fannedOut), usual: false), locked: isLocked,
            zone: uses.lazy.compactMap { $0?.zone }.first, methods: used { $0.method },
            tiers: used { $0.tier }, walls: used { $0.wallNs }, cpus: used { $0.cpuNs },
            energies: used { $0.energy?.microjoules }, energiesLow: used { $0.energy?.low },
            energiesHigh: used { $0.energy?.high })
    }

    /// The answers of statement AttemptsEnd.
    static func answers(
        _ rows: [Row], count: Int
    ) throws -> (answers: [CompletionAnswer], freed: Int) {
        guard let row = rows.first else {
            throw JobsError(.wrongState, "no answer to the end of \(count) attempts")
        }
        var answers = Array(repeating: CompletionAnswer.done, count: count)
        for place in try row.intArray("already") { answers[Int(place) - 1] = .already }
        for place in try row.intArray("fenced") { answers[Int(place) - 1] = .fenced }
        return (answers, try row.int("freed"))
    }
}

/// An ending as the columns of statement AttemptsEnd.
private struct EndingColumns {
    /// The default outcome.
    static let usualOutcome = "completed"

    var outcome: String
    var result: String?
    var reason: String?
    var pauseSeconds: Double?
    var crashed = false
    var fannedOut = false

    init(_ kind: Ending.Kind) {
        switch kind {
        case .completed(let result, let fannedOut):
            // One result that the database refuses would fail all other ends of the batch.
            do { try UnstorableOutput.check(result: result) } catch {
                outcome = "failed"
                reason = Self.kept("\(error)")
                return
            }
            outcome = Self.usualOutcome
            self.result = result
            self.fannedOut = fannedOut
        case .failed(let error, let pause):
            outcome = "failed"
            reason = Self.kept(error)
            pauseSeconds = pause
        case .cancelled(let why):
            outcome = "cancelled"
            reason = Self.kept(why)
        case .released(let why, let crashed):
            outcome = "released"
            reason = Self.kept(why)
            self.crashed = crashed
        case .unbegun(let why):
            outcome = "unbegun"
            reason = Self.kept(why)
        case .lost(let why):
            outcome = "lost"
            reason = Self.kept(why)
        case .overdue(let error, let pause):
            outcome = "overdue"
            reason = Self.kept(error)
            pauseSeconds = pause
        }
    }

    private static func kept(_ text: String) -> String {
        TextRule.kept(text, AttemptSignal.maxCharacters)
    }
}

// Ends attempts: completed, failed, cancelled, released, lost. Before an attempt ends, its job,
// token and session are compared with those of the lease, so a worker that lost its lease ends
// nothing.
import Foundation
import Intake
import Postgres
import Schema

/// The end of one attempt.
public struct Ending: Sendable, Equatable {
    /// The ways in which an attempt ends.
    public enum Kind: Sendable, Equatable {
        /// The job is done; `result` is JSON text. `fannedOut` says that the attempt added a
        /// fan-out.
        case completed(result: String, fannedOut: Bool = false)
        /// The attempt failed. The job is not retried if `pauseSeconds` is nil.
        case failed(error: String, pauseSeconds: Double?)
        /// The job was cancelled on request, and ends.
        case cancelled(reason: String)
        /// The worker releases the job; with `crashed` this counts as a crash.
        case released(reason: String, crashed: Bool)
        /// The worker releases the job before starting it: this does not count as an attempt, and
        /// nothing is charged.
        case unbegun(reason: String)
        /// Another worker found that the session of the attempt's worker is over (`rescue`).
        case lost(reason: String)
        /// Another worker found the attempt still running more than a lease duration after its
        /// timeout or stall timeout (`rescue`).
        case overdue(error: String, pauseSeconds: Double?)
    }

    /// The job.
    public let job: JobID
    /// The attempt's token.
    public let token: Int64
    /// How the attempt ended.
    public let kind: Kind
    /// The usage of the attempt; nil if it was not metered.
    public let use: AttemptUse?

    /// `token` is the attempt's lease token.
    public init(job: JobID, token: Int64, _ kind: Kind, use: AttemptUse? = nil) {
        self.job = job
        self.token = token
        self.kind = kind
        self.use = use
    }

    /// Describes the end of the attempt that holds `lease`.
    public init(_ lease: Lease, _ kind: Kind, use: AttemptUse? = nil) {
        self.init(job: lease.jobID, token: lease.token, kind, use: use)
    }
}

extension JobQueue {
    /// Ends attempts of one session in one round trip; returns the answers in the order of
    /// `endings`. `session` is the uuid of the session, or nil if the caller ends attempts of other
    /// workers (`rescue`).
    ///
    /// In the same transaction, the statements `notes` run before the attempts end, and the
    /// statements `records` run afterwards.
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

    /// Completes a job in one transaction: stores its result, adds its fan-out, runs
    /// `inTransaction`, ends the attempt, releases dependent jobs, and runs `records`.
    ///
    /// `inTransaction` is called after the lease was checked and locked. It may be called several
    /// times (after a deadlock or a lost connection), but only one call is committed. Returns
    /// `already` if this attempt was completed before, `fenced` if the lease is over. Errors:
    /// `invalidText` for a result that is not storable JSON.
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

    /// Ends an attempt as failed. The job waits for its next attempt; it is discarded if this was
    /// the last attempt or if `retry` is false.
    public func fail(
        _ lease: Lease, error: String, retry: Bool = true, use: AttemptUse? = nil
    ) throws -> CompletionAnswer {
        let pause = retry ? Self.pauseSeconds(lease) : nil
        return try end(
            lease, Ending(lease, .failed(error: error, pauseSeconds: pause), use: use), nil)
    }

    /// Ends an attempt and its job, which was cancelled on request.
    public func finishCancelled(
        _ lease: Lease, reason: String = "cancelled on demand", use: AttemptUse? = nil
    ) throws -> CompletionAnswer {
        try end(lease, Ending(lease, .cancelled(reason: reason), use: use), nil)
    }

    /// Releases a job, so that it can be claimed again. The attempt does not count as failed; if
    /// `crashed` is true, it counts as a crash.
    ///
    /// A job can be released even after the session has expired, until another worker has ended the
    /// attempt (`rescue`).
    @discardableResult
    public func release(
        _ lease: Lease, reason: String, crashed: Bool = false, use: AttemptUse? = nil
    ) throws -> CompletionAnswer {
        try end(
            lease, Ending(lease, .released(reason: reason, crashed: crashed), use: use), nil)
    }

    /// Frees the running jobs of sessions that are over, and the jobs whose timeout or stall
    /// timeout has passed but whose worker does not stop them. Any worker may call this at any
    /// time.
    ///
    /// Returns how many jobs it freed, each in its own transaction. Stops after `limitSeconds`, and
    /// skips jobs whose locks it cannot get within the lock timeout of the connection; the next
    /// call tries the remaining jobs.
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
            // The job is read again under its lock, because its worker may have ended the attempt
            // meanwhile.
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

    /// Ends one attempt in one transaction: checks and locks the lease, runs `body`, records how
    /// the attempt ended, and runs `records`.
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
            // The lease is checked and locked before `body` runs. If the lease is over now, the
            // attempt does not end, even if a later heartbeat renews the session.
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

    /// Thrown to roll back a transaction whose lease is lost.
    private struct Fenced: Error {
        let answers: [CompletionAnswer]
    }

    private func transact<T>(
        _ body: (Connection) throws -> T, catch recover: (Fenced) -> T
    ) throws -> T {
        do { return try transact(body) } catch let error as Fenced { return recover(error) }
    }

    /// Runs `body` in a transaction that has locked the lease; if the lease is over, returns
    /// `fenced` without calling `body`.
    func fenced(
        _ lease: Lease, _ body: (Connection) throws -> Void
    ) throws -> CompletionAnswer {
        try transact { connection in
            guard try self.holds(lease, connection) else { return .fenced }
            try body(connection)
            return .done
        }
    }

    /// Locks the leased job until the transaction ends; returns false if the lease is over.
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

    /// Returns statement AttemptsEnd for `endings`. `session` is nil if the caller ends attempts of
    /// other workers (`rescue`).
    ///
    /// `isLocked` says that this transaction has already locked the leases.
    static func request(
        ending endings: [Ending], session: String?, isLocked: Bool = false
    ) -> Request {
        let columns = endings.map { EndingColumns($0.kind) }
        /// Returns the values of a column without trailing default values.
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
            tiers: used { $0.tier },
            walls: used { $0.method.isEmpty ? nil : $0.wallNs }, cpus: used { $0.cpuNs },
            energies: used { $0.energy?.microjoules }, energiesLow: used { $0.energy?.low },
            energiesHigh: used { $0.energy?.high })
    }

    /// Returns the answers of statement AttemptsEnd, and how many jobs became available or
    /// scheduled.
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

/// One `Ending` as values for the columns of statement AttemptsEnd.
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
            // A result that the database refuses would make the statement fail for all attempts of
            // the batch. So this attempt ends as failed, and the others are not affected.
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

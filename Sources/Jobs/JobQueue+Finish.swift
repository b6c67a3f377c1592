// How attempts end: completed, failed, given back, lost. Everything a worker writes here is fenced
// by job, token and session: a worker that lost its lease writes nothing.
import Foundation
import Postgres
import Schema

extension JobQueue {
    /// Completes a job: result, fan-out, `inTransaction` and the release of dependants, all or
    /// nothing.
    ///
    /// `inTransaction` runs behind the fence, perhaps more than once (deadlock, lost connection),
    /// and never counts twice. Answers `already` when this attempt was completed before, `fenced`
    /// when the lease is over.
    public func complete(
        _ lease: Lease, result: String, fanOut: FanOut? = nil,
        inTransaction: (Connection) throws -> Void = { _ in }
    ) throws -> CompletionAnswer {
        try fenced(lease, answer: .completed) { connection in
            try inTransaction(connection)
            let settlement = try Settlement(connection, runID: lease.runID)
            if let fanOut { try settlement.add(fanOut, of: lease) }
            try endAttempt(lease.token, .completed, error: nil, connection)
            try settlement.finish(
                lease.jobID, state: .completed, result: result, fannedOut: fanOut != nil)
            try settlement.conclude()
        }
    }

    /// Ends an attempt that failed; the job waits for its next attempt, or is discarded after the
    /// last one or when `retry` is false.
    public func fail(
        _ lease: Lease, error: String, retry: Bool = true,
        inTransaction: (Connection) throws -> Void = { _ in }
    ) throws -> CompletionAnswer {
        let error = AttemptSignal.writable(String(error.prefix(4000)))
        var random = SystemRandomNumberGenerator()
        let delay = lease.backoff.delaySeconds(afterAttempt: lease.attempt, using: &random)
        return try fenced(lease, answer: .failed) { connection in
            try inTransaction(connection)
            let settlement = try Settlement(connection, runID: lease.runID)
            try endAttempt(lease.token, .failed, error: error, connection)
            if retry && lease.attempt < lease.maxAttempts {
                try connection.execute(.jobRetryLater, [.int(lease.jobID), .double(delay)])
            } else {
                try settlement.finish(lease.jobID, state: .discarded, reason: error)
            }
            try settlement.conclude()
        }
    }

    /// Ends an attempt that was stopped on demand, and its job.
    public func finishCancelled(
        _ lease: Lease, reason: String = "cancelled on demand",
        inTransaction: (Connection) throws -> Void = { _ in }
    ) throws -> CompletionAnswer {
        try fenced(lease, answer: .cancelled) { connection in
            try inTransaction(connection)
            let settlement = try Settlement(connection, runID: lease.runID)
            try endAttempt(lease.token, .cancelled, error: reason, connection)
            try settlement.finish(lease.jobID, state: .cancelled, reason: reason)
            try settlement.conclude()
        }
    }

    /// Gives a job back as if it had not been claimed; `crashed` counts against its limit of
    /// crashes.
    ///
    /// This is allowed after the lease's term too, as long as nobody took the job over.
    @discardableResult
    public func release(
        _ lease: Lease, reason: String, crashed: Bool = false,
        inTransaction: (Connection) throws -> Void = { _ in }
    ) throws -> CompletionAnswer {
        try giveBack(
            job: lease.jobID, token: lease.token, sessionUUID: lease.sessionUUID,
            crashes: crashed ? 1 : 0, reason: reason, observed: inTransaction)
    }

    @discardableResult
    func giveBack(
        job: JobID, token: Int64, sessionUUID: String, crashes: Int, reason: String,
        observed: (Connection) throws -> Void
    ) throws -> CompletionAnswer {
        try transact { connection in
            let binds: [SQLValue] = [.int(job), .int(token), .uuid(sessionUUID)]
            guard let row = try connection.query(.leaseLockForRelease, binds).first else {
                return try self.answer(token, sessionUUID, .released, connection)
            }
            try observed(connection)
            let settlement = try Settlement(connection, runID: try row.int64("run_id"))
            try endAttempt(token, .released, error: reason, connection)
            let isLast = try row.int("crashes") + crashes > row.int("max_crashes")
            if isLast {
                try settlement.finish(
                    job, state: .discarded, reason: "crashed too often: \(reason)")
            } else {
                try connection.execute(.jobGiveBack, [.int(job), .int(crashes)])
            }
            try settlement.conclude()
            return .done
        }
    }

    /// Finds workers that are gone and frees their jobs; any worker may call this at any time.
    ///
    /// Returns how many jobs it freed. Each job is freed in its own transaction.
    @discardableResult
    public func rescue(observer: (any AttemptObserver)? = nil) throws -> Int {
        _ = try ask(.sessionExpire)
        var freed = 0
        for row in try ask(.jobLost) {
            if try rescue(job: try row.int64("job_id"), observer: observer) { freed += 1 }
        }
        return freed
    }

    private func rescue(job: JobID, observer: (any AttemptObserver)?) throws -> Bool {
        try transact { connection in
            // Looked at again under the lock: the worker may have completed it in between.
            guard let row = try connection.query(.jobLockLost, [.int(job)]).first else {
                return false
            }
            let lease = try Self.lease(row, sessionUUID: try row.uuid("uuid"))
            let worker = try row.text("session_name")
            try observer?.end(lease, outcome: .lost, connection: connection)
            let settlement = try Settlement(connection, runID: lease.runID)
            try endAttempt(lease.token, .lost, error: "worker \(worker) is gone", connection)
            if try row.bool("cancel") {
                try settlement.finish(job, state: .cancelled, reason: "cancelled on demand")
            } else if try lease.crashes + 1 > row.int("max_crashes") {
                try settlement.finish(
                    job, state: .discarded,
                    reason: "\(lease.crashes + 1) workers were lost while working on it")
            } else {
                try connection.execute(.jobGiveBack, [.int(job), .int(1)])
            }
            try settlement.conclude()
            return true
        }
    }

    // MARK: The fence

    /// Runs `body` in a transaction that holds the lease, or answers why it cannot.
    func fenced(
        _ lease: Lease, answer outcome: AttemptOutcome, _ body: (Connection) throws -> Void
    ) throws -> CompletionAnswer {
        try transact { connection in
            guard try self.holds(lease, connection) else {
                return try self.answer(lease.token, lease.sessionUUID, outcome, connection)
            }
            try body(connection)
            return .done
        }
    }

    /// Locks the leased job; false when the lease is over.
    func holds(_ lease: Lease, _ connection: Connection) throws -> Bool {
        let binds: [SQLValue] = [.int(lease.jobID), .int(lease.token), .uuid(lease.sessionUUID)]
        return try !connection.query(.leaseLock, binds).isEmpty
    }

    private func answer(
        _ token: Int64, _ sessionUUID: String, _ outcome: AttemptOutcome, _ connection: Connection
    ) throws -> CompletionAnswer {
        let row = try connection.query(.leaseOutcome, [.int(token), .uuid(sessionUUID)]).first
        return try row?.text("outcome") == outcome.rawValue ? .already : .fenced
    }

    private func endAttempt(
        _ token: Int64, _ outcome: AttemptOutcome, error: String?, _ connection: Connection
    ) throws {
        try connection.execute(
            .attemptEnd, [.int(token), .text(outcome.rawValue), .text(error)])
    }
}

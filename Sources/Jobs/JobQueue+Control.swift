// What people do to the queue: cancel, retry, pause, resume.
import Postgres
import Schema

/// What became of a request to cancel a job.
public enum CancelAnswer: String, Sendable, Codable {
    /// The job has ended.
    case cancelled
    /// The job's worker was asked to stop.
    case requested
    /// The job had ended before.
    case alreadyEnded
}

extension JobQueue {
    /// Cancels a job: one that runs is asked to stop, any other ends at once, with what depends on
    /// it.
    public func cancel(job: JobID) throws -> CancelAnswer {
        // A job may start to run between the two looks at it, and end again.
        for _ in 0..<100 {
            let details = try self.job(job)
            if [.completed, .cancelled, .discarded].contains(details.state) {
                return .alreadyEnded
            }
            if try transact({ try $0.execute(.jobFlagCancel, [.int(job)]) }) > 0 {
                return .requested
            }
            let isEnded = try transact { connection in
                let settlement = try Settlement(connection, runID: details.runID)
                guard try !connection.query(.jobLockWaiting, [.int(job)]).isEmpty else {
                    return false
                }
                try settlement.finish(job, state: .cancelled, reason: "cancelled on demand")
                try settlement.conclude()
                return true
            }
            if isEnded { return .cancelled }
        }
        throw JobsError(.wrongState, "job \(job) changes its state all the time")
    }

    /// Cancels a run: what waits ends at once, what runs is asked to stop.
    public func cancel(run: RunID) throws {
        try transact { connection in
            _ = try Settlement(connection, runID: run)
            try connection.execute(.runRequestCancel, [.int(run)])
            let settlement = try Settlement(connection, runID: run)
            try settlement.conclude()
        }
    }

    /// Makes a job that was cancelled or discarded available again, and what was cancelled because
    /// of it.
    public func retry(job: JobID) throws {
        let details = try self.job(job)
        guard details.state == .cancelled || details.state == .discarded else {
            throw JobsError(
                .wrongState,
                "job \(job) is \(details.state.rawValue): only cancelled and discarded jobs are retried"
            )
        }
        try transact { connection in
            _ = try Settlement(connection, runID: details.runID)
            var reopened: [GroupID] = []
            for row in try connection.query(
                .groupReopen, [.int(details.groupID), .intArray([job])])
            { reopened.append(try row.int64("id")) }
            if reopened.isEmpty { return }
            guard try !connection.query(.jobReopen, [.int(job)]).isEmpty else {
                throw JobsError(
                    .wrongState,
                    "job \(job) waits for something that ended badly: retry that job, or the whole run"
                )
            }
            while let group = reopened.popLast() {
                var jobs: [GroupID: [JobID]] = [:]
                for row in try connection.query(.groupCancelledWaiting, [.int(group)]) {
                    jobs[try row.int64("group_id"), default: []].append(try row.int64("id"))
                }
                for (next, ids) in jobs.sorted(by: { $0.key < $1.key }) {
                    try connection.execute(.groupReopen, [.int(next), .intArray(ids)])
                    reopened.append(next)
                }
            }
            try reopen(run: details.runID, connection)
        }
    }

    /// Makes every cancelled and discarded job of a run available again; returns how many can start
    /// now.
    @discardableResult
    public func retry(run: RunID) throws -> Int {
        try transact { connection in
            _ = try Settlement(connection, runID: run)
            guard try !connection.query(.runReopenJobs, [.int(run)]).isEmpty else { return 0 }
            let ready = try connection.query(.runReleaseReady, [.int(run)]).count
            try reopen(run: run, connection)
            return ready
        }
    }

    private func reopen(run: RunID, _ connection: Connection) throws {
        do {
            try connection.execute(.runReopen, [.int(run)])
        } catch let error as PostgresError where error.constraint == "run_unfinished" {
            throw JobsError(
                .wrongState,
                "run \(run) cannot be retried while another run of the same pipeline is unfinished")
        }
    }

    /// Stops claims from a queue; what runs goes on.
    public func pause(queue: String) throws { _ = try ask(.queuePause, [.text(queue)]) }

    /// Allows claims from a queue again.
    public func resume(queue: String) throws { _ = try ask(.queueResume, [.text(queue)]) }
}

// Manual control of the queue: cancel, retry, pause, resume.
import Foundation
import Intake
import Postgres
import Schema

/// The result of cancelling a job.
public enum CancelAnswer: String, Sendable, Codable {
    /// The job was cancelled.
    case cancelled
    /// The job is running; its worker was asked to stop it.
    case requested
    /// The job had already ended.
    case alreadyEnded
}

extension JobQueue {
    /// Cancels a job: the worker of a running job is asked to stop it, and any other unfinished job
    /// ends at once. The `OnBad` of dependent jobs says what then happens to them.
    ///
    /// Errors: `notFound`; `wrongState` if other transactions keep the job locked.
    public func cancel(job: JobID) throws -> CancelAnswer {
        // The job may start or end between the two transactions, or a claim may have locked its row
        // without leasing the job. So both transactions are repeated.
        for round in 0..<Self.cancelRounds {
            pause(beforeRound: round)
            let details = try self.job(job)
            if [.completed, .cancelled, .discarded].contains(details.state) {
                return .alreadyEnded
            }
            let isAsked = try transact { connection in
                let isAsked = try connection.execute(.jobFlagCancel(job: job)) > 0
                if isAsked { try connection.note("cancel", "job \(job)") }
                return isAsked
            }
            if isAsked { return .requested }
            let isEnded = try transact { connection in
                try lock(run: details.runID, connection)
                let reason = "cancelled on demand"
                let isEnded = try connection.queryOne(
                    .jobEndWaiting(job: job, reason: reason)
                ).bool("ended")
                _ = try connection.query(.runSettle(run: details.runID))
                if isEnded { try connection.note("cancel", "job \(job)") }
                return isEnded
            }
            if isEnded { return .cancelled }
        }
        throw JobsError(
            .wrongState, "job \(job) is locked by others or changes all the time",
            remedy: "cancel it again")
    }

    /// Cancels a run: waiting and blocked jobs end at once, and workers are asked to stop the
    /// running jobs. Errors: `notFound`; `wrongState` if other transactions keep some jobs locked.
    public func cancel(run: RunID) throws {
        // Jobs that a claim or a promotion has locked are skipped, and may still be waiting afterwards. So cancelling
        // is repeated until no job waits.
        for round in 0..<Self.cancelRounds {
            pause(beforeRound: round)
            try transact { connection in
                try lock(run: run, connection)
                if try connection.execute(.runRequestCancel(run: run)) > 0 {
                    try connection.note("cancel", "run \(run)")
                }
                try connection.execute(.runCancelWaiting(run: run))
                _ = try connection.query(.runSettle(run: run))
            }
            if try !ask(.runHasWaiting(run: run))[0].bool("present") { return }
        }
        throw JobsError(
            .wrongState,
            "run \(run) is marked as cancelled, but others keep some of its jobs locked",
            remedy: "cancel it again"
        )
    }

    /// How often cancelling is tried for jobs that other transactions have locked. The pauses between the tries sum to
    /// about nine seconds.
    private static let cancelRounds = 100

    private func pause(beforeRound round: Int) {
        if round > 0 { Thread.sleep(forTimeInterval: min(0.1, 0.005 * Double(round))) }
    }

    /// Locks a run, as required for ending jobs that are not running and for reopening jobs.
    /// Errors: `notFound`.
    private func lock(run: RunID, _ connection: Connection) throws {
        guard try !connection.query(.runLock(run: run)).isEmpty else {
            throw JobsError(
                .notFound, "there is no run \(run)", remedy: "`ofa status --all` lists the runs")
        }
    }

    /// Prevents retention from dropping the jobs of a run before the transaction ends. Errors:
    /// `wrongState` if the jobs were already dropped or marked for dropping.
    private func hold(run: RunID, _ connection: Connection) throws {
        guard try connection.queryOne(.runHold(run: run)).bool("kept") else {
            throw JobsError(
                .wrongState, "the jobs of run \(run) were dropped, as ofa queue retention says",
                remedy: "enqueue its pipeline again")
        }
    }

    /// Makes a cancelled or discarded job available again, and reopens the jobs that were cancelled
    /// because of this job.
    ///
    /// After an error nothing has changed. Errors: `notFound`; `wrongState` if the job has another
    /// state, depends on a job that has not succeeded, or is to be dropped, or if another run of
    /// the same pipeline is unfinished; `notUnique` if another unfinished job holds the unique key
    /// of a job to be reopened.
    public func retry(job: JobID) throws {
        let details = try self.job(job)
        guard details.state == .cancelled || details.state == .discarded else {
            throw JobsError(
                .wrongState,
                "job \(job) is \(details.state.rawValue): only cancelled and discarded jobs are retried"
            )
        }
        try transact { connection in
            try lock(run: details.runID, connection)
            try hold(run: details.runID, connection)
            let group = details.groupID
            guard let isOpen = try reopen([job], of: group, connection) else { return }
            var reopened = isOpen ? [group] : []
            guard try connection.queryOne(.jobReopen(jobs: [job])).int("freed") > 0 else {
                throw JobsError(
                    .wrongState,
                    "job \(job) depends on a job that has not succeeded",
                    remedy: "retry that job, or the whole run"
                )
            }
            while let group = reopened.popLast() {
                var jobs: [GroupID: [JobID]] = [:]
                for row in try connection.query(.groupCancelledWaiting(group: group)) {
                    jobs[try row.int64("group_id"), default: []].append(try row.int64("id"))
                }
                for (next, ids) in jobs.sorted(by: { $0.key < $1.key }) {
                    if try reopen(ids, of: next, connection) == true { reopened.append(next) }
                }
            }
            try reopen(run: details.runID, connection)
            try connection.note("retry", "job \(job)")
        }
        try hint()
    }

    /// Reopens all cancelled and discarded jobs of a run; returns how many of them became available
    /// or scheduled. Errors: `notFound`; `wrongState` if the jobs were dropped or are to be
    /// dropped, or if another run of the same pipeline is unfinished; `notUnique` if another
    /// unfinished job holds the unique key of a job to be reopened.
    @discardableResult
    public func retry(run: RunID) throws -> Int {
        let ready = try transact { connection in
            try lock(run: run, connection)
            try hold(run: run, connection)
            guard try !connection.query(.runReopenJobs(run: run)).isEmpty else { return 0 }
            let unkeyed = try connection.query(.runUnkeyedJobs(run: run))
            try takeKeys(unkeyed.map { try $0.int64("id") }, connection)
            let ready = try connection.queryOne(.runReleaseReady(run: run)).int("freed")
            try reopen(run: run, connection)
            // A group whose quorum is larger than its number of jobs ended badly although none of
            // its jobs failed. Such a group has no pending jobs, so it must be fired again here.
            _ = try connection.query(.runFireEmpty(run: run))
            _ = try connection.query(.runSettle(run: run))
            try connection.note("retry", "run \(run)")
            return ready
        }
        if ready > 0 { try hint() }
        return ready
    }

    /// Reopens the cancelled and discarded jobs among `jobs`, all of which are in `group`; returns
    /// nil if no job was reopened. Otherwise returns whether the group had ended badly and was
    /// reopened too.
    private func reopen(
        _ jobs: [JobID], of group: GroupID, _ connection: Connection
    ) throws -> Bool? {
        guard let row = try connection.query(.groupReopen(group: group, jobs: jobs)).first else {
            return nil
        }
        try takeKeys(jobs, connection)
        return try row.bool("is_open")
    }

    /// Reserves the unique keys of reopened jobs again. Errors: `notUnique` if another unfinished
    /// job holds one of these keys.
    private func takeKeys(_ jobs: [JobID], _ connection: Connection) throws {
        guard let row = try connection.query(.jobTakeKeys(jobs: jobs)).first else { return }
        let holder = try row.optionalInt64("holder").map { "job \($0)" } ?? "another one of them"
        throw JobsError(
            .notUnique,
            "job \(try row.int64("id")) cannot be retried while \(holder) has its unique key \(try row.text("unique_key"))",
            remedy: "wait for that to end, or cancel it"
        )
    }

    /// Redrives dead letters: retries each discarded job of a kind, as `retry(job:)` does.
    ///
    /// A job that `retry(job:)` refuses stays discarded and is returned with the reason.
    public func retry(kind: String) throws -> Redrive {
        var redrive = Redrive(retried: [], refused: [:])
        for row in try ask(.jobsDiscarded(kind: kind)) {
            let job = try row.int64("id")
            do {
                try retry(job: job)
                redrive.retried.append(job)
            } catch let error as JobsError
                where error.code == .wrongState || error.code == .notUnique
            {
                redrive.refused[job] = error.message
            }
        }
        return redrive
    }

    private func reopen(run: RunID, _ connection: Connection) throws {
        do {
            try connection.execute(.runReopen(run: run))
        } catch let error as PostgresError where error.constraint == "run_unfinished" {
            throw JobsError(
                .wrongState,
                "run \(run) cannot be retried while another run of the same pipeline is unfinished")
        }
    }

    /// Pauses a queue: claims take no more jobs from it, and running jobs continue.
    public func pause(queue: String) throws {
        let name = try Self.name("the queue", queue)
        try transact { connection in
            try connection.execute(.queuePause(name: name))
            try connection.note("pause", "queue \(name)")
        }
    }

    /// Lets claims take jobs from a paused queue again.
    public func resume(queue: String) throws {
        // A queue that an older version of this program paused may have a name that the rules no
        // longer allow. Such a queue can still be resumed.
        let name = try Self.name("the queue", queue, .name.stored)
        try transact { connection in
            try connection.execute(.queueResume(name: name))
            try connection.note("resume", "queue \(name)")
        }
        try hint()
    }

    // MARK: Permits

    /// Sets how many jobs with the concurrency key `key` may run at once, in 0...100,000. Jobs that
    /// already run continue.
    public func setPermits(key: String, slots: Int) throws {
        let name = try Self.name("the key", key)
        guard (0...100_000).contains(slots) else {
            throw JobsError(
                .wrongState, "key \(name) has 0 to 100,000 permits, not \(slots)")
        }
        try transact { connection in
            try connection.execute(.permitSet(key: name, slots: slots))
            try connection.note("limit", "key \(name)", ["slots": "\(slots)"])
        }
        try hint()
    }

    private static func name(_ what: String, _ text: String, _ rule: TextRule = .name) throws
        -> String
    {
        do {
            return try rule.checked(text)
        } catch {
            throw JobsError(
                .invalidText, "the name of \(what) \(error.reason)", remedy: error.remedy)
        }
    }

    /// Returns all concurrency keys with their holders.
    public func permits() throws -> [PermitSummary] {
        try ask(.permitList).map { row in
            PermitSummary(
                key: try row.text("name"), slots: try row.int("slots"), held: try row.int("held"),
                jobs: try row.intArray("jobs"))
        }
    }
}

/// The result of a redrive of dead letters.
public struct Redrive: Sendable, Equatable {
    /// The jobs that were made available again.
    public var retried: [JobID]
    /// The jobs that were not made available, each with the reason.
    public var refused: [JobID: String]
}

/// A concurrency key and its holders.
public struct PermitSummary: Codable, Sendable, Equatable {
    /// The name of the key.
    public let key: String
    /// How many jobs with the key may run at once.
    public let slots: Int
    /// How many jobs hold a permit of the key.
    public let held: Int
    /// The jobs that hold a permit of the key.
    public let jobs: [JobID]
}

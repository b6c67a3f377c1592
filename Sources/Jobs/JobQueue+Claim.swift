// Claims jobs, and releases orphans: leases that their worker does not know, because it did not get
// the response to the claim.
import Foundation
import Postgres
import Schema

/// The parameters of a claim.
public struct ClaimRequest: Sendable, Equatable {
    /// The kinds of jobs to claim.
    public var kinds: [String]
    /// The run whose jobs are claimed; nil for all runs.
    public var run: RunID?
    /// The largest number of jobs to claim.
    public var limit: Int
    /// How many processors the claimed jobs may reserve together; nil means unlimited.
    public var threads: Int?
    /// How many megabytes the claimed jobs may reserve together; nil means unlimited.
    public var memoryMB: Int?
    /// True if the worker holds no job. Then a quarantined job is claimed first, if there is one,
    /// and no other job is claimed with it.
    public var alone: Bool

    /// A nil `threads` or `memoryMB` means unlimited; a nil `run` means all runs.
    public init(
        kinds: [String], run: RunID? = nil, limit: Int = 1, threads: Int? = nil,
        memoryMB: Int? = nil, alone: Bool = true
    ) {
        self.kinds = kinds
        self.run = run
        self.limit = limit
        self.threads = threads
        self.memoryMB = memoryMB
        self.alone = alone
    }
}

extension JobQueue {
    /// The time between two whole reads. A whole read is a claim that reads every lane from its
    /// start; other claims read from the lane's floor, below which no job should be available
    /// (`LaneFloors`). The time is `seconds`, or `timesItsLength` times the duration of the last
    /// whole read if that is longer, or `afterFailure` seconds if the last whole read failed. Whole
    /// reads find available jobs below a floor, such as rows that were inserted by hand.
    static let wholeReads = (seconds: 60.0, timesItsLength: 200.0, afterFailure: 600.0)

    /// Leases up to `limit` available jobs of `kinds` to `session`, most urgent first; if `run` is
    /// not nil, only jobs of this run.
    ///
    /// If the connection was lost during a claim, call `releaseOrphans` before the next claim.
    public func claim(
        _ session: Session, kinds: [String], run: RunID? = nil, limit: Int = 1
    ) throws -> [Lease] {
        try claim(session, ClaimRequest(kinds: kinds, run: run, limit: limit))
    }

    /// Leases the available jobs that `request` describes, most urgent first. If the connection was
    /// lost during a claim, call `releaseOrphans` before the next claim.
    public func claim(_ session: Session, _ request: ClaimRequest) throws -> [Lease] {
        try leases(connection.query(claimRequest(session, request)), session)
    }

    /// Claims jobs, runs `notes`, ends attempts and runs `records`, in this order, in one
    /// transaction and one round trip. If this claim finds no job, a second claim follows, in a
    /// transaction of its own.
    ///
    /// Does not retry after a lost connection: it is then unknown whether the transaction was
    /// committed.
    public func endAndClaim(
        _ session: Session, _ endings: [Ending], notes: [Request] = [], records: [Request] = [],
        _ request: ClaimRequest
    ) throws -> (answers: [CompletionAnswer], leases: [Lease]) {
        if endings.isEmpty { return ([], try claim(session, request)) }
        // The claim goes first, because statement AttemptsEnd locks the runs of the attempts until
        // the commit, and the claim need not wait for these locks.
        let rows = try connection.pipeline(
            [claimRequest(session, request)] + notes
                + [Self.request(ending: endings, session: session.uuid)] + records)
        let (answers, freed) = try Self.answers(rows[1 + notes.count], count: endings.count)
        var leases = try leases(rows[0], session)
        // Other workers are notified, because this claim may not have taken the jobs that became
        // available.
        if freed > 0 { try hint() }
        // The first claim ran before the attempts ended, so it did not see the jobs and permits
        // that became free when they ended.
        if leases.isEmpty { leases = try claim(session, request) }
        return (answers, leases)
    }

    /// Returns statement JobClaim for a request. The claim reads each lane from its floor, or from
    /// its start if a whole read is due.
    func claimRequest(_ session: Session, _ request: ClaimRequest) -> Request {
        let now = ContinuousClock.now
        let process = connection.backendProcess
        if process != floorsProcess {
            // After a crash or a failover the server may reuse sequence numbers, so the floors may
            // be wrong.
            floors.reset()
            floorsProcess = process
        }
        wholeReadSince = now >= nextWholeRead ? now : nil
        if wholeReadSince != nil {
            nextWholeRead = now + .seconds(Self.wholeReads.afterFailure)
        }
        let known = wholeReadSince == nil ? floors.known : LaneFloors().known
        return .jobClaim(
            session: session.uuid, kinds: request.kinds, run: request.run, limit: request.limit,
            threads: request.threads, memoryMb: request.memoryMB, alone: request.alone,
            lanes: known.lanes.map(Int.init), floors: known.floors)
    }

    /// Returns the leases of a claim in order (by priority, then `seq`), and advances the floors of
    /// their lanes.
    func leases(_ rows: [Row], _ session: Session) throws -> [Lease] {
        let leases = try rows.map {
            (try $0.int("priority"), try Self.lease($0, sessionUUID: session.uuid))
        }
        .sorted { ($0.0, $0.1.seq) < ($1.0, $1.1.seq) }.map(\.1)
        if let since = wholeReadSince {
            let now = ContinuousClock.now, took = (now - since) / .seconds(1)
            nextWholeRead =
                now
                + .seconds(
                    max(Self.wholeReads.seconds, Self.wholeReads.timesItsLength * took))
            wholeReadSince = nil
        }
        guard let first = rows.first else { return leases }
        let horizon = try first.int64("horizon"), finished = try first.int64("finished")
        var seen: Set<Int> = []
        for lease in leases where lease.crashes == 0 && seen.insert(lease.laneID).inserted {
            floors.forget(lane: lease.laneID, above: lease.seq)
            let check = floors.note(
                lane: lease.laneID, first: lease.seq, horizon: horizon, finished: finished)
            guard let check else { continue }
            let isEmpty = try connection.queryOne(
                .laneIsEmptyBelow(lane: check.lane, floor: check.floor, mark: check.mark)
            ).bool("empty")
            if isEmpty { floors.raise(check) }
        }
        return leases
    }

    /// Releases the orphans of a session: its leases that are not in `known`.
    public func releaseOrphans(_ session: Session, known: [Lease] = []) throws {
        _ = try end(try orphans(session, known: known), session: session.uuid)
    }

    /// Returns endings that release the orphans of a session: its leases that are not in `known`.
    func orphans(_ session: Session, known: [Lease]) throws -> [Ending] {
        try ask(.sessionOrphans(session: session.uuid, known: known.map(\.token))).map { row in
            Ending(
                job: try row.int64("job_id"), token: try row.int64("token"),
                .unbegun(reason: "the answer to the claim was lost"))
        }
    }

    static func lease(_ row: Row, sessionUUID: String) throws -> Lease {
        return Lease(
            jobID: try row.int64("job_id"), token: try row.int64("token"), sessionUUID: sessionUUID,
            kind: try row.text("kind"), args: try row.json("args"), attempt: try row.int("attempt"),
            maxAttempts: try row.int("max_attempts"), crashes: try row.int("crashes"),
            runID: try row.int64("run_id"), groupID: try row.int64("group_id"),
            stage: try row.text("stage"), ordinal: try row.int("ordinal"),
            timeoutSeconds: try row.optionalDouble("timeout_seconds"),
            stallSeconds: try row.optionalDouble("stall_seconds"), threads: try row.int("threads"),
            memoryMB: try row.int("memory_mb"),
            laneID: try row.int("lane_id"), seq: try row.int64("seq"),
            backoff: try RetryPolicy(json: try row.json("backoff")))
    }
}

// Claims jobs, and releases orphans: leases whose claim response was lost.
import Foundation
import Postgres
import Schema

/// The parameters of a claim.
public struct ClaimRequest: Sendable, Equatable {
    /// The kinds of jobs.
    public var kinds: [String]
    /// Only jobs of this run; nil for all.
    public var run: RunID?
    /// The most jobs to claim.
    public var limit: Int
    /// The most processors that the jobs may reserve together; nil means unlimited.
    public var threads: Int?
    /// The most megabytes that the jobs may reserve together; nil means unlimited.
    public var memoryMB: Int?
    /// True if the worker holds no other job: then a quarantined job is claimed first, alone.
    public var alone: Bool

    /// nil bounds mean unlimited.
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
    /// When to ignore floors and read all lanes from the start: after `seconds`, or after
    /// `timesItsLength` times the duration of the last such read if that is longer (under an old
    /// snapshot it can take seconds), or after `afterFailure` seconds if it failed. Nothing should
    /// be below a floor; this finds manually inserted rows.
    static let wholeReads = (seconds: 60.0, timesItsLength: 200.0, afterFailure: 600.0)

    /// Leases up to `limit` available jobs of these kinds, most urgent first.
    ///
    /// `run` restricts the claim to one run. After a lost connection call `releaseOrphans` first.
    public func claim(
        _ session: Session, kinds: [String], run: RunID? = nil, limit: Int = 1
    ) throws -> [Lease] {
        try claim(session, ClaimRequest(kinds: kinds, run: run, limit: limit))
    }

    /// Leases available jobs; after a lost connection call `releaseOrphans` first.
    public func claim(_ session: Session, _ request: ClaimRequest) throws -> [Lease] {
        try leases(connection.query(claimRequest(session, request)), session)
    }

    /// Ends attempts, runs `notes` before and `records` after them, and claims the next jobs, all in one transaction
    /// and one round trip.
    ///
    /// This does not wait for a lost database: whether it took place is then unknown.
    public func endAndClaim(
        _ session: Session, _ endings: [Ending], notes: [Request] = [], records: [Request] = [],
        _ request: ClaimRequest
    ) throws -> (answers: [CompletionAnswer], leases: [Lease]) {
        if endings.isEmpty { return ([], try claim(session, request)) }
        // The claim goes first: ends lock their run until the commit, and a claim need not wait for
        // that.
        let rows = try connection.pipeline(
            [claimRequest(session, request)] + notes
                + [Self.request(ending: endings, session: session.uuid)] + records)
        let (answers, freed) = try Self.answers(rows[1 + notes.count], count: endings.count)
        var leases = try leases(rows[0], session)
        // This claim may have taken the freed jobs or not, so others are notified.
        if freed > 0 { try hint() }
        // The claim ran before the ends, so it did not see jobs or permits that they freed.
        if leases.isEmpty { leases = try claim(session, request) }
        return (answers, leases)
    }

    /// Statement JobClaim for a request, starting at the lanes' floors.
    func claimRequest(_ session: Session, _ request: ClaimRequest) -> Request {
        let now = ContinuousClock.now
        let process = connection.backendProcess
        if process != floorsProcess {
            // A server after a crash or a failover may reuse sequence numbers.
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

    /// The leases that a claim returned; advances the floors of their lanes.
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

    /// Releases leases of the session that its worker does not know, left by a claim whose response
    /// was lost.
    public func releaseOrphans(_ session: Session, known: [Lease] = []) throws {
        _ = try end(try orphans(session, known: known), session: session.uuid)
    }

    /// Endings for the leases of the session that its worker does not know.
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

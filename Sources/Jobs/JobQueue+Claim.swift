// Claims: how a worker gets jobs, and gives back those it never heard of.
import Foundation
import Postgres
import Schema

/// What a claim asks for.
public struct ClaimRequest: Sendable, Equatable {
    /// The kinds of jobs.
    public var kinds: [String]
    /// Jobs of this run only; nil for all.
    public var run: RunID?
    /// How many jobs at most.
    public var limit: Int
    /// Processors that the jobs may reserve together; nil for any number.
    public var threads: Int?
    /// Megabytes that the jobs may reserve together; nil for any number.
    public var memoryMB: Int?
    /// True when the worker holds nothing else: then a job that workers died on comes first and alone.
    public var alone: Bool

    /// Describes a claim.
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
    /// A claim reads all lanes from the start, whatever their floors, this many seconds after the last one that did;
    /// after this many times what that took, if that is longer (while an old snapshot is held it can take seconds);
    /// and after this many where it failed. Nothing should be below a floor: this is for what a person puts there.
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
        // The claim goes first: ends hold their run up to the commit, and a claim can do without that.
        let rows = try connection.pipeline(
            [claimRequest(session, request)] + notes
                + [Self.request(ending: endings, session: session.uuid)] + records)
        let (answers, freed) = try Self.answers(rows[1 + notes.count], count: endings.count)
        var leases = try leases(rows[0], session)
        // What it claimed may be among them, but need not: others may wait for what it does not take.
        if freed > 0 { try hint() }
        // What the ends have freed, jobs or permits, the claim has not seen.
        if leases.isEmpty { leases = try claim(session, request) }
        return (answers, leases)
    }

    /// Statement JobClaim with what it is to claim, from the floors of the lanes on.
    func claimRequest(_ session: Session, _ request: ClaimRequest) -> Request {
        let now = ContinuousClock.now
        let process = connection.backendProcess
        if process != floorsProcess {
            // A server that lost its last moments, or took over from one, may hand out places again.
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

    /// The leases that a claim answered with; the floors of their lanes may follow.
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

    /// Gives back leases of the session that its worker does not know of, left by a claim whose
    /// answer was lost.
    public func releaseOrphans(_ session: Session, known: [Lease] = []) throws {
        _ = try end(try orphans(session, known: known), session: session.uuid)
    }

    /// The ends of the leases of the session that its worker does not know of.
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

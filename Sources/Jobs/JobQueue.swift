// JobQueue: the queue as its users see it; every method is one transaction. This file: enqueue,
// sessions, claim.
import Foundation
import Postgres
import Schema

/// The job queue of one database, used by one thread through one connection.
public final class JobQueue {
    /// The connection it uses.
    public let connection: Connection
    /// How long it waits for a database that went away.
    public let policy: ReconnectPolicy

    /// Makes a queue on a migrated database.
    public init(
        _ connection: Connection, policy: ReconnectPolicy = ReconnectPolicy(limitSeconds: 30)
    ) {
        self.connection = connection
        self.policy = policy
    }

    /// Runs a transaction, again after a lost connection or a deadlock; `body` must bear that.
    func transact<T>(_ body: (Connection) throws -> T) throws -> T {
        try connection.withReconnect(policy) { try $0.transaction(body) }
    }

    /// Runs a statement on its own, again after a lost connection.
    func ask(_ statement: Statement, _ binds: [SQLValue] = []) throws -> [Row] {
        try connection.withReconnect(policy) { try $0.query(statement, binds) }
    }

    // MARK: Enqueue

    /// Enqueues a whole pipeline in one transaction and returns its run.
    ///
    /// While a run of the same name and definition hash is unfinished, that one is returned.
    public func enqueue(_ run: RunSpec) throws -> RunID {
        let stages = try run.stagesInOrder()
        let binds: [SQLValue] = [.text(run.name), .text(run.definition), .text(run.definitionHash)]
        // The run in the way may end between the two statements; then the next round creates ours.
        for _ in 0..<100 {
            let id: RunID? = try transact { connection in
                guard let created = try connection.query(.runInsert, binds).first else {
                    return nil
                }
                let id = try created.int64("id")
                try insert(stages, run: id, connection)
                return id
            }
            if let id { return id }
            if let other = try unfinishedRun(name: run.name, definitionHash: run.definitionHash) {
                return other
            }
        }
        throw JobsError(.wrongState, "run \(run.name) is enqueued and ended by others all the time")
    }

    /// The unfinished run of a pipeline, if there is one.
    public func unfinishedRun(name: String, definitionHash: String) throws -> RunID? {
        try ask(.runUnfinished, [.text(name), .text(definitionHash)]).first?.int64("id")
    }

    private func insert(_ stages: [StageSpec], run: RunID, _ connection: Connection) throws {
        var groups: [String: GroupID] = [:]
        for stage in stages {
            let needs = Set(stage.needs)
            let group = try connection.queryOne(
                .groupInsert, [.int(run), .text(stage.name), .null, .int(needs.count)]
            ).int64("id")
            let place = groups.count
            groups[stage.name] = group
            for parent in needs.compactMap({ groups[$0] }) {
                try connection.execute(.groupEdgeInsert, [.int(parent), .int(group)])
            }
            try connection.addJobs(
                [stage.job], run: run, group: group, firstOrdinal: 0, path: [Int64(place)],
                waitsFor: nil,
                isInner: false, released: needs.isEmpty)
        }
    }

    // MARK: Sessions

    /// Opens a worker's session; it ends when it is not beaten for `ttlSeconds`.
    public func openSession(name: String, ttlSeconds: Double = 10) throws -> Session {
        let binds: [SQLValue] = [
            .text(name), .text(ProcessInfo.processInfo.hostName), .int(Int(getpid())),
            .double(ttlSeconds),
        ]
        guard let row = try ask(.sessionOpen, binds).first else {
            throw JobsError(.sessionOver, "no session was opened")
        }
        return Session(id: try row.int64("id"), uuid: try row.uuid("uuid"), ttlSeconds: ttlSeconds)
    }

    /// Says that the worker lives and hears what to stop; nil when the session is over.
    ///
    /// This does not wait for a lost database: it throws, and the caller's clock decides.
    public func beat(_ session: Session) throws -> Beat? {
        let rows = try connection.query(.sessionBeat, [.uuid(session.uuid)])
        if rows.isEmpty { return nil }
        var beat = Beat()
        for row in rows {
            guard let token = try row.optionalInt64("token") else { continue }
            beat.held.insert(token)
            if try row.bool("cancelled") { beat.cancelled.insert(token) }
            if try row.bool("overdue") { beat.overdue.insert(token) }
        }
        return beat
    }

    /// Ends a session in good order.
    public func close(_ session: Session) throws {
        _ = try ask(.sessionClose, [.uuid(session.uuid)])
    }

    // MARK: Claim

    /// Leases up to `limit` available jobs of these kinds, most urgent first.
    ///
    /// `run` restricts the claim to one run. After a lost connection call `releaseOrphans` first.
    public func claim(
        _ session: Session, kinds: [String], run: RunID? = nil, limit: Int = 1
    ) throws -> [Lease] {
        let binds: [SQLValue] = [.uuid(session.uuid), .textArray(kinds), .int(run), .int(limit)]
        var rows = try connection.query(.jobClaim, binds)
        if rows.count < limit, try connection.execute(.jobPromote) > 0 {
            rows += try connection.query(
                .jobClaim, Array(binds.dropLast()) + [.int(limit - rows.count)])
        }
        return try rows.map { try Self.lease($0, sessionUUID: session.uuid) }
    }

    /// Gives back leases of the session that its worker does not know of, left by a claim whose
    /// answer was lost.
    public func releaseOrphans(_ session: Session, known: [Lease] = []) throws {
        let binds: [SQLValue] = [.uuid(session.uuid), .intArray(known.map(\.token))]
        for row in try ask(.sessionOrphans, binds) {
            let job = try row.int64("job_id")
            try giveBack(
                job: job, token: try row.int64("token"), sessionUUID: session.uuid, crashes: 0,
                reason: "the answer to the claim was lost", observed: { _ in })
        }
    }

    static func lease(_ row: Row, sessionUUID: String) throws -> Lease {
        let backoff = try JSONDecoder().decode(
            RetryPolicy.self, from: Data(try row.json("backoff").utf8))
        return Lease(
            jobID: try row.int64("job_id"), token: try row.int64("token"), sessionUUID: sessionUUID,
            kind: try row.text("kind"), args: try row.json("args"), attempt: try row.int("attempt"),
            maxAttempts: try row.int("max_attempts"), crashes: try row.int("crashes"),
            runID: try row.int64("run_id"), groupID: try row.int64("group_id"),
            stage: try row.text("stage"), ordinal: try row.int("ordinal"),
            timeoutSeconds: try row.optionalDouble("timeout_seconds"), backoff: backoff)
    }
}

extension Connection {
    /// A job as the statement GroupAddJobs reads it.
    private struct NumberedSpec: Encodable {
        let ordinal: Int
        let kind: String
        let args: String
        let queue: String
        let priority: Int
        let maxAttempts: Int
        let maxCrashes: Int
        let timeoutSeconds: Double?
        let backoff: RetryPolicy
    }

    /// Adds jobs to a group, numbered from `firstOrdinal`, below the path of the job that adds
    /// them.
    func addJobs(
        _ specs: [JobSpec], run: RunID, group: GroupID, firstOrdinal: Int, path: [Int64],
        waitsFor: GroupID?, isInner: Bool, released: Bool
    ) throws {
        let numbered = specs.enumerated().map { index, spec in
            NumberedSpec(
                ordinal: firstOrdinal + index, kind: spec.kind, args: spec.args, queue: spec.queue,
                priority: spec.priority, maxAttempts: spec.maxAttempts, maxCrashes: spec.maxCrashes,
                timeoutSeconds: spec.timeoutSeconds, backoff: spec.backoff)
        }
        let json = String(decoding: try JSONEncoder().encode(numbered), as: UTF8.self)
        try execute(
            .groupAddJobs,
            [
                .int(run), .int(group), .json(json), .intArray(path), .int(waitsFor),
                .bool(isInner),
                .bool(released),
            ])
    }
}

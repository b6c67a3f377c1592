// JobQueue: the API of the queue. This file enqueues runs and opens sessions.
import Foundation
import Intake
import Postgres
import Schema

/// The job queue of one database, used by one thread through one connection.
public final class JobQueue {
    /// The connection of the queue.
    public let connection: Connection
    /// How statements and transactions are retried after a lost connection or a conflict.
    public let policy: ReconnectPolicy
    /// For each lane (jobs of equal kind, queue, priority and requirements), the position from
    /// which a claim reads.
    var floors = LaneFloors()
    /// The server process of the connection on which `floors` were found.
    var floorsProcess = 0
    /// When a claim next reads all lanes from the start (a whole read), and when the current whole
    /// read began.
    var nextWholeRead = ContinuousClock.now
    var wholeReadSince: ContinuousClock.Instant?
    /// The minimum time between two hints (notifications of available jobs), in seconds. A hint
    /// that would come earlier is deferred.
    var hintSeconds = 0.0
    private var hintedAt: ContinuousClock.Instant?
    private var owesHint = false
    /// Orders the lost jobs before `rescue` takes them. The order is random, so that a job that
    /// stays locked does not delay the same other jobs every time; tests set a fixed order.
    var rescueOrder: ([Row]) -> [Row] = { $0.shuffled() }

    /// The database of `connection` must have the current schema.
    public init(
        _ connection: Connection,
        policy: ReconnectPolicy = ReconnectPolicy(limitSeconds: 30, maxCancellations: 2)
    ) {
        self.connection = connection
        self.policy = policy
    }

    /// Runs `body` in a transaction, with retries after a lost connection or a deadlock; `body`
    /// must tolerate repetition.
    func transact<T>(_ body: (Connection) throws -> T) throws -> T {
        try connection.withReconnect(policy) { try $0.transaction(body) }
    }

    /// Runs a single statement, with retries after a lost connection.
    func ask(_ request: Request) throws -> [Row] {
        try connection.withReconnect(policy) { try $0.query(request) }
    }

    /// Runs a single statement without binds, with retries after a lost connection.
    func ask(_ statement: Statement) throws -> [Row] { try ask(Request(statement)) }

    /// Notifies waiting workers of available jobs, at most once per `hintSeconds`. Workers also
    /// poll, so a hint only shortens their wait: it is sent after the commit, and may be lost.
    func hint() throws {
        let now = ContinuousClock.now
        if let hintedAt, now - hintedAt < .seconds(hintSeconds) {
            owesHint = true
            return
        }
        (hintedAt, owesHint) = (now, false)
        do { try connection.execute(.notifyJobs) } catch is PostgresError {}
    }

    /// Sends a deferred hint if it is due. Returns the seconds until the hint is due, or nil if no
    /// hint is deferred any more.
    func payHint() throws -> Double? {
        guard owesHint, let hintedAt else { return nil }
        let rest = .seconds(hintSeconds) - (ContinuousClock.now - hintedAt)
        if rest > .zero { return rest / .seconds(1) }
        try hint()
        return nil
    }

    // MARK: Enqueue

    /// An enqueued run, and whether this request created it.
    public struct Enqueued: Sendable, Equatable {
        /// The id of the run.
        public let run: RunID
        /// True if this request created the run; false if an unfinished run of the same pipeline
        /// was found instead.
        public let isNew: Bool
    }

    /// Enqueues a whole pipeline in one transaction and returns its run.
    ///
    /// If there is an unfinished run with the same name and definition hash, that run is returned
    /// instead. Errors, after which nothing has changed: `invalidRun` if a text or a number breaks
    /// the rules; `notUnique` if unfinished jobs hold the unique keys of all jobs of a stage.
    public func enqueue(_ run: RunSpec) throws -> RunID {
        try enqueue(run) { _ in }.run
    }

    /// Enqueues a run as `enqueue(_:)` does, and calls `body` in the transaction that creates the
    /// run; `body` is not called if an unfinished run is found. Returns the run and whether it is
    /// new.
    public func enqueue(_ given: RunSpec, alongside body: (Connection) throws -> Void) throws
        -> Enqueued
    {
        let run = try given.checked()
        let stages = try run.stagesInOrder()
        let request = UUID().uuidString
        var isFirst = true
        // The unfinished run that prevented the insertion may end before it is looked up; then the
        // next round inserts this run.
        for _ in 0..<100 {
            let created = try transact { connection -> RunID? in
                defer { isFirst = false }
                // If the response to an earlier commit was lost, the run may exist, and may even
                // have ended meanwhile.
                let known =
                    isFirst ? nil : try connection.query(.runOfRequest(request: request)).first
                if let known { return try known.int64("id") }
                let created = try insert(run, stages, request: request, connection)
                if let created {
                    try body(connection)
                    try connection.note("enqueue", "run \(created)", ["name": run.name])
                }
                return created
            }
            if let created {
                try hint()
                return Enqueued(run: created, isNew: true)
            }
            if let other = try unfinishedRun(name: run.name, definitionHash: run.definitionHash) {
                return Enqueued(run: other, isNew: false)
            }
        }
        throw JobsError(.wrongState, "run \(run.name) is enqueued and ended by others all the time")
    }

    /// Inserts a run in the open transaction; returns nil if there is an unfinished run of the same
    /// pipeline.
    func insert(
        _ run: RunSpec, _ stages: [StageSpec], request: String? = nil, _ connection: Connection
    ) throws -> RunID? {
        let new = Request.runInsert(
            name: run.name, definition: run.definition, definitionHash: run.definitionHash,
            request: request)
        guard let created = try connection.query(new).first else { return nil }
        let id = try created.int64("id")
        try insert(stages, run: id, connection)
        return id
    }

    /// Returns the unfinished run with this name and definition hash, if there is one.
    public func unfinishedRun(name: String, definitionHash: String) throws -> RunID? {
        let name = name.precomposedStringWithCanonicalMapping
        return try ask(.runUnfinished(name: name, definitionHash: definitionHash)).first?.int64(
            "id")
    }

    private func insert(_ stages: [StageSpec], run: RunID, _ connection: Connection) throws {
        var groups: [String: GroupID] = [:]
        for stage in stages {
            let needs = Set(stage.needs)
            let group = try connection.queryOne(
                .groupInsert(
                    run: run, stage: stage.name, ownerJob: nil, needs: needs.count,
                    rule: stage.rule.name, quorum: stage.rule.count, onBad: OnBad.cancel.rawValue)
            ).int64("id")
            let place = groups.count
            groups[stage.name] = group
            for need in needs.sorted() {
                guard let parent = groups[need] else { continue }
                let onBad = stage.onBad[need] ?? .cancel
                try connection.execute(
                    .groupEdgeInsert(parent: parent, child: group, onBad: onBad.rawValue))
            }
            let added = try connection.addJobs(
                stage.jobs, run: run, group: group, firstOrdinal: 0, path: [Int64(place)],
                waitsFor: nil, isInner: false, released: needs.isEmpty)
            guard !added.isEmpty else {
                throw JobsError(
                    .notUnique,
                    "stage \(stage.name) of run \(run): every job has a unique key that an unfinished job holds"
                )
            }
        }
    }

    // MARK: Sessions

    /// The version of this program's queue, recorded in its sessions.
    public static let version = "2"

    /// Opens a worker's session, which expires after `ttlSeconds` without a heartbeat.
    ///
    /// The session gets only jobs whose required capabilities are among `offers`. Only the lists of
    /// workers and of unserved jobs use `kinds`; claims do not.
    public func openSession(
        name: String, ttlSeconds: Double = 10, slots: Int = 1, kinds: [String] = [],
        offers: [String] = [], duties: [String] = [], host: HostIdentity = .current
    ) throws -> Session {
        let open = Request.sessionOpen(
            name: TextRule.kept(name, 200), identity: host.identity, host: host.name,
            process: Int(getpid()), ttlSeconds: ttlSeconds, version: Self.version, slots: slots,
            kinds: kinds, offers: offers, duties: duties)
        guard let row = try ask(open).first else {
            throw JobsError(.sessionOver, "no session was opened")
        }
        return Session(id: try row.int64("id"), uuid: try row.uuid("uuid"), ttlSeconds: ttlSeconds)
    }

    /// Records a heartbeat and the number of running slots. Returns which of `leases` are valid,
    /// which of their jobs must stop, and which of `duties` the session holds for the next
    /// `dutySeconds`; returns nil if the session is over.
    ///
    /// Does not retry: if the database is unreachable, this throws, and the caller decides by its
    /// own clock when the leases are lost.
    public func beat(
        _ session: Session, holding leases: [Lease] = [], workingSlots: Int = 1,
        duties: [String] = [], dutySeconds: Double = 5
    ) throws -> Beat? {
        let rows = try connection.query(
            .sessionBeat(
                session: session.uuid, workingSlots: workingSlots, jobs: leases.map(\.jobID),
                tokens: leases.map(\.token), duties: duties, dutySeconds: dutySeconds))
        guard let first = rows.first else { return nil }
        var beat = Beat()
        beat.duties = Set(try first.textArray("duties"))
        for row in rows {
            guard let token = try row.optionalInt64("token") else { continue }
            beat.held.insert(token)
            if try row.bool("cancelled") { beat.cancelled.insert(token) }
            if try row.bool("overdue") { beat.overdue.insert(token) }
            if try row.bool("stalled") { beat.stalled.insert(token) }
        }
        return beat
    }

    /// Closes a session and releases its duties.
    public func close(_ session: Session) throws {
        _ = try ask(.sessionClose(session: session.uuid))
    }
}

extension Connection {
    /// A job in the form that ofa.add_jobs reads.
    private struct NumberedSpec: Encodable {
        let ordinal: Int
        let spec: JobSpec

        private enum Key: String, CodingKey { case ordinal }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(ordinal, forKey: .ordinal)
            try spec.encode(to: encoder)
        }
    }

    /// Adds jobs to a group, with ordinals from `firstOrdinal` on; `path` has the ordinals of their
    /// ancestors. Returns the jobs that were added: a job is skipped if another unfinished job
    /// holds its unique key. Errors: `invalidRun`.
    @discardableResult
    func addJobs(
        _ specs: [JobSpec], run: RunID, group: GroupID, firstOrdinal: Int, path: [Int64],
        waitsFor: GroupID?, isInner: Bool, released: Bool
    ) throws -> [JobID] {
        let numbered = try specs.enumerated().map { index, spec in
            NumberedSpec(
                ordinal: firstOrdinal + index,
                spec: try spec.checked("run \(run), job \(firstOrdinal + index)", .result))
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let json = String(decoding: try encoder.encode(numbered), as: UTF8.self)
        return try queryOne(
            .groupAddJobs(
                run: run, group: group, specs: json, path: path.map(Int.init), waitsFor: waitsFor,
                isInner: isInner, released: released)
        ).intArray("jobs")
    }
}

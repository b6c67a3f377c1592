// JobQueue: the queue as its users see it; every method is one transaction. This file: enqueue and
// sessions.
import Foundation
import Intake
import Postgres
import Schema

/// The job queue of one database, used by one thread through one connection.
public final class JobQueue {
    /// The connection it uses.
    public let connection: Connection
    /// How long it waits for a database that went away.
    public let policy: ReconnectPolicy
    /// From where claims read the lanes.
    var floors = LaneFloors()
    /// The server's process of the session in which they were found.
    var floorsProcess = 0
    /// When a claim next reads from the start, and since when one does.
    var nextWholeRead = ContinuousClock.now
    var wholeReadSince: ContinuousClock.Instant?
    /// Another hint is sent after so many seconds at the soonest; what comes sooner is owed.
    var hintSeconds = 0.0
    private var hintedAt: ContinuousClock.Instant?
    private var owesHint = false
    /// In any order: jobs that are held up must not hold up the same others every time. Tests fix it.
    var rescueOrder: ([Row]) -> [Row] = { $0.shuffled() }

    /// Makes a queue on a migrated database.
    public init(
        _ connection: Connection,
        policy: ReconnectPolicy = ReconnectPolicy(limitSeconds: 30, maxCancellations: 2)
    ) {
        self.connection = connection
        self.policy = policy
    }

    /// Runs a transaction, again after a lost connection or a deadlock; `body` must bear that.
    func transact<T>(_ body: (Connection) throws -> T) throws -> T {
        try connection.withReconnect(policy) { try $0.transaction(body) }
    }

    /// Runs a statement on its own, again after a lost connection.
    func ask(_ request: Request) throws -> [Row] {
        try connection.withReconnect(policy) { try $0.query(request) }
    }

    /// Runs a statement without binds on its own, again after a lost connection.
    func ask(_ statement: Statement) throws -> [Row] { try ask(Request(statement)) }

    /// Tells waiting workers that there is something to do. They would look by themselves; this
    /// only shortens the wait, so it comes after the commit and losing it loses nothing.
    func hint() throws {
        let now = ContinuousClock.now
        if let hintedAt, now - hintedAt < .seconds(hintSeconds) {
            owesHint = true
            return
        }
        (hintedAt, owesHint) = (now, false)
        do { try connection.execute(.notifyJobs) } catch is PostgresError {}
    }

    /// Sends the hint that is owed when it is time; returns in how many seconds it will be, nil where none is owed.
    func payHint() throws -> Double? {
        guard owesHint, let hintedAt else { return nil }
        let rest = .seconds(hintSeconds) - (ContinuousClock.now - hintedAt)
        if rest > .zero { return rest / .seconds(1) }
        try hint()
        return nil
    }

    // MARK: Enqueue

    /// A run in the queue, and whether it was created by this request.
    public struct Enqueued: Sendable, Equatable {
        /// The run.
        public let run: RunID
        /// False for the unfinished run of the same pipeline that was found instead.
        public let isNew: Bool
    }

    /// Enqueues a whole pipeline in one transaction and returns its run.
    ///
    /// While a run of the same name and definition hash is unfinished, that one is returned. Errors: `invalidRun` for
    /// texts and numbers outside the rules, before anything is written.
    public func enqueue(_ run: RunSpec) throws -> RunID {
        try enqueue(run) { _ in }.run
    }

    /// The same, with `body` in the transaction that creates the run: either both are there or neither. It is not
    /// called for a run that is found.
    public func enqueue(_ given: RunSpec, alongside body: (Connection) throws -> Void) throws
        -> Enqueued
    {
        let run = try given.checked()
        let stages = try run.stagesInOrder()
        let request = UUID().uuidString
        var isFirst = true
        // The run in the way may end between the two statements; then the next round creates ours.
        for _ in 0..<100 {
            let created = try transact { connection -> RunID? in
                defer { isFirst = false }
                // A commit that was not answered may have taken place, and its run may have ended since.
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

    /// Writes a run inside a transaction; nil when an unfinished run of the same pipeline exists.
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

    /// The unfinished run of a pipeline, if there is one.
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

    /// The version of this program's queue, kept with its sessions.
    public static let version = "2"

    /// Opens a worker's session; it ends when it is not beaten for `ttlSeconds`.
    ///
    /// It gets jobs that require nothing but what it `offers`; `kinds` is for those who look at the workers.
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

    /// Records a heartbeat, with how many slots work; returns what to stop of what the worker holds, and which of
    /// `duties` it has for the next `dutySeconds`. Nil when the session is over.
    ///
    /// This does not wait for a lost database: it throws, and the caller's clock decides.
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

    /// Ends a session in good order.
    public func close(_ session: Session) throws {
        _ = try ask(.sessionClose(session: session.uuid))
    }
}

extension Connection {
    /// A job as ofa.add_jobs reads it.
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

    /// Adds jobs to a group, numbered from `firstOrdinal`, below the path of the job that adds
    /// them; returns those that were added.
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

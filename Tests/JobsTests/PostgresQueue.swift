// PostgresQueue: the real queue as a QueueUnderTest: numbers and names instead of ids, and a clock that stands
// still until the test moves it.
import Foundation
import Postgres
import TestSupport
import Testing

@testable import Jobs

/// A JobQueue on a database of its own.
final class PostgresQueue: QueueUnderTest {
    let queue: JobQueue
    private let database: TemporaryDatabase
    private var now = 0
    private var sessions: [Session] = []
    private var leases: [Lease] = []
    private var runs: [RunID] = []
    private var names: [JobID: String] = [:]

    init() throws {
        database = try TemporaryDatabase()
        queue = JobQueue(try database.connect())
        queue.rescueOrder = { $0 }
        // Long after the start of the server, which rescue reckons with.
        try queue.connection.script(
            """
            create or replace function ofa.now() returns timestamptz language sql stable parallel safe as $$
              select timestamptz '2100-01-01 00:00:00+00'
                + coalesce(nullif(current_setting('ofa.clock_offset', true), ''), '0')::interval
            $$
            """)
    }

    // MARK: Names

    private func realRun(_ run: Int) -> RunID {
        runs.indices.contains(run - 1) ? runs[run - 1] : RunID(1_000_000 + run)
    }

    private func id(of job: String) throws -> JobID {
        if let known = names.first(where: { $0.value == job }) { return known.key }
        try readNames()
        if let known = names.first(where: { $0.value == job }) { return known.key }
        throw JobsError(.notFound, "there is no job \(job)")
    }

    private func name(of job: JobID) throws -> String {
        if names[job] == nil { try readNames() }
        return names[job] ?? "?"
    }

    private static let newJobs = Statement(
        name: "NewJobs",
        sql: """
            select job.id, job.ordinal, job.run_id, job_group.stage, job_group.owner_job
            from ofa.job join ofa.job_group on job_group.id = job.group_id
            where job.id > $1::bigint order by job.id
            """)

    private func readNames() throws {
        for row in try queue.connection.query(Self.newJobs, [.int(names.keys.max() ?? 0)]) {
            let group = try groupName(
                run: row.int64("run_id"), stage: row.text("stage"),
                owner: row.optionalInt64("owner_job"))
            names[try row.int64("id")] = "\(group)#\(try row.int("ordinal"))"
        }
    }

    private func groupName(run: RunID, stage: String, owner: JobID?) throws -> String {
        if let owner { return "\(names[owner] ?? "?")>" }
        return "\((runs.firstIndex(of: run) ?? -1) + 1)/\(stage)"
    }

    // MARK: Operations

    func enqueue(_ run: RunSpec) throws -> Int {
        let id = try queue.enqueue(run)
        if let known = runs.firstIndex(of: id) { return known + 1 }
        runs.append(id)
        return runs.count
    }

    func openSession(ttlSeconds: Int) throws -> Int {
        sessions.append(try queue.openSession(name: "w", ttlSeconds: Double(ttlSeconds)))
        return sessions.count
    }

    func close(session: Int) throws { try queue.close(sessions[session - 1]) }

    func beat(session: Int, holding tokens: [Int]) throws -> BeatAnswer? {
        let held = tokens.map { leases[$0 - 1] }
        guard let beat = try queue.beat(sessions[session - 1], holding: held) else { return nil }
        func numbers(_ tokens: Set<Int64>) -> Set<Int> {
            Set(leases.indices.filter { tokens.contains(leases[$0].token) }.map { $0 + 1 })
        }
        var answer = BeatAnswer()
        answer.held = numbers(beat.held)
        answer.cancelled = numbers(beat.cancelled)
        answer.overdue = numbers(beat.overdue)
        answer.stalled = numbers(beat.stalled)
        return answer
    }

    func claim(session: Int, _ request: ClaimRequest) throws -> [Grant] {
        var request = request
        request.run = request.run.map { realRun(Int($0)) }
        return try queue.claim(sessions[session - 1], request).map { lease in
            leases.append(lease)
            return Grant(
                job: try name(of: lease.jobID), token: leases.count, attempt: lease.attempt,
                crashes: lease.crashes)
        }
    }

    func end(token: Int, _ end: AttemptEnd) throws -> CompletionAnswer {
        let lease = leases[token - 1]
        switch end {
        case .completed(let fanOut):
            guard let fanOut else { return try queue.complete(lease, result: "{}") }
            return try queue.complete(lease, result: "{}", fanOut: fanOut)
        case .failed(let retry): return try queue.fail(lease, error: "x", retry: retry)
        case .released(let crashed):
            return try queue.release(lease, reason: "x", crashed: crashed)
        case .cancelled: return try queue.finishCancelled(lease)
        }
    }

    func progress(token: Int, step: Int) throws {
        try queue.progress(leases[token - 1], fraction: 0.5, message: "\(step)")
    }

    func rescue() throws -> Int { try queue.rescue() }
    func cancel(job: String) throws -> CancelAnswer { try queue.cancel(job: id(of: job)) }
    func cancel(run: Int) throws { try queue.cancel(run: realRun(run)) }
    func retry(job: String) throws { try queue.retry(job: id(of: job)) }
    func retry(run: Int) throws -> Int { try queue.retry(run: realRun(run)) }
    func pause(queue name: String) throws { try queue.pause(queue: name) }
    func resume(queue name: String) throws { try queue.resume(queue: name) }

    func setPermits(key: String, slots: Int) throws {
        try queue.setPermits(key: key, slots: slots)
    }

    func pass(seconds: Int) throws {
        now += seconds
        try queue.connection.script("SET ofa.clock_offset = '\(now) s'")
    }

    func promote() throws { _ = try queue.connection.query(.jobPromote) }
    func audit() throws -> [String] { try queue.audit() }

    // MARK: State

    private static let groups = Statement(
        name: "Groups",
        sql: """
            select run_id, stage, owner_job, pending, ok, bad, deps_left,
              released_at is not null as released, good
            from ofa.job_group
            """)
    private static let jobs = Statement(
        name: "Jobs",
        sql: """
            select job.id, coalesce(outcome.state, live.state, 'blocked') as state,
              coalesce(live.attempt, 0) as attempt, coalesce(live.crashes, 0) as crashes,
              extract(epoch from live.due_at - timestamptz '2100-01-01 00:00:00+00')::bigint as due,
              live.token, coalesce(live.cancel, false) as cancel, live.seq,
              (select coalesce(string_agg(tried.outcome, ' ' order by tried.token), '')
                from ofa.attempt as tried where tried.job_id = job.id) as tried,
              exists (select from ofa.unique_job where unique_job.job_id = job.id) as has_key
            from ofa.job left join ofa.live on live.job_id = job.id
            left join ofa.outcome on outcome.job_id = job.id
            """)

    func state() throws -> QueueState {
        try readNames()
        var state = QueueState()
        for (index, run) in runs.enumerated() {
            let summary = try queue.run(run)
            state.lines["run \(index + 1)"] = QueueState.run(
                state: summary.state.rawValue, cancelRequested: summary.isCancelRequested)
        }
        for row in try queue.connection.query(Self.groups) {
            let name = try groupName(
                run: row.int64("run_id"), stage: row.text("stage"),
                owner: row.optionalInt64("owner_job"))
            state.lines["group \(name)"] = QueueState.group(
                pending: try row.int("pending"), ok: try row.int("ok"), bad: try row.int("bad"),
                dependencies: try row.int("deps_left"), isReleased: try row.bool("released"),
                good: try row.optionalBool("good"))
        }
        var ready: [(place: Int64, name: String)] = []
        for row in try queue.connection.query(Self.jobs) {
            let name = try name(of: row.int64("id"))
            let token = try row.optionalInt64("token")
            let kind = try row.text("state")
            state.lines["job \(name)"] = QueueState.job(
                state: kind, attempt: try row.int("attempt"),
                crashes: try row.int("crashes"), due: try row.optionalInt64("due").map { Int($0) },
                token: token.map { token in
                    (leases.firstIndex { $0.token == token } ?? -1) + 1
                },
                isCancelled: try row.bool("cancel"),
                tried: try row.text("tried").split(separator: " ").map(String.init),
                hasKey: try row.bool("has_key"))
            if kind == "available" { ready.append((try row.int64("seq"), name)) }
        }
        for permit in try queue.permits() {
            state.lines["permits \(permit.key)"] = "\(permit.held) of \(permit.slots)"
        }
        let inOrder = ready.sorted { $0.place < $1.place }
        state.lines["ready"] = inOrder.map(\.name).joined(separator: " ")
        return state
    }
}

// RaceMatrix: two of eight deeds on one job, the first held at its commit with all its locks while the
// second runs into it. The hold is a deferred trigger that waits for an advisory lock of the test.
import Foundation
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import Jobs

/// What can happen to a job that runs.
enum Deed: String, CaseIterable, Sendable {
    case complete, fail, release, rescue, cancel, retry, deadline, seal
}

/// One race: who came first, whether that one committed, and who ran into it.
struct Race: Sendable, CustomStringConvertible {
    let first: Deed
    let commits: Bool
    let second: Deed

    var description: String {
        "\(first.rawValue) \(commits ? "commits" : "rolls back"), \(second.rawValue)"
    }
}

/// A database in which transactions can be held at their commit.
final class RaceMatrix {
    /// Whoever holds this advisory lock holds the transactions.
    static let hold = 7_316_291_999
    /// Seconds from now at which a job is over its time and its worker's session lives.
    static let overdueAt = 120.0
    /// Seconds from now at which every session is over.
    static let deadAt = 300.0

    private let database: TemporaryDatabase
    private let control: Connection
    private let queue: JobQueue
    private var count = 0

    init() throws {
        database = try TemporaryDatabase()
        control = try database.connect()
        queue = JobQueue(try database.connect())
        try control.script(
            """
            create table public.plan (commits boolean);
            insert into public.plan values (true);
            create function public.hold() returns trigger language plpgsql as $$
            begin
              if current_setting('fault.hold', true) = 'on' then
                perform set_config('fault.hold', 'off', false);
                perform pg_advisory_xact_lock(\(Self.hold));
                if not (select commits from public.plan) then
                  raise exception 'rolled back by the test' using errcode = 'FT001';
                end if;
              end if;
              return null;
            end $$;
            create constraint trigger hold after insert or update or delete on ofa.live
              deferrable initially deferred for each row execute function public.hold();
            create constraint trigger hold after insert or update or delete on ofa.outcome
              deferrable initially deferred for each row execute function public.hold();
            """)
    }

    /// What a race came to: both answers, and the job's state when both are over.
    struct Result: Equatable, CustomStringConvertible {
        var first: String
        var second: String
        var state: String
        var description: String { "\(first) \(second) \(state)" }
    }

    /// Runs one race to its end, and the run after it; what it found is for the caller to judge.
    func run(_ race: Race) throws -> Result {
        count += 1
        let (lease, session) = try prepare(race)
        let flag = race.commits ? "true" : "false"
        try control.script("update public.plan set commits = \(flag)")
        try control.script("select pg_advisory_lock(\(Self.hold))")
        let first = try start(race.first, lease, race, holds: true)
        try wait(for: first)
        let second = try start(race.second, lease, race, holds: false)
        try wait(for: second)
        try control.script("select pg_advisory_unlock(\(Self.hold))")
        let answers = try (first.join(), second.join())
        let state = try queue.job(lease.jobID).state.rawValue
        try finish(lease, session, race)
        return Result(first: answers.0, second: answers.1, state: state)
    }

    // MARK: Before and after

    /// A run of two stages whose first job runs, or is discarded for a retry.
    private func prepare(_ race: Race) throws -> (Lease, Session) {
        let spec = JobSpec(kind: "work", maxAttempts: 5, timeoutSeconds: 10)
        _ = try queue.enqueue(
            RunSpec(
                name: "race \(count)", definition: "", definitionHash: "1",
                stages: [
                    StageSpec(name: "a", job: spec),
                    StageSpec(name: "b", job: JobSpec(kind: "work"), needs: ["a"]),
                ]))
        let session = try queue.openSession(name: "w", ttlSeconds: 100)
        let lease = try #require(try queue.claim(session, kinds: ["work"]).first)
        if race.first == .retry {
            #expect(try queue.fail(lease, error: "broken", retry: false) == .done)
        }
        if race.first == .deadline || race.second == .deadline {
            // The worker beats on, so that only the job is over its time.
            let beating = JobQueue(try database.connect())
            try beating.connection.script("SET ofa.clock_offset = '\(Self.overdueAt - 15) s'")
            #expect(try beating.beat(session) != nil)
        }
        return (lease, session)
    }

    /// Takes the run to its end and looks whether everything was done once.
    private func finish(_ lease: Lease, _ session: Session, _ race: Race) throws {
        try queue.connection.script("SET ofa.clock_offset = '1000 s'")
        defer {
            #expect(throws: Never.self) { try queue.connection.script("RESET ofa.clock_offset") }
        }
        let last = try queue.openSession(name: "last")
        for _ in 0..<20 where try queue.run(lease.runID).state != .completed {
            try queue.rescue()
            try queue.retry(run: lease.runID)
            for next in try queue.claim(last, kinds: ["work"], limit: 10) {
                #expect(try queue.complete(next, result: "1") == .done, "\(race)")
            }
        }
        try queue.close(last)
        let jobs = try queue.jobs(run: lease.runID)
        let children = jobs.filter { $0.stage == "a" && $0.id != lease.jobID }
        #expect(children.isEmpty || children.count == 3, "\(race): \(children.count) children")
        for job in jobs {
            let completed = try queue.attempts(of: job.id).filter { $0.outcome == .completed }
            #expect(job.state == .completed && completed.count == 1, "\(race): job \(job.id)")
        }
        #expect(try QueueProof.violations(queue) == [])
    }

    // MARK: Two threads

    /// A deed under way on a thread and a connection of its own.
    private struct Running {
        let thread: JoinableThread
        let backend: Mutexed<Int>
        let answer: Mutexed<String?>

        func join() throws -> String {
            try thread.join()
            return try #require(answer.value)
        }
    }

    /// A value that two threads share.
    private final class Mutexed<Value: Sendable>: Sendable {
        private let mutex: Mutex<Value>
        init(_ value: Value) { mutex = Mutex(value) }
        var value: Value {
            get { mutex.withLock { $0 } }
            set { mutex.withLock { $0 = newValue } }
        }
    }

    private func start(_ deed: Deed, _ lease: Lease, _ race: Race, holds: Bool) throws -> Running {
        let (backend, answer) = (Mutexed(0), Mutexed<String?>(nil))
        let url = database.url
        let isLate = race.first == .deadline || race.second == .deadline
        let thread = JoinableThread(name: deed.rawValue, stackBytes: 1 << 20) {
            let connection = try Connection(url: url, applicationName: deed.rawValue)
            let offset =
                switch deed {
                case .rescue: Self.deadAt
                case .deadline: Self.overdueAt
                default: isLate ? Self.overdueAt : 0
                }
            try connection.script("SET ofa.clock_offset = '\(offset) s'")
            if holds { try connection.script("SET fault.hold = 'on'") }
            backend.value = connection.backendProcess
            do { answer.value = try Self.perform(deed, JobQueue(connection), lease) } catch let
                error as PostgresError where error.sqlState == "FT001"
            { answer.value = "undone" }
        }
        return Running(thread: thread, backend: backend, answer: answer)
    }

    /// Waits until a deed is over or waits for a lock.
    private func wait(for running: Running) throws {
        let waits = Statement(
            name: "WaitsForLock",
            sql:
                "select wait_event_type = 'Lock' as waits from pg_stat_activity where pid = $1::int"
        )
        let deadline = ContinuousClock.now + .seconds(60)
        while running.answer.value == nil {
            let row = try control.query(waits, [.int(running.backend.value)]).first
            if try row?.optionalBool("waits") == true { return }
            try #require(ContinuousClock.now < deadline, "neither over nor waiting for a lock")
            Thread.sleep(forTimeInterval: 0.001)
        }
    }

    private static func perform(_ deed: Deed, _ queue: JobQueue, _ lease: Lease) throws -> String {
        switch deed {
        case .complete: return try queue.complete(lease, result: "1").rawValue
        case .fail: return try queue.fail(lease, error: "broken").rawValue
        case .release: return try queue.release(lease, reason: "going").rawValue
        case .rescue, .deadline: return "\(try queue.rescue())"
        case .cancel: return try queue.cancel(job: lease.jobID).rawValue
        case .retry:
            do { try queue.retry(job: lease.jobID) } catch let error as JobsError
                where error.code == .wrongState
            { return "refused" }
            return "retried"
        case .seal:
            let children = Array(repeating: JobSpec(kind: "work"), count: 2)
            let fanOut = FanOut(children: children, then: JobSpec(kind: "work"))
            return try queue.complete(lease, result: "1", fanOut: fanOut).rawValue
        }
    }
}

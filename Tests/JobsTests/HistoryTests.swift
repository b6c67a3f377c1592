// Tests of the queue's history by the day: made ahead, dropped, and what it cost stays.
import Foundation
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import Jobs

@Suite("History")
struct HistoryTests {
    private static let day = 86_400.0

    private func names(_ fixture: QueueFixture) throws -> Set<String> {
        Set(try fixture.queue.history().map(\.name))
    }

    /// The name of an attempt partition so many days ahead.
    private func partition(_ days: Int) -> String {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        let date = Date(timeIntervalSinceNow: Double(days) * Self.day)
        let parts = calendar.dateComponents([.year, .month, .day], from: date)
        return String(
            format: "attempt_%04d%02d%02d", parts.year ?? 0, parts.month ?? 0, parts.day ?? 0)
    }

    private func rows(_ fixture: QueueFixture, in table: String) throws -> Int {
        let count = Statement(
            name: "Rows of \(table)", sql: "select count(*) as n from ofa.\(table)")
        return try fixture.queue.connection.queryOne(count).int("n")
    }

    /// Runs one job to its end, another until its worker is lost.
    private func work(_ fixture: QueueFixture, at seconds: Double, name: String) throws {
        try fixture.advance(to: seconds)
        _ = try fixture.enqueueOne(name: name)
        let session = try fixture.queue.openSession(name: "w")
        let lease = try fixture.claimOne(session)
        try fixture.queue.log(lease, lines: ["working"])
        try fixture.advance(to: seconds + 11)
        #expect(try fixture.queue.rescue() == 1)
        let again = try fixture.claimOne(try fixture.queue.openSession(name: "x"))
        try fixture.advance(to: seconds + 12)
        #expect(try fixture.queue.complete(again, result: "{}") == .done)
    }

    @Test("days are made ahead a few at a time, each once")
    func ahead() throws {
        let fixture = try QueueFixture()
        #expect(try names(fixture).contains(partition(7)))
        #expect(try !names(fixture).contains(partition(8)))
        try fixture.queue.openDays()
        #expect(try names(fixture).contains(partition(15)))
        #expect(try !names(fixture).contains(partition(16)))
        for _ in 0..<7 { try fixture.queue.openDays() }
        let made = try names(fixture)
        #expect((0...60).allSatisfy { made.contains(partition($0)) })
        #expect(!made.contains(partition(61)))
        try fixture.queue.openDays()
        #expect(try names(fixture) == made)
    }

    @Test("workers drop what is older than it is to be kept, and nothing where that is not said")
    func retention() throws {
        let fixture = try QueueFixture()
        try work(fixture, at: 0, name: "old")
        try fixture.advance(to: 9 * Self.day)
        #expect(try fixture.queue.applyRetention() == DroppedHistory())
        try fixture.queue.housekeep()
        #expect(try names(fixture).contains(partition(0)))
        try fixture.queue.retain(.history, days: 5)
        try fixture.advance(to: 10 * Self.day)
        try fixture.queue.housekeep()
        let kept = try names(fixture)
        #expect(!kept.contains(partition(4)) && kept.contains(partition(5)))
        try fixture.queue.retain(.history, days: nil)
        #expect(try fixture.queue.retention().isEmpty)
        #expect(throws: JobsError.self) { try fixture.queue.retain(.meter, days: 0) }
        try fixture.expectSound()
    }

    @Test("a day that nobody made is made by whoever writes first")
    func missingDay() throws {
        let fixture = try QueueFixture()
        try work(fixture, at: 30 * Self.day, name: "today")
        #expect(try rows(fixture, in: partition(30)) == 2)
        #expect(try !names(fixture).contains(partition(29)))
        for job in try fixture.queue.jobs() {
            #expect(try fixture.queue.attempts(of: job.id).map(\.outcome) == [.lost, .completed])
            #expect(try fixture.queue.log(of: job.id).count == 1)
        }
        try fixture.expectSound()
    }

    @Test("dropping history keeps what every attempt cost")
    func drop() throws {
        let fixture = try QueueFixture()
        try work(fixture, at: 0, name: "old")
        try work(fixture, at: 3 * Self.day, name: "new")
        let spent = Statement(
            name: "Spent",
            sql: "select sum(attempts)::bigint as n, sum(wall_ns)::bigint as ns from ofa.spent")
        func costs() throws -> [Int64] {
            let row = try fixture.queue.connection.queryOne(spent)
            return [try row.int64("n"), try row.int64("ns")]
        }
        let before = try costs()
        #expect(before[0] == 4)
        let answer = try fixture.queue.drop(.history, olderThanDays: 2)
        #expect(answer.dropped.sorted().first == partition(0))
        #expect(answer.dropped.count == 2 && answer.inUse == nil)
        #expect(try costs() == before)
        #expect(try fixture.queue.jobs().map(\.attempts).sorted() == [0, 2])
        #expect(try fixture.queue.drop(.history, olderThanDays: 2) == DroppedHistory())
        #expect(throws: JobsError.self) {
            try fixture.queue.drop(.history, olderThanDays: 0)
        }
        try fixture.expectSound()
    }

    @Test("what was metered goes by the month; its sums stay")
    func dropMeter() throws {
        let fixture = try QueueFixture()
        try work(fixture, at: 0, name: "old")
        try fixture.advance(to: 70 * Self.day)
        let answer = try fixture.queue.drop(.meter, olderThanDays: 5)
        #expect(
            Set(answer.dropped.compactMap { $0.components(separatedBy: "_2").first })
                == ["meter", "energy_interval", "energy_use", "energy_piece"])
        try work(fixture, at: 70 * Self.day, name: "new")
        try fixture.expectSound()
    }

    @Test(
        "jobs go by the month once all its runs have ended; runs, costs and what made artifacts stay"
    )
    func dropJobs() throws {
        let fixture = try QueueFixture(), queue = fixture.queue
        try work(fixture, at: 0, name: "old")
        let connection = queue.connection
        let made = try #require(try queue.jobs().first)
        try connection.script(
            """
            insert into ofa.blob (digest, raw_bytes, chunks, filter, codec) values (sha256('a'), 0, 0, 'none', 'none');
            insert into ofa.artifact (kind, name, role, digest, run_id, job_id, token, stage)
              values ('subnet', 'a', 'x', sha256('a'), \(made.runID), \(made.id), 1, 'full')
            """)
        let unfinished = try fixture.enqueueOne(name: "unfinished")
        try queue.retain(.jobs, days: 30)
        try fixture.advance(to: 70 * Self.day)
        let month = partition(0).dropFirst("attempt_".count).prefix(6)
        let tables = [
            "job_group", "group_edge", "job", "outcome", "progress", "training_metrics",
            "training_validation",
        ].map { "\($0)_\(month)" }
        func drops() throws -> [String] {
            try queue.applyRetention().dropped.filter { tables.contains($0) }
        }
        #expect(try drops().isEmpty, "a run of the month is unfinished")
        try queue.cancel(run: unfinished)
        #expect(try drops().isEmpty, "it has just ended")
        try fixture.advance(to: 101 * Self.day)
        let next = try fixture.enqueueOne(name: "next")
        #expect(try drops() == tables)
        #expect(try queue.jobs().map(\.runID) == [next])
        #expect(try queue.arguments(of: made.id) == made.args)
        let status = try queue.runStatus(made.runID)
        #expect(status.run.jobsDroppedAt != nil && status.stages.isEmpty)
        #expect(try queue.runStatus(next).run.jobsDroppedAt == nil)
        let error = #expect(throws: JobsError.self) { try queue.retry(run: unfinished) }
        #expect(error?.message.contains("the jobs of run \(unfinished) were dropped") == true)
        #expect(try queue.applyRetention() == DroppedHistory())
        try fixture.expectSound()
        // A clock that is set back cannot make a run there, and did not where partitions of it are left.
        try fixture.advance(to: 0)
        #expect(throws: PostgresError.self) { try fixture.enqueueOne(name: "back") }
        // As the hint says, where the clock was ahead before.
        try connection.script("delete from ofa.closed_month")
        let again = try fixture.enqueueOne(name: "back")
        #expect(try queue.jobs(run: again).count == 1)
        #expect(try queue.retry(run: made.runID) == 0)
        try fixture.expectSound()
    }

    @Test("a retry and the drop of its month see each other")
    func retryBesideDrop() throws {
        let fixture = try QueueFixture(), queue = fixture.queue
        let run = try fixture.enqueueOne(name: "old")
        try queue.cancel(run: run)
        try fixture.advance(to: 70 * Self.day)
        let other = try fixture.database.connect(applicationName: "retry")
        let held = Statement(name: "Held", sql: "select ofa_api_1.hold_month(\(run)) as kept")
        try other.script("begin")
        #expect(try other.queryOne(held).bool("kept"))
        let closes = Statement(
            name: "Close", sql: "select count(*) as n from ofa_api_1.close_month(30)")
        try queue.connection.script("set lock_timeout = 100")
        let error = #expect(throws: PostgresError.self) { try queue.connection.queryOne(closes) }
        #expect(error?.sqlState == "55P03", "it waits for the retry")
        try other.script("commit")
        #expect(try queue.connection.queryOne(closes).int("n") == 1)
        #expect(try !other.queryOne(held).bool("kept"))
    }

    /// A reader of every table of the queue, as pg_dump is: one snapshot, kept.
    private func dump(_ fixture: QueueFixture) throws -> Connection {
        let reader = try fixture.database.connect(applicationName: "dump")
        try reader.script(
            """
            begin isolation level repeatable read;
            do $$ declare v record; begin
              for v in select oid::regclass as name from pg_class
                where relnamespace = 'ofa'::regnamespace and relkind in ('r', 'p')
              loop execute 'lock table ' || v.name || ' in access share mode'; end loop;
            end $$;
            select count(*) from ofa.attempt;
            """)
        return reader
    }

    /// Does `body` while another ends jobs of a new run, who waits a second for each statement and no more; the clock is
    /// so many seconds ahead.
    private func besideEnds(
        _ fixture: QueueFixture, at seconds: Double, _ body: () throws -> Void
    ) throws {
        let jobs = Array(repeating: JobSpec(kind: "work"), count: 200)
        _ = try fixture.enqueue(
            [StageSpec(name: "only", jobs: jobs)],
            name: "beside \(try fixture.queue.runs().count)")
        let url = fixture.database.url
        let ended = Mutex(0), failures = Mutex<[String]>([]), isDone = Mutex(false)
        let finished = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            defer { finished.signal() }
            do {
                let connection = try Connection(
                    url: url,
                    limits: SessionLimits(statementTimeoutSeconds: 1, lockTimeoutSeconds: 1))
                try connection.script("set ofa.clock_offset = '\(seconds) s'")
                let queue = JobQueue(
                    connection, policy: ReconnectPolicy(maxConflicts: 0, maxCancellations: 0))
                let session = try queue.openSession(name: "w", ttlSeconds: 600)
                while true {
                    guard let lease = try queue.claim(session, kinds: ["work"]).first else {
                        return
                    }
                    try queue.log(lease, lines: ["at work"])
                    _ = try queue.complete(lease, result: "{}")
                    ended.withLock { $0 += 1 }
                    if isDone.withLock({ $0 }), ended.withLock({ $0 }) >= 20 { return }
                }
            } catch { failures.withLock { $0.append("\(error)") } }
        }
        defer {
            isDone.withLock { $0 = true }
            finished.wait()
            #expect(failures.withLock { $0 } == [])
            #expect(ended.withLock { $0 } >= 20)
        }
        try fixture.wait { ended.withLock { $0 } > 0 || !failures.withLock { $0.isEmpty } }
        try body()
    }

    @Test(
        "days are made and dropped while a backup reads them, and no end of a job waits a second for it"
    )
    func besideBackup() throws {
        let fixture = try QueueFixture()
        try work(fixture, at: 0, name: "old")
        try fixture.advance(to: 4 * Self.day)
        let reader = try dump(fixture)
        defer { reader.close() }
        try besideEnds(fixture, at: 4 * Self.day) {
            // Dropped is nothing yet: the backup still reads it. Made is what is asked for.
            let first = try fixture.queue.drop(.history, olderThanDays: 2)
            #expect(first.dropped.isEmpty && first.inUse == partition(0))
            try fixture.queue.openDays()
            #expect(try names(fixture).contains(partition(11)))
            let second = try fixture.queue.drop(.history, olderThanDays: 2)
            #expect(second.dropped.isEmpty && second.inUse == partition(0))
        }
        try reader.script("commit")
        let last = try fixture.queue.drop(.history, olderThanDays: 2)
        #expect(last.inUse == nil && last.dropped.count == 4, "\(last)")
        #expect(try !names(fixture).contains(partition(0)))
        try fixture.expectSound()
    }

    @Test(
        "a month of jobs is dropped while a backup reads it, and no end of a job waits a second for it"
    )
    func monthBesideBackup() throws {
        let fixture = try QueueFixture()
        try work(fixture, at: 0, name: "old")
        try fixture.advance(to: 70 * Self.day)
        let month = partition(0).dropFirst("attempt_".count).prefix(6)
        let tables = [
            "job_group", "group_edge", "job", "outcome", "progress", "training_metrics",
            "training_validation",
        ].map { "\($0)_\(month)" }
        let reader = try dump(fixture)
        defer { reader.close() }
        try besideEnds(fixture, at: 70 * Self.day) {
            for _ in 0..<2 {
                let answer = try fixture.queue.drop(.jobs, olderThanDays: 30)
                #expect(answer.dropped.isEmpty && answer.inUse == tables[0], "\(answer)")
            }
        }
        // The reader goes on seeing what there was.
        let seen = Statement(name: "Seen", sql: "select count(*) as n from ofa.job_\(month)")
        #expect(try reader.queryOne(seen).int("n") == 1)
        try reader.script("commit")
        try besideEnds(fixture, at: 70 * Self.day) {
            let last = try fixture.queue.drop(.jobs, olderThanDays: 30)
            #expect(
                last.inUse == nil && Array(last.dropped.prefix(tables.count)) == tables, "\(last)")
        }
        #expect(try names(fixture).isDisjoint(with: tables))
        try fixture.expectSound()
    }
}

// Tests of the queue's history by the day: made ahead, dropped, and what it cost stays.
import Foundation
import Jobs
import Postgres
import TestSupport
import Testing

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

    @Test("the days ahead are made by housekeeping, once an hour at most")
    func ahead() throws {
        let fixture = try QueueFixture()
        #expect(try names(fixture).contains(partition(7)))
        try fixture.advance(to: 30 * Self.day)
        try fixture.queue.housekeep()
        let made = try names(fixture)
        #expect((30...33).allSatisfy { made.contains(partition($0)) })
        #expect(!made.contains(partition(29)) && !made.contains(partition(35)))
        try fixture.advance(to: 30 * Self.day + 3000)
        try fixture.queue.housekeep()
        #expect(try names(fixture) == made)
        try fixture.advance(to: 32 * Self.day)
        try fixture.queue.housekeep()
        #expect(try names(fixture).contains(partition(35)))
    }

    @Test(
        "housekeeping drops what is older than it is told to keep, and nothing where it is not told"
    )
    func retention() throws {
        let fixture = try QueueFixture()
        try work(fixture, at: 0, name: "old")
        try fixture.advance(to: 9 * Self.day)
        try fixture.queue.housekeep()
        #expect(try names(fixture).contains(partition(0)))
        try fixture.advance(to: 10 * Self.day)
        try fixture.queue.housekeep(keepDays: 5)
        let kept = try names(fixture)
        #expect(!kept.contains(partition(4)) && kept.contains(partition(5)))
        try fixture.expectSound()
    }

    @Test("a day that nobody made waits in the default partition and moves when it is made")
    func defaultPartition() throws {
        let fixture = try QueueFixture()
        try work(fixture, at: 30 * Self.day, name: "today")
        // Two days before anybody keeps house again.
        try work(fixture, at: 32 * Self.day, name: "later")
        #expect(try rows(fixture, in: "attempt_default") == 4)
        #expect(try rows(fixture, in: "job_log_default") == 2)
        try fixture.queue.housekeep()
        #expect(try rows(fixture, in: "attempt_default") == 0)
        #expect(try rows(fixture, in: "job_log_default") == 0)
        #expect(try rows(fixture, in: partition(30)) == 2)
        #expect(try rows(fixture, in: partition(32)) == 2)
        for job in try fixture.queue.jobs() {
            #expect(try fixture.queue.attempts(of: job.id).map(\.outcome) == [.lost, .completed])
            #expect(try fixture.queue.log(of: job.id).count == 1)
        }
        try fixture.expectSound()
    }

    @Test("dropping history keeps what every attempt cost, to the nanosecond")
    func drop() throws {
        let fixture = try QueueFixture()
        try work(fixture, at: 0, name: "old")
        try work(fixture, at: 3 * Self.day, name: "new")
        // One attempt was metered, the others are gaps.
        try fixture.queue.connection.script(
            """
            insert into ofa.meter (token, job_id, attempt, outcome, started_at, host, zone, wall_ns, cpu_ns,
              energy_uj, energy_low_uj, energy_high_uj, method, tier)
            select token, job_id, attempt, outcome, started_at, 'h', 'world', 5, 4, 3, 2, 6, 'model', 'C'
            from ofa.attempt order by token limit 1
            """)
        let charged = Statement(
            name: "Charged",
            sql: """
                select coalesce(string_agg(charged_attempt::text, E'\\n' order by token), '') as text
                from ofa.charged_attempt
                """)
        func costs() throws -> String {
            try fixture.queue.connection.queryOne(charged).text("text")
        }
        let before = try costs()
        #expect(before.split(separator: "\n").count == 4)
        let dropped = try fixture.queue.dropHistory(olderThanDays: 2)
        #expect(dropped.sorted().first == partition(0))
        #expect(dropped.count == 2)
        #expect(try costs() == before)
        #expect(try fixture.queue.jobs().map(\.attempts).sorted() == [0, 2])
        #expect(try fixture.queue.dropHistory(olderThanDays: 2) == [])
        #expect(try costs() == before)
        #expect(throws: JobsError.self) { try fixture.queue.dropHistory(olderThanDays: 0) }
        try fixture.expectSound()
    }
}

// Tests of what statements lock after months of history: the partitions of their days, not those of all days there are.
import Foundation
import Postgres
import Schema
import TestSupport
import Testing

@testable import Jobs

@Suite("Partition locks")
struct PartitionLockTests {
    private static let days = 300
    /// Partitions of the day before, the day and the day after, each with its index, and as much again.
    private static let few = 12

    private let fixture: QueueFixture
    private var queue: JobQueue { fixture.queue }

    init() throws {
        fixture = try QueueFixture()
        for start in stride(from: 0, to: Self.days, by: 50) {
            try fixture.queue.connection.script(
                """
                select ofa.open_day((ofa.now() at time zone 'UTC')::date - day)
                from generate_series(\(start + 1), \(start + 50)) as day
                """)
        }
    }

    /// How many relations of days of attempts are locked in a transaction after this statement.
    private func expectFew(
        _ what: String, _ connection: Connection, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let count = Statement(
            name: "Locks",
            sql: """
                select count(*) as n from pg_locks join pg_class on pg_class.oid = relation
                where pid = pg_backend_pid() and relname ~ '^attempt_[0-9]{8}'
                """)
        let found = try connection.queryOne(count).int("n")
        #expect(found <= Self.few, "\(what): \(found)", sourceLocation: sourceLocation)
    }

    private func expectFew(_ what: String, _ requests: [Request]) throws {
        try queue.connection.transaction { connection in
            for request in requests { _ = try connection.query(request) }
            try expectFew(what, connection)
        }
    }

    private func record(_ lease: Lease) -> Request {
        let digest = [UInt8](repeating: UInt8(lease.ordinal), count: 32)
        return .artifactsRecord(
            blobs: [digest], rawBytes: [1], storedBytes: [1], chunks: [1], filters: ["none"],
            codecs: ["none"], chunkBlobs: [digest], ordinals: [0], chunkRawBytes: [1],
            sha256: [digest], data: [[7]], kinds: ["report"], names: ["made"], roles: ["report"],
            digests: [digest], metadata: ["{}"], runs: [lease.runID], jobs: [lease.jobID],
            tokens: [lease.token], stages: ["only"], inputTokens: [], inputs: [], inputRoles: [])
    }

    @Test("ends, their records, and what is asked of attempts lock the partitions of their days")
    func few() throws {
        let run = try fixture.enqueueMany(3)
        let session = try queue.openSession(name: "w")
        let leases = try queue.claim(session, kinds: ["work"], limit: 2)
        func end(_ lease: Lease, _ kind: Ending.Kind) -> Request {
            JobQueue.request(ending: [Ending(lease, kind)], session: session.uuid)
        }
        let done = end(leases[0], .completed(result: "{}"))
        try expectFew("the end", [done])
        try expectFew("the record", [record(leases[0])])
        try expectFew("the end again", [done])
        let failed = end(leases[1], .failed(error: "broken", pauseSeconds: 100))
        try expectFew("a failure and its record", [failed, record(leases[1])])
        let (job, token) = (leases[1].jobID, leases[1].token)
        try expectFew(
            "LeaseOutcome", [.leaseOutcome(job: job, token: token, session: session.uuid)])
        try expectFew("JobAttempts", [.jobAttempts(job: job)])
        try expectFew(
            "ProgressSaveLast",
            [.progressSaveLast(job: job, token: token, fraction: 0.5, message: "half")])
        try expectFew("RunStages", [.runStages(run: run)])
        #expect(try queue.runStatus(run).stages.first?.problem == "broken")
        #expect(try queue.attempts(of: job).map(\.error) == ["broken"])
        let made = Statement(name: "Made", sql: "select count(*) as n from ofa.artifact")
        #expect(try queue.connection.queryOne(made).int("n") == 1)
    }

    @Test("what was attempted months ago is found, also when the job goes on today")
    func old() throws {
        try fixture.advance(to: -200 * 86_400)
        let run = try fixture.enqueueOne()
        let lease = try fixture.claimOne(try queue.openSession(name: "w", ttlSeconds: 3000))
        #expect(try queue.fail(lease, error: "broken") == .done)
        try fixture.advance(to: 0)
        #expect(try queue.attempts(of: lease.jobID).map(\.error) == ["broken"])
        #expect(try queue.runStatus(run).stages.first?.problem == "broken")
        try queue.housekeep()
        let again = try fixture.claimOne(try queue.openSession(name: "x"))
        #expect(try queue.complete(again, result: "{}") == .done)
        #expect(try queue.attempts(of: lease.jobID).map(\.outcome) == [.failed, .completed])
    }
}

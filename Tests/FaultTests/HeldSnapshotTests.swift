// Fault 9: a snapshot is held open while tens of thousands of jobs drain, so that not one dead version of a
// row can be removed. What a claim and an end read is counted in blocks, not timed.
import Foundation
import Postgres
import Schema
import TestSupport
import Testing

@testable import Jobs

@Suite("Fault 9: held xmin", .serialized)
struct HeldSnapshotTests {
    private static let limit = 50
    /// The blocks of the heap and of the index of ready jobs, for each job that is in them.
    private static let blocksPerJob = Statement(
        name: "BlocksPerJob",
        sql: """
            select (pg_relation_size('ofa.live') + pg_relation_size('ofa.live_ready'))::float8
              / current_setting('block_size')::int / count(*) as blocks from ofa.live
            """)

    @Test("claims read no more at the end of a drain under a held snapshot than at its start")
    func claims() throws {
        let jobs = ScaledForm.pick(20_000, 200_000)
        // A server of its own: floors wait for every transaction of the server that writes, and those of other
        // tests may take their time.
        let database = try DedicatedServer(settings: TestServer.settings)
        defer { withExtendedLifetime(database) {} }
        let queue = JobQueue(try database.connect())
        try Migrator(queue.connection).migrate()
        _ = try queue.enqueue(
            RunSpec(
                name: "drain", definition: "", definitionHash: "1",
                stages: [
                    StageSpec(
                        name: "a", jobs: Array(repeating: JobSpec(kind: "work"), count: jobs))
                ]))
        let holder = try database.connect(applicationName: "holder")
        try holder.script("begin isolation level repeatable read")
        try holder.script("select count(*) from ofa.live")

        let perJob = try queue.connection.queryOne(Self.blocksPerJob).double("blocks")
        let session = try queue.openSession(name: "w", ttlSeconds: 600)
        let request = ClaimRequest(kinds: ["work"], limit: Self.limit)
        // What is looked at is a claim of one job: it reads the lane and hardly anything else.
        let probe = ClaimRequest(kinds: ["work"], limit: 1)
        var leases = try queue.claim(session, request)
        var (done, claims, ends) = (0, [Int](), [Int]())
        while !leases.isEmpty {
            let endings = leases.map { Ending($0, .completed(result: "1")) }
            if done / Self.limit % 20 == 19 {
                claims.append(try blocks(queue, queue.claimRequest(session, probe)))
                ends.append(
                    try blocks(
                        queue,
                        JobQueue.request(ending: endings, session: session.uuid)))
            }
            let round = try queue.endAndClaim(session, endings, request)
            #expect(round.answers.allSatisfy { $0 == .done })
            done += leases.count
            leases = round.leases
        }
        #expect(done == jobs)
        // Without floors a claim would read every job that is gone: this is what they save.
        let blind = try blocks(
            JobQueue(queue.connection),
            JobQueue(queue.connection).claimRequest(session, probe))
        // What keepers look for twice a second is not sought among them.
        let look = try blocks(JobQueue(queue.connection), Request(.jobsLost))
        #expect(look < 50, "\(look) blocks to see that nobody is lost")
        print("held xmin: \(jobs) jobs; blocks of a claim \(claims.first ?? 0) at the start, ")
        print(
            "  \(claims.max() ?? 0) at most, \(claims.last ?? 0) at the end, \(blind) without floors;"
        )
        print("  blocks of an end of \(Self.limit) jobs \(ends.first ?? 0), then \(ends.last ?? 0)")
        try holder.script("rollback")
        // A floor lags by its stride, and by the claims between the note, the check and the raise. That
        // stretch is read in the order of the index, which is that of the heap; twice, for the versions
        // that these probes take back lie among them.
        let stretch = Double(LaneFloors.stride) + 4 * Double(Self.limit)
        let bound = (claims.first ?? 0) + Int((2 * stretch * perJob).rounded(.up))
        print("  at most \(bound) expected")
        #expect(claims.allSatisfy { $0 <= bound }, "\(claims), at most \(bound)")
        #expect(blind > bound, "without floors \(blind): the test would not see a difference")
        try QueueProof.expect(queue, after: 1, "held snapshot", "9 held xmin")
    }

    /// The blocks that a statement reads, found or fetched; what it does is taken back.
    private func blocks(_ queue: JobQueue, _ request: Request) throws -> Int {
        struct TakenBack: Error { let blocks: Int }
        let (statement, binds) = (request.statement, request.binds)
        let explained = Statement(
            name: "Explain\(statement.name)",
            sql: "explain (analyze, buffers, timing off, format json) " + statement.sql)
        do {
            try queue.connection.transaction { connection in
                let text = try connection.queryOne(explained, binds).json("QUERY PLAN")
                let plans = try JSONDecoder().decode([Explained].self, from: Data(text.utf8))
                let plan = try #require(plans.first).plan
                throw TakenBack(blocks: plan.hit + plan.read)
            }
        } catch let taken as TakenBack { return taken.blocks }
        return 0
    }

    private struct Explained: Decodable {
        struct Plan: Decodable {
            let hit: Int
            let read: Int
            private enum CodingKeys: String, CodingKey {
                case hit = "Shared Hit Blocks"
                case read = "Shared Read Blocks"
            }
        }
        let plan: Plan
        private enum CodingKeys: String, CodingKey { case plan = "Plan" }
    }
}

// Tests of what a claim locks and writes: nothing when it finds nothing, and only the rows it takes when it does.
import Foundation
import Postgres
import TestSupport
import Testing

@testable import Jobs

@Suite("Claim")
struct ClaimTests {
    private static let transaction = Statement(
        name: "Transaction", sql: "select pg_current_xact_id_if_assigned() is not null as writes")
    /// The rows that another transaction has locked.
    private static let unlocked = Statement(
        name: "Unlocked",
        sql: "select count(*) as n from (select from ofa.live for update skip locked) as free")
    private static let lockedSessions = Statement(
        name: "LockedSessions",
        sql:
            "select 1 - count(*) as n from (select from ofa.session for update skip locked) as free"
    )

    /// Jobs of `lanes` lanes, so many each, in turn.
    private func jobs(lanes: Int, each: Int) -> [JobSpec] {
        (0..<lanes * each).map { JobSpec(kind: "work", memoryMB: $0 % lanes) }
    }

    @Test("a claim that finds nothing takes no transaction id and locks nothing")
    func empty() throws {
        let fixture = try QueueFixture(), queue = fixture.queue, other = try fixture.another()
        let session = try queue.openSession(name: "w")
        let suspects = jobs(lanes: 3, each: 1)
        _ = try fixture.enqueue([StageSpec(name: "a", jobs: suspects)])
        for lease in try queue.claim(session, kinds: ["work"], limit: 9) {
            _ = try queue.release(lease, reason: "x", crashed: true)
        }
        _ = try fixture.enqueueOne(JobSpec(kind: "work", delaySeconds: 60), name: "later")
        _ = try fixture.enqueueOne(JobSpec(kind: "other"), name: "other")
        let requests = [
            ClaimRequest(kinds: ["work"], limit: 9, alone: false),
            ClaimRequest(kinds: ["work"], run: 7, limit: 9), ClaimRequest(kinds: ["none"]),
        ]
        try queue.connection.transaction { connection in
            let found = try requests.flatMap { try queue.claim(session, $0) }
            #expect(found.isEmpty)
            #expect(try !connection.queryOne(Self.transaction).bool("writes"))
            #expect(try other.connection.queryOne(Self.lockedSessions).int("n") == 0)
        }
        #expect(try queue.claim(session, kinds: ["work"], limit: 9).count == 1)
    }

    @Test("a claim from many lanes locks the rows it takes and no others, the oldest first")
    func lanes() throws {
        let fixture = try QueueFixture(), queue = fixture.queue, other = try fixture.another()
        _ = try fixture.enqueue([StageSpec(name: "a", jobs: jobs(lanes: 10, each: 20))])
        let session = try queue.openSession(name: "w")
        try queue.connection.transaction { _ in
            let leases = try queue.claim(session, kinds: ["work"], limit: 25)
            #expect(leases.map(\.ordinal) == Array(0..<25))
            #expect(try other.connection.queryOne(Self.unlocked).int("n") == 175)
        }
    }

    @Test("where others hold what is most urgent in every lane, a claim takes what nobody holds")
    func contention() throws {
        let fixture = try QueueFixture(), queue = fixture.queue
        let urgent = Array(repeating: JobSpec(kind: "work", priority: -1), count: 5)
        _ = try fixture.enqueue([StageSpec(name: "a", jobs: urgent + jobs(lanes: 2, each: 5))])
        let session = try queue.openSession(name: "w")
        try queue.connection.transaction { _ in
            #expect(try queue.claim(session, kinds: ["work"], limit: 5).count == 5)
            let other = try fixture.another(), second = try other.openSession(name: "v")
            let rest = try other.claim(second, kinds: ["work"], limit: 5)
            #expect(rest.map(\.ordinal) == [5, 7, 9, 11, 13])
        }
        try fixture.expectSound()
    }

    @Test("a session that is over gets nothing, and what it looked at stays free")
    func sessionOver() throws {
        let fixture = try QueueFixture(), queue = fixture.queue
        _ = try fixture.enqueueOne()
        let session = try queue.openSession(name: "w", ttlSeconds: 1)
        try fixture.advance(to: 2)
        #expect(try queue.claim(session, kinds: ["work"]).isEmpty)
        #expect(try queue.claim(queue.openSession(name: "v"), kinds: ["work"]).count == 1)
    }

    @Test("a job goes only to a worker that offers all it requires")
    func requires() throws {
        let fixture = try QueueFixture(), queue = fixture.queue
        let specs = [["gpu", "device:board"], ["gpu"], []].map {
            JobSpec(kind: "work", requires: $0)
        }
        _ = try fixture.enqueue([StageSpec(name: "a", jobs: specs)])
        func claim(_ offers: [String]) throws -> [Int] {
            let session = try queue.openSession(name: "w", offers: offers)
            let leases = try queue.claim(session, kinds: ["work"], limit: 9)
            for lease in leases { _ = try queue.release(lease, reason: "x") }
            return leases.map(\.ordinal).sorted()
        }
        #expect(try claim([]) == [2])
        #expect(try claim(["gpu"]) == [1, 2])
        #expect(try claim(["device:board"]) == [2])
        #expect(try claim(["device:board", "gpu", "tpu"]) == [0, 1, 2])
        for (offers, run) in [([String](), 1), (["gpu"], 1)] {
            #expect(
                try queue.hasJobsInSight(run: RunID(run), kinds: ["work"], offers: offers))
        }
        let one = try queue.openSession(name: "w")
        _ = try queue.complete(
            #require(try queue.claim(one, kinds: ["work"]).first), result: "{}")
        #expect(try !queue.hasJobsInSight(run: nil, kinds: ["work"]))
        try fixture.expectSound()
    }
}

// Fault 7: the server dies and a standby that lags takes over: the last moments are forgotten, tokens and places in
// lanes are issued again. What was leased in the forgotten time is fenced by the session, whatever its number.
import Foundation
import Postgres
import Schema
import TestSupport
import Testing

@testable import Jobs

extension FaultTests {
    @Test(
        "7: when a standby that lags takes over, tokens come again, no late write counts, no job is lost"
    )
    func promotion() throws {
        for _ in 0..<FaultLength.count(short: 1, perSecond: 1.0 / 15) { try promote() }
    }

    private func promote() throws {
        let place = try FaultPlace()
        let queue = place.queue
        let kept = try place.enqueue("kept", Array(repeating: JobSpec(kind: "noop"), count: 400))
        let survivor = try queue.openSession(name: "survivor", ttlSeconds: 600)
        let known = try queue.claim(survivor, kinds: ["noop"], limit: 10)
        let standby = try place.server.makeStandby()
        // A worker that finds whichever of the two writes, and works through it all.
        let sleep = JobSpec(kind: "sleep", args: #"{"seconds":0.03}"#, maxCrashes: 1000)
        let spanning = try place.enqueue("spanning", Array(repeating: sleep, count: 150))
        let worker = try place.startWorker(
            "spans", through: try place.url(thenOf: standby), ["--kinds", "sleep"])
        try place.wait("the worker works") {
            try queue.jobs(run: spanning, state: .completed).count > 3
        }
        var forgotten: ForgottenTime?
        let memory = try FloorMemory(place, thenOf: standby) {
            try standby.catchUp(with: place.server)
            try standby.cutReplication()
            forgotten = try ForgottenTime(queue, survivor)
        }
        try place.server.stopImmediately()
        try standby.promote()

        let after = JobQueue(try Connection(url: standby.url))
        let fresh = try after.openSession(name: "fresh", ttlSeconds: 600)
        let leases = try after.claim(fresh, kinds: ["noop"], limit: 200)
        #expect(leases.count == 200)
        let lost = try #require(forgotten)
        let twice = try lost.expectFenced(after, holding: known, others: leases)
        // What was leased before the standby fell behind is still its worker's.
        let ends = known.map { Ending($0, .completed(result: "1")) }
        #expect(Set(try after.end(ends, session: survivor.uuid)) == [.done])
        let all = leases.map { Ending($0, .completed(result: "1")) }
        #expect(Set(try after.end(all, session: fresh.uuid)) == [.done])
        try memory.expectAllFound(standby)

        let rest = try place.startWorker(
            "rest", through: standby.url, ["--kinds", "noop", "--until-idle", "--prefetch", "32"])
        try place.wait("the runs ended") {
            try [kept, spanning].allSatisfy { try after.run($0).state == .completed }
        }
        for process in [rest, worker] { process.terminate() }
        for process in [rest, worker] { #expect(process.wait() == 0, "\(process.errors)") }
        #expect(try after.results(run: kept, stage: "only").count == 400)
        try place.expectSound(of: standby)
        try place.report("7 promotion", disturbances: twice, of: "tokens again", at: after)
    }
}

/// What was done at a server after its standby had stopped to follow: claims, ends, a session, a run.
private struct ForgottenTime {
    private let session: Session
    private let survivor: Session
    /// Leases of the forgotten session, and of one that the standby knows too.
    private let mine, again: [Lease]

    init(_ queue: JobQueue, _ survivor: Session) throws {
        self.survivor = survivor
        session = try queue.openSession(name: "forgotten", ttlSeconds: 600)
        mine = try queue.claim(session, kinds: ["noop"], limit: 100)
        again = try queue.claim(survivor, kinds: ["noop"], limit: 100)
        #expect(mine.count == 100 && again.count == 100)
        let ends = again.prefix(50).map { Ending($0, .completed(result: "1")) }
        #expect(Set(try queue.end(ends, session: survivor.uuid)) == [.done])
        let jobs = Array(repeating: JobSpec(kind: "noop"), count: 300)
        _ = try queue.enqueue(
            RunSpec(
                name: "forgotten", definition: "", definitionHash: "forgotten",
                stages: [StageSpec(name: "only", jobs: jobs)]))
    }

    /// Tries every write in the name of the forgotten leases; returns how many of their tokens `others`
    /// got once more.
    func expectFenced(
        _ queue: JobQueue, holding known: [Lease], others: [Lease]
    ) throws -> Int {
        let twice = Set(others.map(\.token)).intersection((mine + again).map(\.token))
        #expect(!twice.isEmpty, "no token came twice: the test shows nothing")
        for lease in mine + again {
            #expect(try queue.saveCheckpoint(lease, name: "late", seq: 1, payload: "0") == .fenced)
        }
        for (leases, session) in [(mine, session), (again, survivor)] {
            let ends = leases.map { Ending($0, .completed(result: "0")) }
            #expect(Set(try queue.end(ends, session: session.uuid)) == [.fenced])
        }
        #expect(try queue.beat(session, holding: mine) == nil)
        let beat = try #require(try queue.beat(survivor, holding: known + again))
        #expect(beat.held == Set(known.map(\.token)))
        return twice.count
    }
}

/// A client that has read a lane up to beyond what the standby knows of, and remembers.
private struct FloorMemory {
    private static let count = 600
    private let client: JobQueue
    private let floor: Int64

    /// Fills a lane before and after `cut`, and works it off at the server that will be forgotten.
    init(_ place: FaultPlace, thenOf standby: DedicatedServer, cut: () throws -> Void) throws {
        let jobs = Array(repeating: JobSpec(kind: "spin"), count: Self.count)
        _ = try place.enqueue("floor before", jobs)
        try cut()
        _ = try place.enqueue("floor forgotten", jobs)
        client = JobQueue(
            try Connection(url: try place.url(thenOf: standby)),
            policy: ReconnectPolicy(maxDelaySeconds: 0.1))
        let session = try client.openSession(name: "remembers", ttlSeconds: 600)
        for _ in 0..<2 * Self.count / 50 {
            let leases = try client.claim(session, kinds: ["spin"], limit: 50)
            let ends = leases.map { Ending($0, .completed(result: "1")) }
            _ = try client.end(ends, session: session.uuid)
        }
        floor = try #require(client.floors.known.floors.max())
    }

    /// Works the lane off at the standby, where every place but one is below the floor.
    func expectAllFound(_ standby: DedicatedServer) throws {
        let direct = try standby.connect()
        try direct.script(
            """
            update ofa.live set seq = seq + 100000 where job_id = (
              select max(job_id) from ofa.live join ofa.lane on lane.id = lane_id and kind = 'spin')
            """)
        let below = try direct.queryOne(
            Statement(
                name: "Below",
                sql: """
                    select count(*) as n from ofa.live
                    join ofa.lane on lane.id = lane_id and kind = 'spin' where seq < $1::bigint
                    """), [.int(floor)]
        ).int("n")
        #expect(below == Self.count - 1)
        let session = try client.openSession(name: "remembers still", ttlSeconds: 600)
        var done = 0
        while done < Self.count {
            let leases = try client.claim(session, kinds: ["spin"], limit: 50)
            #expect(done > 0 || leases.count == 50, "the floor of the old server still counts")
            try #require(!leases.isEmpty, "\(Self.count - done) jobs are not found")
            done += leases.count
            let ends = leases.map { Ending($0, .completed(result: "1")) }
            #expect(Set(try client.end(ends, session: session.uuid)) == [.done])
        }
        #expect(done == Self.count)
    }
}

extension FaultPlace {
    /// The URL of whichever of two servers writes: this place's, or the one that takes over from it.
    fileprivate func url(thenOf standby: DedicatedServer) throws -> String {
        let folders = try [server, standby].map { try DatabaseURL.socketFolder(of: $0.url) }
        let hosts = folders.joined(separator: ",")
        return DatabaseURL.url(url, host: hosts, port: 5432) + "&target_session_attrs=read-write"
    }
}

// Fault 5: the connection is cut at every message of the protocol of every write, on the way there and on the way
// back, before and after the message arrives. Done again as a worker does it again, each counts once.
import Foundation
import Jobs
import Postgres
import Synchronization
import TestSupport
import Testing

extension FaultTests {
    /// What a worker writes.
    enum Write: String, CaseIterable {
        case enqueue, claim, complete, endAndClaim, checkpoint, fanOut
    }

    @Test("5: cut at every message of a write, a worker that does it again has it exactly once")
    func commitUnknown() throws {
        let place = try FaultPlace.onSharedServer()
        let proxy = try TCPProxy(before: place.url)
        let cutter = try WriteCutter(place, proxy)
        var all = 0
        for write in Write.allCases {
            let cuts = try cutter.cutEverywhere(write)
            // The fewest: three messages there and three back, and nothing at all either way.
            #expect(cuts >= 8, "\(write)")
            all += cuts
        }
        try place.expectSound()
        try place.report("5 commit unknown", disturbances: all, of: "cuts")
    }

    @Test("5: a run whose enqueue was not answered and that ended meanwhile is not enqueued again")
    func enqueueUnanswered() throws {
        let place = try FaultPlace.onSharedServer()
        let proxy = try TCPProxy(before: place.url)
        let url = proxy.url(of: place.url)
        // A rehearsal tells which message back answers COMMIT: the last text that is no row, between two
        // signs of readiness.
        _ = try JobQueue(try Connection(url: url)).enqueue(WriteCutter.oneJob("rehearsal"))
        let back = proxy.count(.toClient).types
        let found = try #require(back.range(of: "ZCZ", options: .backwards))
        let commit = back.distance(from: back.startIndex, to: found.lowerBound) + 2
        proxy.arm(.init(.toClient, message: commit, isForwarded: false, isSilence: true))

        let answer = Mutex<Result<RunID, any Error>?>(nil)
        let done = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            let result = Result {
                try JobQueue(try Connection(url: url)).enqueue(WriteCutter.oneJob("once"))
            }
            answer.withLock { $0 = result }
            done.signal()
        }
        try place.wait("the run is there and nobody was told") {
            try proxy.isSilent && place.queue.runs().contains { $0.name == "once" }
        }
        let session = try place.queue.openSession(name: "quick")
        for lease in try place.queue.claim(session, kinds: ["noop"], limit: 10) {
            #expect(try place.queue.complete(lease, result: "1") == .done)
        }
        proxy.cutAll()
        proxy.resume()
        done.wait()
        let run = try #require(answer.withLock { $0 }).get()
        let runs = try place.queue.runs().filter { $0.name == "once" }
        #expect(runs.map(\.id) == [run] && runs[0].state == .completed)
        try place.expectSound()
    }
}

extension FaultTests {
    @Test(
        "5: a claim that the server does after its worker was cut off and claimed again is given back"
    )
    func lateClaim() throws {
        let place = try FaultPlace.onSharedServer()
        let proxy = try TCPProxy(before: place.url)
        let barrier = try Barrier(
            place, table: "ofa.live", event: "update",
            when: "new.state = 'running' and old.state <> 'running'")
        let run = try place.queue.enqueue(WriteCutter.oneJob("late"))
        let worker = try place.startWorker("cut off", through: proxy.url(of: place.url))
        try place.wait("the claim is under way") { try barrier.isReached() }
        proxy.cutAll()
        // It is back when it looks for work again, and finds none: the row is locked.
        let again =
            "select count(*) as n from pg_stat_activity where application_name = 'ofa cut off'"
        try place.wait("the worker is back") { try place.ask(again).int("n") == 2 }
        Thread.sleep(forTimeInterval: 0.2)
        try barrier.open()
        try place.wait("the job is done", seconds: 20) {
            try place.queue.run(run).state == .completed
        }
        worker.terminate()
        #expect(worker.wait() == 0, "\(worker.errors)")
        try place.expectSound()
    }
}

/// Does one write again and again through a proxy that cuts it at another message every time.
private final class WriteCutter {
    private let place: FaultPlace
    private let proxy: TCPProxy
    private let queue: JobQueue
    private let session: Session
    private var number = 0
    /// Sessions through the proxy that were cut off and are not at their end yet.
    private static let cutOff = """
        select count(*) as n from pg_stat_activity
        where datname = current_database() and application_name = 'cut'
          and (pid <> $1::int or state <> 'idle')
        """

    init(_ place: FaultPlace, _ proxy: TCPProxy) throws {
        self.place = place
        self.proxy = proxy
        let policy = ReconnectPolicy(firstDelaySeconds: 0.001, maxDelaySeconds: 0.01)
        queue = JobQueue(
            try Connection(url: proxy.url(of: place.url), applicationName: "cut"), policy: policy)
        session = try queue.openSession(name: "cut", ttlSeconds: 600)
    }

    static func oneJob(_ name: String, count: Int = 1) -> RunSpec {
        RunSpec(
            name: name, definition: "", definitionHash: name,
            stages: [
                StageSpec(name: "only", jobs: Array(repeating: JobSpec(kind: "noop"), count: count))
            ])
    }

    /// Cuts after the first message, the second and so on, until the write is over before the cut comes; and
    /// before the first. To cut before any other is to cut after the one before it: the long form does that too.
    func cutEverywhere(_ write: FaultTests.Write) throws -> Int {
        var cuts = 0
        for direction in TCPProxy.Direction.allCases {
            for isForwarded in [false, true] {
                var message = 1
                while try cut(write, .init(direction, message: message, isForwarded: isForwarded)) {
                    message += 1
                    cuts += 1
                    try #require(message < 200)
                    if !isForwarded && FaultLength.seconds == 0 { break }
                }
            }
        }
        return cuts
    }

    /// Does the write with one cut; false when the cut did not come.
    private func cut(_ write: FaultTests.Write, _ fault: TCPProxy.Fault) throws -> Bool {
        number += 1
        let name = "\(write) \(number)"
        let comment = Comment(
            rawValue: "\(name): \(fault.direction) \(fault.message) \(fault.isForwarded)")
        if write == .enqueue {
            proxy.arm(fault)
            let run = try queue.enqueue(Self.oneJob(name))
            let isCut = disarm()
            #expect(try place.queue.runs(limit: 2).filter { $0.name == name }.map(\.id) == [run])
            try finish(comment)
            return isCut
        }
        let run = try place.queue.enqueue(Self.oneJob(name, count: 2))
        let isCut: Bool
        switch write {
        case .enqueue, .claim:
            proxy.arm(fault)
            let leases = try claimAsAWorker([])
            isCut = disarm()
            #expect(leases.count == 1, comment)
            try settle(known: leases)
            let running = try place.queue.jobs(state: .running)
            #expect(running.map(\.id) == leases.map(\.jobID), comment)
            for lease in leases { #expect(try queue.complete(lease, result: "1") == .done) }
        case .complete:
            let lease = try claimOne()
            proxy.arm(fault)
            let answer = try queue.complete(lease, result: "1")
            isCut = disarm()
            #expect(answer != .fenced, comment)
        case .endAndClaim:
            let lease = try claimOne()
            proxy.arm(fault)
            let leases = try claimAsAWorker(
                [Ending(lease, .completed(result: "1"))], inHand: [lease])
            isCut = disarm()
            for lease in leases { #expect(try queue.complete(lease, result: "1") == .done) }
        case .checkpoint:
            let lease = try claimOne()
            proxy.arm(fault)
            let answer = try queue.saveCheckpoint(lease, name: "state", seq: 1, payload: "7")
            isCut = disarm()
            #expect(answer == .done, comment)
            let saved = try place.queue.latestCheckpoint(lease.jobID, name: "state")
            #expect(saved?.seq == 1 && saved?.payload == "7", comment)
            #expect(try queue.complete(lease, result: "1") == .done)
        case .fanOut:
            let lease = try claimOne()
            let child = JobSpec(kind: "noop")
            let fanOut = FanOut(children: [child, child, child], then: child)
            proxy.arm(fault)
            let answer = try queue.complete(lease, result: "1", fanOut: fanOut)
            isCut = disarm()
            #expect(answer != .fenced, comment)
            #expect(try place.queue.jobs(run: run).count == 6, comment)
        }
        try finish(comment)
        #expect(try place.queue.run(run).state == .completed, comment)
        return isCut
    }

    /// True when the fault came.
    private func disarm() -> Bool {
        let isCut = !proxy.isArmed
        proxy.arm(nil)
        return isCut
    }

    private func claimOne() throws -> Lease {
        try #require(try claimAsAWorker([]).first)
    }

    /// Ends and claims as Producer does: again after a loss, with orphans given back first.
    private func claimAsAWorker(_ endings: [Ending], inHand: [Lease] = []) throws -> [Lease] {
        var isFirst = true
        return try queue.connection.withReconnect(queue.policy) { _ in
            if !isFirst { try queue.releaseOrphans(session, known: inHand) }
            isFirst = false
            let (answers, leases) = try queue.endAndClaim(
                session, endings, ClaimRequest(kinds: ["noop"]))
            #expect(!answers.contains(.fenced))
            return leases
        }
    }

    /// What was cut off may take place after it was done again; a lease keeper looks for such claims.
    private func settle(known: [Lease]) throws {
        let own: [SQLValue] = [.int(queue.connection.backendProcess)]
        try place.wait("the server is done with what was cut off") {
            try place.ask(Self.cutOff, own).int("n") == 0
        }
        try place.queue.releaseOrphans(session, known: known)
    }

    /// Does all that is left, undisturbed, and recounts.
    private func finish(_ comment: Comment) throws {
        try settle(known: [])
        while true {
            let leases = try place.queue.claim(session, kinds: ["noop"], limit: 10)
            if leases.isEmpty { break }
            let endings = leases.map { Ending($0, .completed(result: "1")) }
            let answers = try place.queue.end(endings, session: session.uuid)
            #expect(answers.allSatisfy { $0 == .done }, comment)
        }
        #expect(try place.queue.jobs(state: .running).isEmpty, comment)
        if number % 10 == 0 { #expect(try place.queue.audit() == [], comment) }
    }
}

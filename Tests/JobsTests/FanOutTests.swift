// Tests of fan-out and fan-in: Settlement under concurrent completions.
import Foundation
import Jobs
import Postgres
import Synchronization
import TestSupport
import Testing

@Suite("Fan-out")
struct FanOutTests {
    private func children(_ count: Int) -> [JobSpec] {
        (0..<count).map { JobSpec(kind: "work", args: "\($0)") }
    }

    @Test("children end the stage, and the stage after it reads their results in order")
    func plainFanOut() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueChain(["a", "b"])
        let session = try fixture.queue.openSession(name: "w")
        let planner = try fixture.claimOne(session)
        _ = try fixture.queue.complete(
            planner, result: #""plan""#, fanOut: FanOut(children: children(3)))
        let leases = try fixture.queue.claim(session, kinds: ["work"], limit: 10)
        #expect(leases.map(\.ordinal) == [1, 2, 3])
        #expect(leases.map(\.args) == ["0", "1", "2"])
        for lease in leases.reversed() {
            #expect(try fixture.states(run)["b"] == "blocked")
            _ = try fixture.queue.complete(lease, result: lease.args)
        }
        #expect(try fixture.states(run)["b"] == "available")
        #expect(try fixture.queue.results(run: run, stage: "a") == ["0", "1", "2"])
        try fixture.expectSound()
    }

    @Test(
        "the job after a fan-out waits for the children, reads their results, and speaks for the stage"
    )
    func fanOutThen() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueChain(["a", "b"])
        let session = try fixture.queue.openSession(name: "w")
        let fanOut = FanOut(children: children(2), then: JobSpec(kind: "work", args: #""then""#))
        _ = try fixture.queue.complete(try fixture.claimOne(session), result: "0", fanOut: fanOut)
        for lease in try fixture.queue.claim(session, kinds: ["work"], limit: 10) {
            #expect(lease.args != #""then""#)
            _ = try fixture.queue.complete(lease, result: lease.args)
        }
        let then = try fixture.claimOne(session)
        #expect(then.args == #""then""#)
        #expect(try fixture.queue.childResults(of: then.jobID) == ["0", "1"])
        #expect(try fixture.states(run)["b"] == "blocked")
        _ = try fixture.queue.complete(then, result: #""sum""#)
        #expect(try fixture.queue.results(run: run, stage: "a") == [#""sum""#])
        #expect(try fixture.states(run)["b"] == "available")
        try fixture.expectSound()
    }

    @Test("a fan-out without children lets the job after it start at once")
    func emptyFanOut() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueChain(["a", "b"])
        let session = try fixture.queue.openSession(name: "w")
        let fanOut = FanOut(children: [], then: JobSpec(kind: "work", args: "7"))
        _ = try fixture.queue.complete(try fixture.claimOne(session), result: "0", fanOut: fanOut)
        let then = try fixture.claimOne(session)
        #expect(then.args == "7")
        #expect(try fixture.queue.childResults(of: then.jobID).isEmpty)
        _ = try fixture.queue.complete(then, result: "{}")
        #expect(try fixture.states(run)["b"] == "available")
        try fixture.expectSound()
    }

    @Test("results of fan-outs inside fan-outs keep the order of the jobs, not of time")
    func nested() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueOne()
        let session = try fixture.queue.openSession(name: "w")
        let planner = try fixture.claimOne(session)
        _ = try fixture.queue.complete(planner, result: "0", fanOut: FanOut(children: children(2)))
        for lease in try fixture.queue.claim(session, kinds: ["work"], limit: 2).reversed() {
            let inner = FanOut(
                children: [
                    JobSpec(kind: "work", args: "\(lease.args)0"),
                    JobSpec(kind: "work", args: "\(lease.args)1"),
                ].map {
                    var spec = $0
                    spec.args = "\"\(spec.args)\""
                    return spec
                })
            _ = try fixture.queue.complete(lease, result: "9", fanOut: inner)
        }
        for lease in try fixture.queue.claim(session, kinds: ["work"], limit: 9) {
            _ = try fixture.queue.complete(lease, result: lease.args)
        }
        let results = try fixture.queue.results(run: run, stage: "only")
        #expect(results == [#""00""#, #""01""#, #""10""#, #""11""#])
        try fixture.expectSound()
    }

    @Test("a child that is discarded cancels the job after it and the stages that need this one")
    func badChild() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueChain(["a", "b", "c"])
        let session = try fixture.queue.openSession(name: "w")
        let fanOut = FanOut(children: children(2), then: JobSpec(kind: "work", args: "7"))
        _ = try fixture.queue.complete(try fixture.claimOne(session), result: "0", fanOut: fanOut)
        let leases = try fixture.queue.claim(session, kinds: ["work"], limit: 10)
        _ = try fixture.queue.fail(leases[0], error: "broken", retry: false)
        #expect(try fixture.queue.runStatus(run).run.state == .running)
        _ = try fixture.queue.complete(leases[1], result: "1")
        let status = try fixture.queue.runStatus(run)
        #expect(status.run.state == .failed)
        #expect(status.stages.map(\.state) == [.failed, .cancelled, .cancelled])
        #expect(status.stages[0].problem == "broken")
        #expect(status.stages[1].problem == "stage a ended badly")
        try fixture.expectSound()
    }

    @Test("concurrent completions from several connections fire a group exactly once")
    func concurrentFanIn() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueChain(["a", "b"])
        let session = try fixture.queue.openSession(name: "planner", ttlSeconds: 60)
        let fanOut = FanOut(children: children(200), then: JobSpec(kind: "then"))
        _ = try fixture.queue.complete(try fixture.claimOne(session), result: "0", fanOut: fanOut)
        let failures = Mutex<[String]>([])
        let counts = Mutex<[Int]>([])
        let database = fixture.database
        DispatchQueue.concurrentPerform(iterations: 4) { index in
            do {
                let queue = JobQueue(try database.connect())
                let own = try queue.openSession(name: "w\(index)", ttlSeconds: 60)
                var done = 0
                while true {
                    let leases = try queue.claim(own, kinds: ["work"], limit: 3)
                    if leases.isEmpty { break }
                    for lease in leases where try queue.complete(lease, result: lease.args) == .done
                    {
                        done += 1
                    }
                }
                counts.withLock { $0.append(done) }
            } catch { failures.withLock { $0.append("\(error)") } }
        }
        #expect(failures.withLock { $0 } == [])
        #expect(counts.withLock { $0.reduce(0, +) } == 200)
        let then = try fixture.queue.claim(session, kinds: ["then"], limit: 9)
        #expect(then.count == 1)
        #expect(try fixture.queue.childResults(of: then[0].jobID) == (0..<200).map { "\($0)" })
        #expect(try fixture.states(run)["b"] == "blocked")
        try fixture.expectSound()
    }
}

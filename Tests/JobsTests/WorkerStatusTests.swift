// Tests of what people see of workers: slots that do not work, and jobs that no worker can do.
import Foundation
import TestSupport
import Testing

@testable import Jobs

@Suite("Worker status")
struct WorkerStatusTests {
    @Test(
        "a living worker shows its slots, those that work, what it offers and the duties it holds")
    func workers() throws {
        let fixture = try QueueFixture(), queue = fixture.queue
        let session = try queue.openSession(
            name: "w", ttlSeconds: 10, slots: 8, kinds: ["work"], offers: ["gpu"],
            duties: ["rescue"])
        _ = try queue.beat(session, workingSlots: 3, duties: ["rescue"], dutySeconds: 5)
        let worker = try #require(try queue.workers().first)
        #expect(worker.slots == 8 && worker.workingSlots == 3)
        #expect(worker.kinds == ["work"] && worker.offers == ["gpu"])
        #expect(worker.duties == ["rescue"])
        try fixture.advance(to: 11)
        #expect(try queue.workers().isEmpty)
    }

    @Test("jobs that require what no living worker of their kind offers are told")
    func unserved() throws {
        let fixture = try QueueFixture(), queue = fixture.queue
        let run = try fixture.enqueueMany(
            2, JobSpec(kind: "work", requires: ["gpu", "device:board"]))
        _ = try fixture.enqueueOne()
        let lone = UnservedJobs(kind: "work", requires: ["device:board", "gpu"], jobs: 2)
        #expect(try queue.unserved() == [lone])
        #expect(try queue.unserved(run: run) == [lone])
        #expect(try queue.unserved(run: run + 1) == [])
        let all = ["device:board", "gpu"]
        _ = try queue.openSession(name: "a", ttlSeconds: 10, kinds: ["work"], offers: ["gpu"])
        _ = try queue.openSession(name: "b", ttlSeconds: 10, kinds: ["other"], offers: all)
        #expect(try queue.unserved() == [lone])
        _ = try queue.openSession(name: "c", ttlSeconds: 10, kinds: ["work"], offers: all)
        #expect(try queue.unserved() == [])
        try fixture.advance(to: 11)
        #expect(try queue.unserved() == [lone])
    }
}

// Tests of what keeps the queue going beside its jobs: recurring runs.
import Foundation
import Jobs
import Postgres
import TestSupport
import Testing

@Suite("Housekeeping")
struct HousekeepingTests {
    @Test(
        "a recurring run that is due while the last is unfinished is left out, and the last is kept"
    )
    func recurringUnfinished() throws {
        let fixture = try QueueFixture()
        let run = RunSpec(
            name: "nightly", definition: "", definitionHash: "n",
            stages: [StageSpec(name: "only", job: JobSpec(kind: "work"))])
        try fixture.queue.recur(run, everySeconds: 60)
        try fixture.queue.housekeep()
        let first = try #require(try fixture.queue.recurring().first)
        #expect(first.lastRun != nil)
        try fixture.advance(to: 61)
        try fixture.queue.housekeep()
        let second = try #require(try fixture.queue.recurring().first)
        #expect(second.lastRun == first.lastRun)
        #expect(second.nextAt > first.nextAt)
        #expect(try fixture.queue.runs().count == 1)
        try fixture.expectSound()
    }

    @Test(
        "a job that reserves more than a worker has, or whose key has no permits, is not in sight")
    func inSight() throws {
        let fixture = try QueueFixture()
        let spec = JobSpec(kind: "work", key: "gpu", threads: 4, memoryMB: 100)
        let run = try fixture.enqueueOne(spec)
        func isInSight(threads: Int?, memoryMB: Int?) throws -> Bool {
            try fixture.queue.hasJobsInSight(
                run: run, kinds: ["work"], threads: threads, memoryMB: memoryMB)
        }
        #expect(try isInSight(threads: nil, memoryMB: nil))
        #expect(try isInSight(threads: 4, memoryMB: 100))
        #expect(try !isInSight(threads: 3, memoryMB: 100))
        #expect(try !isInSight(threads: 4, memoryMB: 99))
        try fixture.queue.setPermits(key: "gpu", slots: 0)
        #expect(try !isInSight(threads: nil, memoryMB: nil))
    }
}

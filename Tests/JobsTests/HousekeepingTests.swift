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
}

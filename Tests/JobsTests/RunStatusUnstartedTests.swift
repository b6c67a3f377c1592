// The status of a run that is not enqueued: every stage in topological order, none with work done.
import Foundation
import Testing

@testable import Jobs

@Suite struct RunStatusUnstartedTests {
    @Test("the stages come in topological order, and nothing of them is done")
    func unstarted() throws {
        let job = JobSpec(kind: "work")
        let spec = RunSpec(
            name: "p", definition: "text", definitionHash: "hash",
            stages: [
                StageSpec(name: "last", jobs: [job, job], needs: ["first"]),
                StageSpec(name: "first", job: job),
            ])
        let now = Date(timeIntervalSince1970: 1_800_000_000)
        let status = try RunStatus(unstarted: spec, asOf: now)
        #expect(status.stages.map(\.name) == ["first", "last"])
        #expect(status.stages.map(\.state) == [.available, .blocked])
        #expect(status.stages.map(\.jobs) == [1, 2])
        #expect(status.stages.allSatisfy { $0.progress == 0 && $0.attempts == 0 })
        #expect(status.run.definitionHash == "hash" && status.run.state == .running)
        #expect(status.asOf == now && status.run.id == 0)
        #expect(throws: JobsError.self) {
            try RunStatus(
                unstarted: RunSpec(name: "p", definition: "", definitionHash: "", stages: []),
                asOf: now)
        }
    }
}

// Fault 2: workers that stand still for longer than their lease, in every phase of a job, and then go on as if
// nothing had been. Others have done the job by then: nothing late is written.
import Foundation
import Jobs
import Postgres
import TestSupport
import Testing

extension FaultTests {
    /// Where the kind `stop` stops its process.
    private static let phases = ["compute", "checkpoint", "return", "complete"]

    @Test("2: a worker that stood still past its lease, in whichever phase, writes nothing late")
    func stoppedInEveryPhase() throws {
        let place = try FaultPlace.onSharedServer()
        let rounds = FaultLength.count(short: 1, perSecond: 1.0 / 12)
        for round in 0..<rounds { try stopEverywhere(place, round) }
        try place.expectSound()
        try place.report(
            "2 stopped workers", disturbances: rounds * (Self.phases.count + 1), of: "stops")
    }

    private func stopEverywhere(_ place: FaultPlace, _ round: Int) throws {
        let runs = try Self.phases.map { phase in
            try place.enqueue(
                "\(phase) \(round)", [JobSpec(kind: "stop", args: #"{"phase":"\#(phase)"}"#)])
        }
        let planned = try place.enqueue(
            "plan \(round)", [JobSpec(kind: "plan", args: #"{"children":5}"#)])

        let barrier = try Barrier(place, table: "ofa.job_group", when: "new.owner_job is not null")
        let planner = try place.startWorker("planner", ["--kinds", "plan", "--until-idle"])
        try place.wait("the planner is in its fan-out") { try barrier.isReached() }
        planner.stop()
        try barrier.open()
        let stopped = try zip(Self.phases, runs).map { phase, run in
            let worker = try place.startWorker(phase, ["--run", "\(run)", "--until-idle"])
            try place.wait("\(phase) stopped itself") { worker.isStopped || !worker.isRunning }
            return worker
        }
        let others = try (0..<2).map { try place.startWorker("other \($0)") }
        try place.waitForRuns()
        for worker in stopped + [planner] {
            #expect(worker.isStopped)
            worker.goOn()
        }
        for worker in stopped + [planner] {
            #expect(worker.wait() == 0, "\(worker.errors)")
            #expect(worker.errors.contains("taken over"), "\(worker.errors)")
        }
        for worker in others { worker.terminate() }
        for worker in others { #expect(worker.wait() == 0, "\(worker.errors)") }

        for (phase, run) in zip(Self.phases, runs) {
            #expect(try place.queue.results(run: run, stage: "only") == ["2"], "\(phase)")
            let job = try #require(try place.queue.jobs(run: run).first)
            let attempts = try place.queue.attempts(of: job.id)
            #expect(attempts.map(\.outcome) == [.lost, .completed], "\(phase)")
            let checkpoint = try place.queue.latestCheckpoint(job.id, name: "state")
            #expect(checkpoint?.payload == #"{"by":\#(attempts[1].token)}"#, "\(phase)")
        }
        #expect(try place.queue.results(run: planned, stage: "only") == ["5"])
        #expect(try place.queue.jobs(run: planned).count == 7)
    }
}

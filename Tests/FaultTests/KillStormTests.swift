// Fault 1: workers killed without a last word, one after the other, while they work at runs of five stages.
import Foundation
import Jobs
import TestSupport
import Testing

extension FaultTests {
    @Test("1: a storm of kills over five stages loses nothing and doubles nothing")
    func killStorm() throws {
        var random = SeededRandom("1")
        let place = try FaultPlace.onSharedServer()
        try place.queue.setPermits(key: "gpu", slots: 2)
        let herd = try WorkerHerd(place, count: 4, ["--prefetch", "8", "--journal", place.journal])
        let (runs, kills) = try place.workThrough(seconds: FaultLength.seconds(short: 5)) {
            Thread.sleep(forTimeInterval: .random(in: 0.1...0.5, using: &random))
            try herd.killOne(using: &random)
        }
        try place.waitForRuns(seconds: 120)
        _ = herd.drain()
        try place.expectFiveStages(runs)
        try place.expectSound()
        let lost = try place.ask("select count(*) as n from ofa.attempt where outcome = 'lost'")
        #expect(try lost.int("n") > 0, "no kill met a job: \(kills) kills")
        try place.report("1 kill storm", disturbances: kills, of: "kills")
    }
}

extension FaultPlace {
    /// Keeps two runs of five stages going for so long while `disturb` is called again and again; returns the runs
    /// and how often it was called.
    func workThrough(
        seconds: Double, _ disturb: () throws -> Void
    ) throws -> (runs: [RunID], disturbances: Int) {
        var runs: [RunID] = []
        var disturbances = 0
        let end = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < end {
            let unfinished = try ask("select count(*) as n from ofa.run where state = 'running'")
            if try unfinished.int("n") < 2 {
                runs.append(try queue.enqueue(.fiveStages("run \(runs.count)")))
            }
            try disturb()
            disturbances += 1
        }
        return (runs, disturbances)
    }

    /// Fails the test unless every run of five stages came to its one good end.
    func expectFiveStages(
        _ runs: [RunID], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        for run in runs {
            let (state, results) = (
                try queue.run(run).state, try queue.results(run: run, stage: "report")
            )
            #expect(state == .completed, "run \(run)", sourceLocation: sourceLocation)
            #expect(results == ["6"], "run \(run)", sourceLocation: sourceLocation)
            let jobs = try queue.jobs(run: run)
            #expect(jobs.count == RunSpec.fiveStagesJobs(), sourceLocation: sourceLocation)
            // 1 + 2 + … + 6, whoever took which step.
            let trained = try queue.results(run: run, stage: "train")
            #expect(trained == ["21", "21"], sourceLocation: sourceLocation)
        }
        let found = try ask("select count(*) as n from ofa.run").int("n")
        #expect(found == runs.count, "runs that nobody asked for", sourceLocation: sourceLocation)
    }
}

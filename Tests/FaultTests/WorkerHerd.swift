// WorkerHerd: worker processes of one test that are killed at random and replaced, and the run that they work at.
import Foundation
import Jobs
import TestSupport

/// Some worker processes, each replaced when it is gone.
final class WorkerHerd {
    private let place: FaultPlace
    private let options: [String]
    private var workers: [RunningCommand] = []
    private var started = 0

    /// Starts `count` workers.
    init(_ place: FaultPlace, count: Int, _ options: [String] = []) throws {
        self.place = place
        self.options = options
        for _ in 0..<count { workers.append(try start()) }
    }

    /// How many were started so far.
    var total: Int { started }

    private func start() throws -> RunningCommand {
        started += 1
        return try place.startWorker("herd \(started)", options)
    }

    /// Kills one without a last word and starts another in its place.
    func killOne(using random: inout SeededRandom) throws {
        let index = Int.random(in: 0..<workers.count, using: &random)
        workers[index].killNow()
        workers[index] = try start()
    }

    /// Asks all to go in good order and waits until they are gone; returns what they said on standard error.
    func drain() -> [String] {
        for worker in workers { worker.terminate() }
        return workers.map { worker in
            _ = worker.wait()
            return worker.errors
        }
    }
}

extension RunSpec {
    /// Five stages with everything a run may have: a fan-out, checkpoints, failures, a permit, a join of two.
    static func fiveStages(_ name: String, children: Int = 24) -> RunSpec {
        let backoff = RetryPolicy(baseSeconds: 0.02, factor: 1, maxSeconds: 0.02)
        func job(_ kind: String, _ args: String, key: String? = nil) -> JobSpec {
            JobSpec(kind: kind, args: args, maxCrashes: 1000, key: key, backoff: backoff)
        }
        let plan =
            #"{"seconds":0.02,"children":\#(children),"kind":"sleep","args":"{\"seconds\":0.01}"}"#
        let train = job("checkpoints", #"{"steps":6,"seconds":0.03}"#)
        return RunSpec(
            name: name, definition: "", definitionHash: name,
            stages: [
                StageSpec(
                    name: "data",
                    jobs: Array(repeating: job("sleep", #"{"seconds":0.01}"#), count: 3)),
                StageSpec(name: "plan", job: job("plan", plan), needs: ["data"]),
                StageSpec(name: "train", jobs: [train, train], needs: ["data"]),
                StageSpec(
                    name: "sample",
                    jobs: Array(repeating: job("fail", #"{"times":1}"#, key: "gpu"), count: 6),
                    needs: ["plan", "train"]),
                StageSpec(
                    name: "report", job: job("collect", #"{"stage":"sample","expect":6}"#),
                    needs: ["sample"]),
            ])
    }

    /// The jobs that a run of `fiveStages` has in the end: its own, the children and the job after them.
    static func fiveStagesJobs(children: Int = 24) -> Int { 3 + 1 + 2 + 6 + 1 + children + 1 }
}

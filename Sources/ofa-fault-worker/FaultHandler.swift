// FaultHandler: the handlers of jobs in fault tests, one for each kind of job. A handler that reads the results of
// other jobs checks their number, so that a lost or duplicated job fails the run.
import Foundation
import Jobs

/// The arguments of a job in fault tests. Each kind of job reads only some of these.
struct FaultWork: Decodable {
    /// How many seconds the job takes; for `checkpoints`, how many seconds each step takes.
    var seconds: Double?
    /// How many steps `checkpoints` takes.
    var steps: Int?
    /// How many children `plan` adds.
    var children: Int?
    /// The kind of the children; `noop` if not given.
    var kind: String?
    /// The arguments of the children, JSON text.
    var args: String?
    /// How many results `gather` and `collect` expect.
    var expect: Int?
    /// The name of the stage whose results `collect` reads.
    var stage: String?
    /// For `poison`, how many times the job kills its worker; for `fail`, how many attempts fail.
    var times: Int?
    /// The phase (compute, checkpoint, return or complete) in which `stop` freezes this process once.
    var phase: String?
    /// The concurrency key of the children.
    var key: String?
}

/// Handles the jobs of one kind.
struct FaultHandler: JobHandler {
    /// An intended failure.
    struct Failure: Error, CustomStringConvertible { let description: String }
    /// The error for an unexpected number of results. It is permanent, because a retry would fail in the same way.
    struct Wrong: PermanentError, CustomStringConvertible { let description: String }

    private let work: @Sendable (JobContext, FaultWork) throws -> JobOutput

    /// The handlers of all kinds.
    static let registry: [String: any JobHandler] = [
        "noop": FaultHandler { context, _ in JobOutput(result: "\(context.lease.ordinal)") },
        "sleep": FaultHandler(work: sleep), "spin": FaultHandler(work: spin),
        "checkpoints": FaultHandler(work: checkpoints), "plan": FaultHandler(work: plan),
        "gather": FaultHandler(work: gather), "collect": FaultHandler(work: collect),
        "poison": FaultHandler(work: poison), "fail": FaultHandler(work: fail),
        "stop": FaultHandler(work: stop),
    ]

    private init(work: @escaping @Sendable (JobContext, FaultWork) throws -> JobOutput) {
        self.work = work
    }

    /// Decodes the job's arguments and runs the function of the job's kind.
    func run(_ context: JobContext) throws -> JobOutput {
        try work(context, try context.args(FaultWork.self))
    }

    // MARK: Kinds

    private static func sleep(_ context: JobContext, _ work: FaultWork) throws -> JobOutput {
        let end = ContinuousClock.now + .seconds(work.seconds ?? 0)
        while ContinuousClock.now < end {
            try context.stopIfAsked()
            Thread.sleep(forTimeInterval: 0.005)
        }
        return JobOutput(result: "\(context.lease.ordinal)")
    }

    /// Keeps a processor busy for `seconds`.
    private static func spin(_ context: JobContext, _ work: FaultWork) throws -> JobOutput {
        let end = ContinuousClock.now + .seconds(work.seconds ?? 0)
        var number: UInt64 = 1
        while ContinuousClock.now < end {
            for _ in 0..<10_000 { number = number &* 6_364_136_223_846_793_005 &+ 1 }
            try context.stopIfCancelled()
        }
        return JobOutput(result: "\(number & 1)")
    }

    /// Runs the steps after the newest checkpoint and saves a checkpoint after each step. The checkpoint of step n
    /// holds n and the sum 1 + … + n.
    private static func checkpoints(_ context: JobContext, _ work: FaultWork) throws -> JobOutput {
        struct Saved: Decodable {
            var step: Int
            var sum: Int
        }
        let latest = try context.latestCheckpoint().map {
            try JSONDecoder().decode(Saved.self, from: Data($0.payload.utf8))
        }
        var (step, sum) = (latest?.step ?? 0, latest?.sum ?? 0)
        while step < work.steps ?? 1 {
            Thread.sleep(forTimeInterval: work.seconds ?? 0)
            step += 1
            sum += step
            context.progress(fraction: Double(step) / Double(work.steps ?? 1))
            try context.saveCheckpoint(
                seq: Int64(step), payload: #"{"step":\#(step),"sum":\#(sum)}"#)
            try context.stopIfAsked()
        }
        return JobOutput(result: "\(sum)")
    }

    private static func plan(_ context: JobContext, _ work: FaultWork) throws -> JobOutput {
        _ = try sleep(context, work)
        let count = work.children ?? 0
        let backoff = RetryPolicy(baseSeconds: 0.02, factor: 1, maxSeconds: 0.02)
        let child = JobSpec(
            kind: work.kind ?? "noop", args: work.args ?? "{}", maxCrashes: 1000, key: work.key,
            backoff: backoff)
        let then = JobSpec(kind: "gather", args: #"{"expect":\#(count)}"#, maxCrashes: 1000)
        return JobOutput(
            fanOut: FanOut(children: Array(repeating: child, count: count), then: then))
    }

    private static func gather(_ context: JobContext, _ work: FaultWork) throws -> JobOutput {
        let found = try context.childResults().count
        guard found == work.expect else {
            throw Wrong(
                description: "\(found) children's results, not \(work.expect ?? -1)")
        }
        return JobOutput(result: "\(found)")
    }

    private static func collect(_ context: JobContext, _ work: FaultWork) throws -> JobOutput {
        let found = try context.results(ofStage: work.stage ?? "").count
        guard found == work.expect else {
            throw Wrong(description: "\(found) results of the stage, not \(work.expect ?? -1)")
        }
        return JobOutput(result: "\(found)")
    }

    /// Kills this process, as the out-of-memory killer would, until the job has `times` crashes.
    private static func poison(_ context: JobContext, _ work: FaultWork) throws -> JobOutput {
        if context.lease.crashes < work.times ?? .max {
            kill(getpid(), SIGKILL)
            Thread.sleep(forTimeInterval: 60)
        }
        return JobOutput(result: "\(context.lease.crashes)")
    }

    private static func fail(_ context: JobContext, _ work: FaultWork) throws -> JobOutput {
        guard context.lease.attempt > work.times ?? .max else {
            throw Failure(description: "attempt \(context.lease.attempt) fails")
        }
        return JobOutput(result: "\(context.lease.attempt)")
    }

    /// Stops this process with SIGSTOP in one phase of the first attempt; the next attempt completes the job.
    private static func stop(_ context: JobContext, _ work: FaultWork) throws -> JobOutput {
        let isFirst = context.lease.crashes == 0
        func stop(_ phase: String) {
            guard isFirst, work.phase == phase else { return }
            kill(getpid(), SIGSTOP)
        }
        stop("compute")
        // This handler never calls `stopIfCancelled`: the queue must refuse the writes of a lost
        // attempt even if its handler ignores interruptions.
        try context.saveCheckpoint(
            seq: isFirst ? 1 : 2, payload: #"{"by":\#(context.lease.token)}"#
        ) { _ in stop("checkpoint") }
        stop("return")
        return JobOutput(result: isFirst ? "1" : "2") { _ in stop("complete") }
    }
}

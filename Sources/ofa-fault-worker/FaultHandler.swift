// FaultHandler: the kinds of jobs that fault tests enqueue. Each checks what it is given, so that a lost or a
// doubled child fails the run that the test looks at.
import Foundation
import Jobs

/// What a job of the fault tests is told; every kind reads what it needs.
struct FaultWork: Decodable {
    /// How long it takes (for `checkpoints`: each step), in seconds.
    var seconds: Double?
    /// How many steps `checkpoints` takes.
    var steps: Int?
    /// How many children `plan` adds, and of what.
    var children: Int?
    /// The children's kind; `noop` where nothing is said.
    var kind: String?
    /// What the children are told, JSON text.
    var args: String?
    /// How many results `gather` and `collect` must find.
    var expect: Int?
    /// The stage that `collect` reads.
    var stage: String?
    /// How many workers `poison` kills, and how often `fail` fails.
    var times: Int?
    /// Where `stop` stops its process, once: compute, return, checkpoint, complete.
    var phase: String?
    /// The permit key of the children.
    var key: String?
}

/// Does the jobs of one kind.
struct FaultHandler: JobHandler {
    /// What went wrong as it was to.
    struct Failure: Error, CustomStringConvertible { let description: String }
    /// What must not be: no other attempt would mend it.
    struct Wrong: PermanentError, CustomStringConvertible { let description: String }

    private let work: @Sendable (JobContext, FaultWork) throws -> JobOutput

    /// Every kind there is.
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

    /// Reads what it is told and does it.
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

    /// Keeps a processor busy.
    private static func spin(_ context: JobContext, _ work: FaultWork) throws -> JobOutput {
        let end = ContinuousClock.now + .seconds(work.seconds ?? 0)
        var number: UInt64 = 1
        while ContinuousClock.now < end {
            for _ in 0..<10_000 { number = number &* 6_364_136_223_846_793_005 &+ 1 }
            try context.stopIfCancelled()
        }
        return JobOutput(result: "\(number & 1)")
    }

    /// Takes steps from where the last attempt saved; a checkpoint holds the sum of the steps before it.
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

    /// Takes its process down, as the kernel does where memory runs out.
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

    /// Stops its own process at a point, once; whoever gets the job next does it to its end.
    private static func stop(_ context: JobContext, _ work: FaultWork) throws -> JobOutput {
        let isFirst = context.lease.crashes == 0
        func stop(_ phase: String) {
            guard isFirst, work.phase == phase else { return }
            kill(getpid(), SIGSTOP)
        }
        stop("compute")
        // Not stopIfCancelled: a handler that does not look must be fenced all the same.
        try context.saveCheckpoint(
            seq: isFirst ? 1 : 2, payload: #"{"by":\#(context.lease.token)}"#
        ) { _ in stop("checkpoint") }
        stop("return")
        return JobOutput(result: isFirst ? "1" : "2") { _ in stop("complete") }
    }
}

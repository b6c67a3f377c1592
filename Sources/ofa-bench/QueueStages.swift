// QueueStages: measures stages per second with the production handler, `AttemptMeter` and artifact store, first without
// artifacts, then with one artifact per stage.
import Accounting
import Artifacts
import Foundation
import Jobs
import Metering
import Pipelines
import Postgres

/// Drains a queue of stages with one worker.
struct QueueStages {
    /// The results.
    struct Result: Codable, Equatable {
        let jobs, slots: Int
        let nothing, oneArtifact: Rate
    }

    /// The number of stages per second, and the microseconds of processor time that this process takes per stage. Other
    /// programs on the machine hardly affect the processor time.
    struct Rate: Codable, Equatable {
        let perS, processMicroseconds: Double
    }

    private struct Figures: Encodable { let ordinal: Int }

    /// The server, stages per drain, slots, and stages prefetched per slot.
    let server: QueueServer
    let jobs, slots, batch: Int

    /// Measures stages without an artifact, then stages with one artifact each.
    func run() throws -> Result {
        let nothing = try drain { _ in try StageOutput(result: Figures(ordinal: 0)) }
        let artifact = try drain { context in
            let ordinal = context.job.lease.ordinal
            let text = "artifact \(ordinal) of a stage that makes one, "
            let bytes = Array(String(repeating: text, count: 20).utf8)
            let digest = try context.put(bytes, elementSize: 1, as: .report)
            return try StageOutput(
                [
                    StageOutput.Made(
                        .report, name: "bench-\(ordinal)", digest: digest,
                        metadata: Figures(ordinal: ordinal))
                ], result: Figures(ordinal: ordinal))
        }
        return Result(
            jobs: jobs, slots: slots, nothing: nothing, oneArtifact: artifact)
    }

    private func drain(_ body: @escaping @Sendable (StageContext) throws -> StageOutput) throws
        -> Rate
    {
        let url = try server.database()
        let connection = try Connection(
            url: url, applicationName: "ofa-bench", statementTimeoutSeconds: 600)
        defer { connection.close() }
        let queue = JobQueue(connection)
        let kind = StageKind.report.rawValue
        let spec = JobSpec(
            kind: kind,
            args:
                #"{"inputs":{},"parameters":{"report":{"_0":{}}},"seed":1,"space":"ofa-mbv3-w1.0","stage":"bench"}"#
        )
        let run = try queue.enqueue(
            RunSpec(
                name: "stages", definition: "", definitionHash: "stages",
                stages: [
                    StageSpec(name: "bench", jobs: Array(repeating: spec, count: jobs))
                ]))
        try queue.pause(queue: "default")
        let cache = BlobCache(folder: NSTemporaryDirectory() + "/ofa-bench-cache")
        let meter = try AttemptMeter(
            zone: "world", threadsPerAttempt: 1,
            reader: try LiveHostReader(database: try CostLedger(connection).key()))
        let crew = try BenchCrew(
            url, workers: 1, slots: slots, batch: batch,
            registry: [kind: StageRegistry.handler(cache: cache, body: body)], observer: meter)
        while try connection.queryOne(.sessionsAlive).int("sessions") < 1 {
            Thread.sleep(forTimeInterval: 0.01)
        }
        let before = try Clocks.processCPUNanoseconds()
        let draining = try ContinuousClock().measure {
            try queue.resume(queue: "default")
            while try queue.run(run).state == .running {
                if let failure = crew.failure { throw BenchError(failure) }
                Thread.sleep(forTimeInterval: 0.004)
            }
        }
        let used = try Clocks.processCPUNanoseconds() - before
        try crew.end()
        guard try queue.run(run).state == .completed else {
            throw BenchError("the run of stages failed: \(try queue.runStatus(run).stages)")
        }
        let problems = try queue.audit()
        guard problems.isEmpty else { throw BenchError("the audit found: \(problems[0])") }
        return Rate(
            perS: Double(jobs) / (draining / .seconds(1)),
            processMicroseconds: Double(used) / 1000 / Double(jobs))
    }
}

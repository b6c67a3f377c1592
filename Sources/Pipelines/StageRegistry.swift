// Maps job kinds to stage handlers, and records a stage's output in one transaction, which fails if the job's lease was
// lost.

import Artifacts
import Datasets
import Foundation
import Jobs
import Postgres

/// The handlers of every kind of stage.
public enum StageRegistry {
    /// Returns handlers by kind of job; image shards are mapped from files in `cache`. `code` is recorded with each
    /// artifact (`Provenance`).
    public static func handlers(cache: BlobCache, code: CodeVersion? = nil) -> [String:
        any JobHandler]
    {
        Dictionary(
            uniqueKeysWithValues: StageKind.allCases.map {
                ($0.rawValue, handler(cache: cache, code: code))
            })
    }

    /// Returns the handler that serves all kinds of stages. If `body` is given, the handler runs `body` instead of the
    /// stages and is otherwise the same; benchmarks of the queue's overhead pass a `body`.
    public static func handler(
        cache: BlobCache, code: CodeVersion? = nil,
        body: (@Sendable (StageContext) throws -> StageOutput)? = nil
    ) -> any JobHandler {
        StageHandler(cache: cache, code: code, body: body ?? StageHandler.perform)
    }
}

/// Runs one stage's job.
private struct StageHandler: JobHandler {
    let cache: BlobCache
    let code: CodeVersion?
    let body: @Sendable (StageContext) throws -> StageOutput

    func run(_ job: JobContext) throws -> JobOutput {
        let (output, context) = try attempt(job)
        let inputs = context.readInputs
        let lease = job.lease
        let provenance = try Provenance(
            code, threads: job.threads, deterministic: context.arguments.isDeterministic)
        let artifacts = try output.made.map { thing in
            Artifact.New(
                kind: thing.role.rawValue, name: thing.name, digest: thing.digest,
                metadataJSON: try provenance.added(to: thing.metadata),
                run: lease.runID, job: lease.jobID, token: lease.token, stage: lease.stage)
        }
        if context.isTrial { return try trial(output, provenance, context) }
        let isSaving = StageKind.savingCheckpoints.contains(lease.kind)
        let hasTables = output.made.contains { $0.tableOf != nil }
        guard hasTables || isSaving else {
            // This attempt writes only blobs and artifacts, so the worker may end this attempt and others in one batch.
            try Self.refuseDoubles(output.made)
            return JobOutput(
                result: output.result, fanOut: output.fanOut,
                records: artifacts.isEmpty
                    ? []
                    : [
                        try ArtifactStore.record(
                            artifacts, inputs: inputs, blobs: context.waiting)
                    ])
        }
        return JobOutput(result: output.result, fanOut: output.fanOut) { connection in
            let store = ArtifactStore(connection)
            for rows in JobQueue.requests(of: lease, output.rows) { try connection.execute(rows) }
            if !context.waiting.isEmpty {
                try connection.execute(ArtifactStore.record([], blobs: context.waiting))
            }
            if isSaving {
                // Only rows are removed here. The next garbage collection removes the files of these blobs, if there
                // are any.
                _ = try BlobStore(connection).removeCheckpointBlobs(
                    try JobQueue.dropCheckpoints(of: lease.jobID, connection))
            }
            for (thing, artifact) in zip(output.made, artifacts) {
                let id = try store.insert(artifact, inputs: inputs)
                if let device = thing.tableOf {
                    try DeviceStore(connection).setLatencyTable(id, of: device)
                }
            }
        }
    }

    /// Returns the output of a job of a trial, which records no artifacts: its result is a `Trial`, unless other jobs of
    /// the stage need the result. Its checkpoints are removed.
    private func trial(
        _ output: StageOutput, _ provenance: Provenance, _ context: StageContext
    ) throws -> JobOutput {
        let waiting = context.waiting
        let job = context.job.lease.jobID
        return JobOutput(
            result: try trialResult(output, provenance, context), fanOut: output.fanOut
        ) { connection in
            if !waiting.isEmpty {
                try connection.execute(ArtifactStore.record([], blobs: waiting))
            }
            _ = try BlobStore(connection).removeCheckpointBlobs(
                try JobQueue.dropCheckpoints(of: job, connection))
        }
    }

    private func trialResult(
        _ output: StageOutput, _ provenance: Provenance, _ context: StageContext
    ) throws -> String {
        if output.fanOut != nil { return output.result }
        let trial = Trial(
            made: output.made.map {
                Trial.Output(role: $0.role.rawValue, name: $0.name, digest: $0.digest)
            }, madeBy: provenance)
        switch context.arguments.part {
        case .shard: return output.result
        case .units:
            // The last job reads these results; if only a shard is reproduced, `Reproduction` does.
            return "\(try JSONText.encode(trial).dropLast()),\(output.result.dropFirst())"
        case .gather, nil: return try JSONText.encode(trial)
        }
    }

    /// Throws `conflict` for two outputs with equal role and name but different bytes, of which only the first would be
    /// recorded.
    private static func refuseDoubles(_ made: [StageOutput.Made]) throws {
        var known: [String: Digest] = [:]
        for thing in made {
            let digest = known.updateValue(
                thing.digest, forKey: thing.role.rawValue + "/" + thing.name)
            guard digest == nil || digest == thing.digest else {
                throw ArtifactsError(
                    .conflict, "the stage made '\(thing.name)' as \(thing.role.rawValue) twice",
                    remedy: "give each output of an attempt its own name or role")
            }
        }
    }

    /// Runs the stage; converts errors that a retry would repeat into permanent errors (`StageFailure`).
    private func attempt(_ job: JobContext) throws -> (StageOutput, StageContext) {
        do {
            let context = try StageContext(job, cache: cache)
            do {
                return (try body(context), context)
            } catch let error as DatasetError where error.code == .corrupt {
                let removed = try context.removeDamagedShards()
                guard removed > 0 else {
                    try context.verifyShards()
                    throw error
                }
                throw PipelineError(
                    .unreadable,
                    "\(error.reason); damaged files removed from this machine's cache: \(removed)",
                    remedy:
                        "another attempt fetches them again; if it recurs, test this machine's disk"
                )
            }
        } catch {
            throw StageFailure(error) ?? error
        }
    }

    /// Runs the stage that the arguments ask for.
    @Sendable static func perform(_ context: StageContext) throws -> StageOutput {
        switch context.arguments.parameters {
        case .importDataset(let parameters): try ImportDatasetStage.run(context, parameters)
        case .train(let parameters): try TrainStage.run(context, parameters)
        case .sampleAccuracy(let parameters): try SampleAccuracyStage.run(context, parameters)
        case .fitPredictor(let parameters): try FitPredictorStage.run(context, parameters)
        case .measureDevice(let parameters): try MeasureDeviceStage.run(context, parameters)
        case .search(let parameters): try SearchStage.run(context, parameters)
        case .materialise(let parameters): try MaterialiseStage.run(context, parameters)
        case .fineTune(let parameters): try FineTuneStage.run(context, parameters)
        case .evaluate(let parameters): try EvaluateStage.run(context, parameters)
        case .report: try ReportStage.run(context)
        }
    }
}

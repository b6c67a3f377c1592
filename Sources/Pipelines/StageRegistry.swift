// From a job's kind to the code that does it, and from what the code made to rows in one fenced transaction.

import Artifacts
import Foundation
import Jobs
import Postgres

/// The handlers of every kind of stage.
public enum StageRegistry {
    /// Handlers by kind; shards are mapped from files in `cache`.
    public static func handlers(cache: BlobCache) -> [String: any JobHandler] {
        Dictionary(
            uniqueKeysWithValues: StageKind.allCases.map {
                ($0.rawValue, StageHandler(cache: cache))
            })
    }
}

/// Runs one stage's job.
private struct StageHandler: JobHandler {
    let cache: BlobCache

    func run(_ job: JobContext) throws -> JobOutput {
        let (output, inputs) = try attempt(job)
        let lease = job.lease
        return JobOutput(result: output.result, fanOut: output.fanOut) { connection in
            let store = ArtifactStore(connection)
            if StageKind.savingCheckpoints.contains(lease.kind) {
                // Files of theirs, where there are any, go with the next collection.
                _ = try BlobStore(connection).removeCheckpointBlobs(
                    try JobQueue.dropCheckpoints(of: lease.jobID, connection))
            }
            for thing in output.made {
                let id = try store.insert(
                    Artifact.New(
                        kind: thing.role.rawValue, name: thing.name, digest: thing.digest,
                        metadataJSON: thing.metadata,
                        run: lease.runID, job: lease.jobID, token: lease.token, stage: lease.stage),
                    inputs: inputs)
                if let device = thing.tableOf {
                    try DeviceStore(connection).setLatencyTable(id, of: device)
                }
            }
        }
    }

    /// Runs the stage; an error that another attempt would repeat becomes a permanent one.
    private func attempt(_ job: JobContext) throws -> (StageOutput, [Artifact.Input]) {
        do {
            let context = try StageContext(job, cache: cache)
            return (try perform(context), context.readInputs)
        } catch {
            throw StageFailure(error) ?? error
        }
    }

    private func perform(_ context: StageContext) throws -> StageOutput {
        switch context.arguments.parameters {
        case .importDataset(let parameters): try ImportDatasetStage.run(context, parameters)
        case .train(let parameters): try TrainStage.run(context, parameters)
        case .sampleAccuracy(let parameters): try SampleAccuracyStage.run(context, parameters)
        case .fitPredictor(let parameters): try FitPredictorStage.run(context, parameters)
        case .measureDevice(let parameters): try MeasureDeviceStage.run(context, parameters)
        case .search(let parameters): try SearchStage.run(context, parameters)
        case .materialise(let parameters): try MaterialiseStage.run(context, parameters)
        case .report: try ReportStage.run(context)
        }
    }
}

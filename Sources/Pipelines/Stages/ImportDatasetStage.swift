// import-dataset: makes two artifacts of a data set, one to train on and one to test on. A small IDX data set becomes
// two image shards in one job. Other data sets become picture sets: the first job surveys the data set and fans out,
// each child job imports a share of the pictures, and the last job combines the children's results.

import Artifacts
import Datasets
import Foundation

enum ImportDatasetStage {
    static func run(_ context: StageContext, _ parameters: StageParameters.ImportDataset) throws
        -> StageOutput
    {
        switch context.arguments.part {
        case nil:
            let source = try here { try parameters.source(seed: context.arguments.seed) }
            if let files = try here({ try parameters.imageShardFiles(source) }) {
                return try importShards(of: files, context, parameters)
            }
            return try PictureImport(context, parameters).plan(source)
        case .units(let survey, let first, let count):
            return try PictureImport(context, parameters).importUnits(
                first..<first + count, of: survey)
        case .gather: return try PictureImport(context, parameters).gather()
        case .shard: throw PipelineError(.invalidArtifact, "a job of another kind of stage")
        }
    }

    /// Runs `body`, which reads files of this machine. Errors name the machine, because another machine may have the
    /// files.
    static func here<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as DatasetError {
            throw DatasetError(
                error.code, "on host \(ProcessInfo.processInfo.hostName): \(error.reason)",
                remedy: error.remedy)
        }
    }

    private static func importShards(
        of files: IDXFolder, _ context: StageContext, _ parameters: StageParameters.ImportDataset
    ) throws -> StageOutput {
        let count = try files.dimensions().train[0]
        let heldOut = parameters.heldOutImages
        guard heldOut < count else {
            throw PipelineError(
                .invalidValue,
                PipelineDefinition.heldOutFault(context.arguments.stage, heldOut, count))
        }
        if let warning = try files.warning() { context.job.log(warning) }
        let first = try ImageShard.firstLabel(
            idxLabels: files.trainLabels, classes: parameters.classes)
        if first == .one {
            context.job.log(
                "the labels of \(parameters.folder) begin at 1: class 1 there is class 0 here")
        }
        var made: [StageOutput.Made] = []
        for (role, images, labels) in [
            (ArtifactRole.dataset, files.trainImages, files.trainLabels),
            (.testImages, files.testImages, files.testLabels),
        ] {
            try context.job.stopIfAsked()
            let bytes = try ImageShard.encode(
                idxImages: images, idxLabels: labels, classes: parameters.classes,
                firstLabel: first)
            let digest = try context.put(bytes, elementSize: 1, as: role)
            let shard = try context.shard(digest)
            let metadata = DatasetMetadata(
                dataset: parameters.dataset, fingerprint: shard.fingerprint,
                images: shard.layout.count, heldOut: role == .dataset ? heldOut : 0,
                splitSeed: context.arguments.seed)
            if role == .dataset { _ = try metadata.split() }
            made.append(
                try StageOutput.Made(
                    role, name: "\(parameters.dataset)-\(role.rawValue)", digest: digest,
                    metadata: metadata))
            context.job.progress(
                fraction: role == .dataset ? 0.8 : 1,
                message: "\(shard.layout.count) images checked")
        }
        return try StageOutput(made, result: NoResult())
    }
}

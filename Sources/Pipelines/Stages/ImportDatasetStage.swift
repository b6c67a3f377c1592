// import-dataset: converts the IDX files of a folder to a training and a test shard.

import Artifacts
import Datasets
import Foundation

/// The metadata of an imported data set.
struct DatasetMetadata: Codable, Sendable, Equatable {
    let dataset: String
    let fingerprint: String
    let images: Int
    /// The number of held-out images; `splitSeed` is the seed that chose them.
    let heldOut: Int
    let splitSeed: UInt64
}

enum ImportDatasetStage {
    static func run(_ context: StageContext, _ parameters: StageParameters.ImportDataset) throws
        -> StageOutput
    {
        let files = try found(parameters.folder)
        let count = try files.dimensions().train[0]
        guard parameters.heldOut < count else {
            throw PipelineError(
                .invalidValue,
                PipelineDefinition.heldOutFault(context.arguments.stage, parameters.heldOut, count))
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
                images: shard.layout.count,
                heldOut: role == .dataset ? parameters.heldOut : 0,
                splitSeed: context.arguments.seed)
            if role == .dataset {
                _ = try Split(
                    trainCount: shard.layout.count, heldOut: parameters.heldOut,
                    seed: metadata.splitSeed)
            }
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

    /// Returns the files of a folder; errors name this host, because another host may have the files.
    private static func found(_ folder: String) throws -> IDXFolder {
        do throws(DatasetError) {
            return try IDXFolder(folder)
        } catch {
            throw DatasetError(
                error.code, "on host \(ProcessInfo.processInfo.hostName): \(error.reason)",
                remedy: error.remedy)
        }
    }
}

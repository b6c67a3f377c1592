// Checks a pipeline file against its data, if this machine has them: presence, image sizes, enough
// images to hold out and to fill a batch. Otherwise the stages check the same on the worker's
// machine.

import Datasets
import Foundation
import Networks

extension PipelineDefinition {
    /// The keys that are checked against data.
    static let dataKeys = ["folder", "held_out", "batch", "classes"]

    /// The data of the file that this machine lacks, one line each with the host; empty if none.
    public func missingData() -> [String] {
        imports.compactMap { stage, parameters -> String? in
            do throws(DatasetError) {
                _ = try IDXFolder(parameters.folder)
                return nil
            } catch {
                guard error.code == .unreadable else { return nil }
                let host = ProcessInfo.processInfo.hostName
                return "stages.\(stage.name).folder: \(error.message) (on host \(host))"
            }
        }
    }

    /// Checks the file against data on this machine; returns warnings, one line each. Missing data
    /// (`missingData`) and damage inside compressed images are left to the stage.
    ///
    /// Errors: `invalidValue` with the line of the key and both numbers.
    public func checkData() throws -> [String] {
        var counts: [String: Int] = [:], warnings: [String] = []
        for (stage, parameters) in imports {
            guard let files = try files(of: stage, parameters) else { continue }
            guard space.inputChannels == 1 else {
                throw stage.refuse("folder", Self.channelFault(stage.name, space))
            }
            do {
                let count = try files.checked().train[0]
                guard parameters.heldOut < count else {
                    throw stage.refuse(
                        "held_out", Self.heldOutFault(stage.name, parameters.heldOut, count))
                }
                counts[stage.name] = count - parameters.heldOut
                try checkLabels(stage, parameters, files)
                if let warning = try files.warning() { warnings.append(warning) }
            } catch let error as DatasetError {
                throw stage.refuse(
                    "folder", "stages.\(stage.name).folder: \(error.reason)", remedy: error.remedy)
            }
        }
        for stage in stages {
            guard case .train(let train) = stage.parameters,
                case .stage(let name) = stage.inputs[.dataset], let count = counts[name],
                count < train.phase.batch
            else { continue }
            throw stage.refuse("batch", Self.batchFault(stage.name, train.phase.batch, count))
        }
        return warnings
    }

    /// Throws for labels outside the classes.
    private func checkLabels(
        _ stage: Stage, _ parameters: StageParameters.ImportDataset, _ files: IDXFolder
    ) throws {
        do {
            try ImageShard.checkLabels(
                of: [files.trainLabels, files.testLabels], classes: parameters.classes)
        } catch let error as DatasetError where error.code == .wrongDimensions {
            throw stage.refuse(
                "classes", "stages.\(stage.name).classes: \(error.reason)", remedy: error.remedy)
        }
    }

    /// The files of a stage; nil if this machine lacks some.
    private func files(of stage: Stage, _ parameters: StageParameters.ImportDataset) throws
        -> IDXFolder?
    {
        do throws(DatasetError) {
            return try IDXFolder(parameters.folder)
        } catch {
            if error.code == .unreadable { return nil }
            throw stage.refuse(
                "folder", "stages.\(stage.name).folder: \(error.reason)", remedy: error.remedy)
        }
    }

    private var imports: [(Stage, StageParameters.ImportDataset)] {
        stages.compactMap { stage in
            guard case .importDataset(let parameters) = stage.parameters else { return nil }
            return (stage, parameters)
        }
    }

    /// The images' channels differ from the networks'.
    static func channelFault(_ stage: String, _ space: SearchSpace) -> String {
        "stages.\(stage).folder: IDX images are grey, one channel, and networks of \(space.name) take"
            + " \(space.inputChannels)"
    }

    /// A stage holds out all images or more.
    static func heldOutFault(_ stage: String, _ heldOut: Int, _ count: Int) -> String {
        "stages.\(stage).held_out is \(heldOut), and the data set has \(count) training images: hold out fewer"
    }

    /// A stage has fewer images than its batch.
    static func batchFault(_ stage: String, _ batch: Int, _ count: Int) -> String {
        "stages.\(stage).batch is \(batch), and \(count) images are there to train on: lower it"
    }

    /// Notes about stages that ask for more held-out images than there are.
    static func notes(_ drafts: [StageDraft], _ stages: [Stage]) -> [String] {
        zip(drafts, stages).compactMap { draft, stage -> String? in
            guard case .sampleAccuracy(let sampling) = stage.parameters,
                draft.entry.keys.contains("images"), case .stage(let name) = stage.inputs[.dataset],
                case .importDataset(let data) = stages.first(where: { $0.name == name })?.parameters,
                data.heldOut < sampling.images
            else { return nil }
            return
                "stages.\(stage.name).images is \(sampling.images), but stage \(name) holds out"
                + " \(data.heldOut): \(data.heldOut) are measured on"
        }
    }
}

extension PipelineDefinition.Stage {
    /// An error at the line of a key.
    fileprivate func refuse(_ key: String, _ why: String, remedy: String? = nil) -> PipelineError {
        PipelineError(.invalidValue, "\(places[key] ?? ""): \(why)", remedy: remedy)
    }
}

// Checks those data sets of a pipeline file that this machine has. Each of them must have a form that `DatasetForm`
// lists. A small IDX data set must also have the channels and labels that the space expects, and enough images for
// `held_out` and `batch`. The stages check all of this again, and more, on the worker's machine.

import Datasets
import Foundation
import Networks

extension PipelineDefinition {
    /// The keys of stages whose values are checked against data.
    static let dataKeys = ["folder", "held_out", "batch", "classes", "store"]

    /// Returns one line, with the host's name, for each data folder of the pipeline file that this machine lacks.
    public func missingData() -> [String] {
        imports.compactMap { stage, parameters -> String? in
            do {
                _ = try look(parameters)
                return nil
            } catch let error as DatasetError where error.code == .unreadable {
                let host = ProcessInfo.processInfo.hostName
                return "stages.\(stage.name).folder: \(error.message) (on host \(host))"
            } catch {
                return nil  // `checkData` reports it.
            }
        }
    }

    /// Checks the pipeline file against data on this machine; returns warnings, one line each. Missing data
    /// (`missingData`) and damage inside compressed images are left to the stage.
    ///
    /// Errors: `invalidValue`, naming the line of the key.
    public func checkData() throws -> [String] {
        var counts: [String: Int] = [:], warnings: [String] = []
        for (stage, parameters) in imports {
            guard let found = try found(of: stage, parameters) else { continue }
            guard let files = found.files else {
                if parameters.store == .files,
                    StageParameters.ImportDataset.pixelForms.contains(found.form)
                {
                    throw stage.refuse(
                        "store",
                        "stages.\(stage.name).store \(StageParameters.ImportDataset.noFiles(found.form))",
                        remedy: "leave it out")
                }
                continue
            }
            guard space.inputChannels == 1 else {
                throw stage.refuse("folder", Self.channelFault(stage.name, space))
            }
            do {
                let count = try files.checked().train[0]
                let heldOut = parameters.heldOutImages
                guard heldOut < count else {
                    throw stage.refuse(
                        "held_out", Self.heldOutFault(stage.name, heldOut, count))
                }
                counts[stage.name] = count - heldOut
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

    /// Throws `invalidValue` if a label is outside the range of the classes.
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

    /// Returns the form of a stage's data set, and the files of a small IDX data set; nil if this machine lacks the
    /// data set.
    private func found(of stage: Stage, _ parameters: StageParameters.ImportDataset) throws
        -> (form: DatasetForm, files: IDXFolder?)?
    {
        do {
            return try look(parameters)
        } catch let error as DatasetError {
            if error.code == .unreadable { return nil }
            throw stage.refuse(
                "folder", "stages.\(stage.name).folder: \(error.reason)", remedy: error.remedy)
        }
    }

    private func look(_ parameters: StageParameters.ImportDataset) throws -> (
        form: DatasetForm, files: IDXFolder?
    ) {
        let source = try parameters.source(seed: seed)
        guard source.form == .idx else { return (source.form, nil) }
        return (.idx, try parameters.imageShardFiles(source))
    }

    private var imports: [(Stage, StageParameters.ImportDataset)] {
        stages.compactMap { stage in
            guard case .importDataset(let parameters) = stage.parameters else { return nil }
            return (stage, parameters)
        }
    }

    /// Returns the message that images have another number of channels than the networks of `space` take.
    static func channelFault(_ stage: String, _ space: SearchSpace) -> String {
        "stages.\(stage).folder: IDX images are grey, one channel, and networks of \(space.name) take"
            + " \(space.inputChannels)"
    }

    /// Returns the message that a stage would hold out all `count` images, or more.
    static func heldOutFault(_ stage: String, _ heldOut: Int, _ count: Int) -> String {
        "stages.\(stage).held_out is \(heldOut), and the data set has \(count) training images: hold out fewer"
    }

    /// Returns the message that a stage has only `count` images, fewer than its batch.
    static func batchFault(_ stage: String, _ batch: Int, _ count: Int) -> String {
        "stages.\(stage).batch is \(batch), and \(count) images are there to train on: lower it"
    }

    /// Returns a note for each stage that asks for more held-out images than the file's `held_out`. Without that key,
    /// the number of held-out images depends on the data set, and the stage logs the number.
    static func notes(_ drafts: [StageDraft], _ stages: [Stage]) -> [String] {
        zip(drafts, stages).compactMap { draft, stage -> String? in
            guard case .sampleAccuracy(let sampling) = stage.parameters,
                draft.entry.keys.contains("images"), case .stage(let name) = stage.inputs[.dataset],
                case .importDataset(let data) = stages.first(where: { $0.name == name })?.parameters,
                let heldOut = data.heldOut, heldOut < sampling.images
            else { return nil }
            return
                "stages.\(stage.name).images is \(sampling.images), but stage \(name) holds out"
                + " \(heldOut): \(heldOut) are measured on"
        }
    }
}

extension PipelineDefinition.Stage {
    /// Returns an error `invalidValue` at the line of `key`.
    fileprivate func refuse(_ key: String, _ why: String, remedy: String? = nil) -> PipelineError {
        PipelineError(.invalidValue, "\(places[key] ?? ""): \(why)", remedy: remedy)
    }
}

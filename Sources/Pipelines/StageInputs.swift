// Inputs as the learning wing wants them: shards, weights, predictors and tables made from an artifact's bytes.

import Artifacts
import Datasets
import Foundation
import Interchange
import Networks
import Search
import Tensors
import Training

/// What is known of a supernet, beside its weights.
struct SupernetMetadata: Codable, Sendable, Equatable {
    let space: String
    let phase: String
    let steps: Int
    let skippedSteps: Int
    let normalization: PixelNormalization
    let instructionSet: String
    let blasCore: String
    let threads: Int
    /// The genes and image sizes of this phase and of those before it; nil in what older versions stored.
    let trained: TrainedDomain?
    /// Which steps were trained with what; nil in what older versions stored. The fields above are those of the last.
    var segments: [TrainStage.Segment]?
    /// What was done to the images of this phase; nil in what older versions stored.
    var augmentation: Augmentation?
}

/// What is done to the training images on which a network's batch-norm statistics are taken.
public enum CalibrationAugmentation: String, Codable, Sendable, CaseIterable {
    /// What the last phase of the supernet did to its images, as published.
    case training
    /// Nothing: whole images.
    case whole = "none"
}

/// Training images, and those held out from training.
struct TrainingImages {
    let data: TrainingData
    let heldOut: [Int]
    let normalization: PixelNormalization
}

extension StageContext {
    /// The training shard of the input `dataset`, split as it was imported; normalised over its training images, or
    /// as given where a network has been trained so.
    func trainingImages(normalization given: PixelNormalization? = nil) throws -> TrainingImages {
        let artifact = try input(.dataset)
        let metadata = try metadata(DatasetMetadata.self, of: artifact)
        let shard = try shard(artifact.digest)
        guard shard.layout.channels == space.inputChannels, shard.layout.classes <= space.classes
        else {
            throw PipelineError(
                .invalidArtifact,
                "data set \(metadata.dataset) has \(shard.layout.channels) channels and \(shard.layout.classes) classes;"
                    + " space \(space.name) takes \(space.inputChannels) and \(space.classes)")
        }
        let split = try Split(
            trainCount: shard.layout.count, heldOut: metadata.heldOut, seed: metadata.splitSeed)
        let normalization = given ?? PixelNormalization(shard, images: split.training)
        return TrainingImages(
            data: TrainingData(
                BatchLoader(shard, normalization: normalization), images: split.training),
            heldOut: split.heldOut, normalization: normalization)
    }

    /// The weights of the supernet that serves as `role`.
    func supernet(_ role: ArtifactRole = .supernet) throws -> Weights {
        let artifact = try input(role)
        let bytes = try bytes(artifact)
        let file = try InterchangeError.naming("artifact \(artifact.id)") {
            try Safetensors.decode(bytes: bytes)
        }
        let weights = Weights(try Weights.layout(supernetOf: space))
        try weights.load(file.tensors.mapValues { ($0.shape, $0.values) })
        return weights
    }

    /// What the supernet that serves as `role` was trained for; one without a record is taken to be trained for
    /// everything in its space, and the job's log says so.
    func trainedDomain(_ role: ArtifactRole = .supernet) throws -> TrainedDomain {
        let artifact = try input(role)
        if let known = try metadata(SupernetOrigin.self, of: artifact).trained { return known }
        job.log(
            "artifact \(artifact.id) does not say what it was trained for: taken to be all of \(space.name)"
        )
        return TrainedDomain(space)
    }

    /// The space with only what the supernet that is the input was trained for.
    func trainedSpace() throws -> SearchSpace { try space.restricted(to: trainedDomain()) }

    /// How the images of the supernet that is the input were normalised; nil for one that came without saying.
    func supernetNormalization() throws -> PixelNormalization? {
        struct Known: Decodable {
            let normalization: PixelNormalization?
        }
        return try metadata(Known.self, of: try input(.supernet)).normalization
    }

    /// What is done to the images on which networks of the supernet that is the input are calibrated.
    ///
    /// Errors: `missingInput` for the training's augmentation where the supernet does not say it.
    func augmentation(_ wanted: CalibrationAugmentation?) throws -> Augmentation {
        guard wanted == .training else { return .none }
        struct Known: Decodable {
            let augmentation: Augmentation?
        }
        let supernet = try input(.supernet)
        guard let known = try metadata(Known.self, of: supernet).augmentation else {
            throw PipelineError(
                .missingInput,
                "artifact \(supernet.id) does not say what was done to the images it was trained on",
                remedy: "leave calibration_augmentation out")
        }
        return known
    }

    /// The fitted predictor.
    func predictor() throws -> AccuracyPredictor {
        let artifact = try input(.predictor)
        return try PredictorStore.read(artifact, try bytes(artifact))
    }
}

extension Weights {
    /// The state dict as safetensors bytes.
    func safetensors(metadata: [String: String]) throws -> [UInt8] {
        var tensors: [String: SafetensorsFile.Tensor<Float>] = [:]
        for (parameter, values) in named {
            tensors[parameter.name] = .init(shape: parameter.shape, values: values)
        }
        return try Safetensors.encode(SafetensorsFile(tensors: tensors, metadata: metadata))
    }
}

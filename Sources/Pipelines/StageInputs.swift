// Decodes the inputs of stages: supernets and predictors. StageContext+Images.swift opens the images.

import Artifacts
import Datasets
import Foundation
import Interchange
import Networks
import Search
import Tensors
import Training

/// The metadata of a supernet.
struct SupernetMetadata: Codable, Sendable, Equatable {
    let space: String
    let phase: String
    let steps: Int
    let skippedSteps: Int
    let normalization: PixelNormalization
    let instructionSet: String
    let blasCore: String
    let threads: Int
    /// The trained domain: genes and image sizes of this phase and of the phases before it; nil in data of older
    /// versions.
    let trained: TrainedDomain?
    /// This phase's steps, divided into segments by the engine that trained them; nil in data of older versions.
    /// `instructionSet`, `blasCore` and `threads` are those of the last attempt's engine.
    var segments: [TrainStage.Segment]?
    /// The augmentation of this phase; nil in data of older versions.
    var augmentation: Augmentation?
    /// The search space; nil in data of older versions.
    var definition: SearchSpace?
    /// The norm of the gradient of the last attempt's last step that was not skipped; nil without such a step, and in
    /// data of older versions.
    var gradientNorm: Double?
    /// False if the supernet was trained without the kernel transform: smaller kernels are centres of larger ones, and
    /// its transform matrices are the identity. Nil with the transform, and in data of older versions.
    var kernelTransform: Bool?
    /// The net-epochs of this phase and of the phases before it: passes over the training images, summed over the
    /// networks of a step. Nil if unknown.
    var netEpochs: Double?
    /// The steps of this phase and of the phases before it; nil if unknown.
    var allSteps: Int?
    /// The format of feature maps in this phase; nil for float32, and in data of older versions.
    var precision: MapFormat?
    /// True if a single network was trained, as a network of its own: the other values are initial ones.
    var alone: Bool?
    /// The single network, if a search chose it: `trained` has its genes, and other networks of these genes were not
    /// trained. Nil otherwise.
    var architecture: SubnetConfig?
    /// How near the phase came to the accuracy at which it was to end; nil without one.
    var aim: AccuracyRecord?
}

/// How a supernet has been trained so far.
struct TrainingHistory: Decodable {
    /// See `SupernetMetadata`.
    let kernelTransform: Bool?, netEpochs: Double?, allSteps: Int?

    /// Returns the sum of `own`, a figure of a phase that follows `history`, and of the phases before it; nil if theirs
    /// is unknown. A `history` of nil means fresh weights.
    static func sum<Value: AdditiveArithmetic>(
        _ history: TrainingHistory?, _ figure: KeyPath<TrainingHistory, Value?>, own: Value
    ) -> Value? {
        guard let history else { return own }
        return history[keyPath: figure].map { $0 + own }
    }
}

/// The augmentation of images for batch-norm calibration.
public enum CalibrationAugmentation: String, Codable, Sendable, CaseIterable {
    /// The augmentation of the supernet's last phase, as in the published method.
    case training
    /// No augmentation: whole images.
    case whole = "none"
}

extension StageContext {
    /// Returns the weights of the input `role`, a supernet. With `newHead`, the classifier's parameters are those of a
    /// fresh supernet of the run's seed instead, and the supernet's number of classes may differ. Errors: `mismatch`
    /// for a supernet of another space.
    func supernet(_ role: ArtifactRole = .supernet, newHead: Bool = false) throws -> Weights {
        let artifact = try input(role)
        struct Known: Decodable {
            let definition: SearchSpace?
        }
        if let other = try metadata(Known.self, of: artifact).definition,
            let difference = try space.apart(from: other, besidesClasses: newHead)
        {
            throw PipelineError(
                .mismatch,
                "artifact \(artifact.id) is a supernet of space \(other.name), which is not this run's space"
                    + " \(space.name): \(difference)",
                remedy: "use the space that it was trained in: ofa artifacts show \(artifact.id)")
        }
        let bytes = try bytes(artifact)
        let file = try InterchangeError.naming("artifact \(artifact.id)") {
            try Safetensors.decode(bytes: bytes)
        }
        let weights =
            newHead
            ? try Weights(supernetOf: space, seed: arguments.seed)
            : Weights(try Weights.layout(supernetOf: space))
        try weights.load(
            file.tensors.mapValues { ($0.shape, $0.values) },
            keeping: newHead ? Weights.classifier(supernetOf: space) : [])
        return weights
    }

    /// Returns the trained domain of the input `role`, a supernet. If the supernet's artifact records no trained
    /// domain, returns the whole space and logs this assumption. Errors: `mismatch` if only a network that a search
    /// chose was trained, whose genes are no domain.
    func trainedDomain(_ role: ArtifactRole = .supernet) throws -> TrainedDomain {
        let artifact = try input(role)
        guard try loneNetwork(role) == nil else {
            throw PipelineError(
                .mismatch,
                "artifact \(artifact.id) has one network that was trained alone, which a search chose; stage"
                    + " \(arguments.stage) needs a supernet",
                remedy: TrainedCheck.loneRemedy)
        }
        if let known = try metadata(SupernetOrigin.self, of: artifact).trained { return known }
        job.log(
            "artifact \(artifact.id) does not record what it was trained for: assumed to be all of \(space.name)"
        )
        return TrainedDomain(space)
    }

    /// Returns the only network that the input `role` was trained for, if a search chose it; nil otherwise.
    func loneNetwork(_ role: ArtifactRole = .supernet) throws -> SubnetConfig? {
        struct Known: Decodable {
            let architecture: SubnetConfig?
        }
        return try metadata(Known.self, of: try input(role)).architecture
    }

    /// Returns how the input supernet has been trained so far.
    func trainingHistory() throws -> TrainingHistory {
        try metadata(TrainingHistory.self, of: try input(.supernet))
    }

    /// Returns the space restricted to the input supernet's trained domain.
    func trainedSpace() throws -> SearchSpace { try space.restricted(to: trainedDomain()) }

    /// Returns the normalisation of the images that the input `role`, a supernet, was trained on; nil if not recorded.
    func supernetNormalization(_ role: ArtifactRole = .supernet) throws -> PixelNormalization? {
        struct Known: Decodable {
            let normalization: PixelNormalization?
        }
        return try metadata(Known.self, of: try input(role)).normalization
    }

    /// Returns the augmentation of calibration images for networks of the input supernet.
    ///
    /// Errors: `missingInput` if the augmentation of the training images is requested but the supernet's artifact does
    /// not record it.
    func augmentation(_ wanted: CalibrationAugmentation?) throws -> Augmentation {
        guard wanted == .training else { return .none }
        struct Known: Decodable {
            let augmentation: Augmentation?
        }
        let supernet = try input(.supernet)
        guard let known = try metadata(Known.self, of: supernet).augmentation else {
            throw PipelineError(
                .missingInput,
                "artifact \(supernet.id) does not record the augmentation of its training images",
                remedy: "leave calibration_augmentation out")
        }
        return known
    }

    /// Returns the predictor of the input `predictor`.
    func predictor() throws -> AccuracyPredictor {
        let artifact = try input(.predictor)
        return try PredictorStore.read(artifact, try bytes(artifact))
    }
}

extension Weights {
    /// Returns the state dict as safetensors bytes.
    func safetensors(metadata: [String: String]) throws -> [UInt8] {
        var tensors: [String: SafetensorsFile.Tensor<Float>] = [:]
        for (parameter, values) in named {
            tensors[parameter.name] = .init(shape: parameter.shape, values: values)
        }
        return try Safetensors.encode(SafetensorsFile(tensors: tensors, metadata: metadata))
    }
}

extension SearchSpace {
    /// Checks that `what` was made for this space. `made` and `definition` are the name and the definition of the space
    /// that `what` was made for; `definition` is nil in data of older versions. Errors: `invalidArtifact` with the
    /// first difference.
    func checkOrigin(of what: String, _ made: String, _ definition: SearchSpace?) throws {
        guard made == name else {
            throw PipelineError(
                .invalidArtifact,
                "\(what) of space \(made) do not belong to this run's space \(name)")
        }
        guard let difference = try definition?.difference(from: self) else { return }
        throw PipelineError(
            .invalidArtifact,
            "\(what) belong to another space named \(made): \(difference) of this run's space",
            remedy: "use what was made for this definition")
    }
}

// The parameters of a fine-tuning, and how they are read from a pipeline file.

import Datasets
import Devices
import Foundation
import Networks
import Tensors
import Training

extension StageParameters {
    /// Trains one extracted network further.
    public struct FineTune: Codable, Sendable, Equatable {
        /// The stage or the artifact whose network is trained: a network, or a search result that chose one.
        public var from: String
        /// The training. Its phase's choices of genes and image sizes are ignored, because the network has its own.
        public var training: Train
        /// The number of training images for batch-norm calibration.
        public var calibrationImages: Int
        /// The augmentation of calibration images, `training` for that of this training; nil for none.
        public var calibrationAugmentation: CalibrationAugmentation?
        /// The device that the network was searched for; nil if no search chose it or if it is unknown.
        public var device: DeviceTarget?
    }

    /// Returns a phase that trains one network. Its genes are those of the space's largest network and have no effect,
    /// because `Trainer` gets the network that it trains alone.
    static func fineTuningPhase(
        epochs: Double, learningRate: Double, space: SearchSpace
    ) -> TrainingPhase {
        TrainingPhase(
            name: StageKind.fineTune.rawValue, kernelSizes: space.kernelSizes.suffix(1),
            expandRatios: space.expandRatios.suffix(1), depths: space.depths.suffix(1),
            widths: space.widthGenes.map(\.count).max().map { [$0 - 1] } ?? [],
            resolutions: space.resolutions, epochs: epochs, learningRate: learningRate)
    }

    static func readFineTune(_ entry: YAMLReader, space: SearchSpace) throws -> FineTune {
        typealias Ranges = TrainingPhase.Ranges
        let from = try entry.required(try entry.text("from"), "from")
        let teacher = try entry.text("teacher")
        let epochs = try entry.required(try entry.number("epochs", in: Ranges.epochs), "epochs")
        let rate = try entry.required(
            try entry.number("learning_rate", in: Ranges.learningRate), "learning_rate")
        var phase = fineTuningPhase(epochs: epochs, learningRate: rate, space: space)
        phase.warmupEpochs = try entry.number("warmup_epochs", in: 0...epochs) ?? 0
        phase.batch = try entry.integer("batch", in: 2...65_536) ?? phase.batch
        phase.microBatch = try entry.integer("micro_batch", in: 2...65_536)
        phase.distillation =
            try entry.number("distillation", in: Ranges.distillation) ?? (teacher == nil ? 0 : 1)
        phase.labelSmoothing =
            try entry.number("label_smoothing", in: Ranges.labelSmoothing) ?? phase.labelSmoothing
        phase.weightDecay =
            try entry.number("weight_decay", in: Ranges.weightDecay) ?? phase.weightDecay
        phase.momentum = try entry.number("momentum", in: Ranges.momentum) ?? phase.momentum
        phase.precision = try entry.choice("precision", MapFormat.self)
        phase.dropout = try entry.number("dropout", in: Ranges.dropout) ?? phase.dropout
        phase.augmentation =
            try entry.mapping("augmentation").map(readAugmentation) ?? phase.augmentation
        do {
            try phase.validate(in: space)
        } catch let error as TrainingError {
            throw entry.error(
                error.field ?? "epochs", "does not fit: \(error.reason)", remedy: error.remedy)
        }
        if phase.distillation > 0 && teacher == nil {
            throw entry.error(
                "distillation", "needs a teacher",
                remedy: "name the stage whose full network answers")
        }
        return FineTune(
            from: from,
            training: Train(
                phase: phase, from: nil, teacher: teacher,
                checkpointSeconds: try entry.number("checkpoint_seconds", in: 0...86_400)),
            calibrationImages: try calibrationImages(entry),
            calibrationAugmentation: try calibrationAugmentation(entry), device: nil)
    }
}

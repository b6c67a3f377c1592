// How the parameters of a training phase are read from a pipeline file.

import Datasets
import Foundation
import Intake
import Networks
import Tensors
import Training

extension StageParameters {
    /// Reads the parameters of a `train` stage.
    static func readTrain(_ entry: YAMLReader, space: SearchSpace) throws -> Train {
        let from = try entry.text("from"), teacher = try entry.text("teacher")
        let augmentation = try entry.mapping("augmentation").map(readAugmentation)
        let sampling = try entry.choice("sampling", SamplingWord.self) ?? .random
        let all = sampling == .uniform ? try wholeSpace(entry, space) : nil
        let alone = try entry.flag("alone") ?? false
        let architecture = try readArchitecture(entry, alone: alone)
        if space.coupling != nil {
            for key in ["kernel_sizes", "expand_ratios"] {
                guard try entry.integers(key) != nil else { continue }
                throw entry.error(
                    key,
                    "has no effect: space \(space.name) fixes kernel sizes by stage and expand ratios by depth",
                    remedy: "leave it out, and open depths")
            }
        }
        typealias Ranges = TrainingPhase.Ranges
        let epochs = try entry.required(
            try entry.number("epochs", in: Ranges.epochs), "epochs")
        var phase = TrainingPhase(
            name: try entry.required(try entry.text("phase"), "phase"),
            kernelSizes: try all?.kernelSizes ?? entry.integers("kernel_sizes")
                ?? space.kernelSizes.suffix(1),
            expandRatios: try all?.expandRatios
                ?? entry.numbers("expand_ratios", in: SearchSpace.Bounds.ratio)
                ?? space.expandRatios.suffix(1),
            depths: try all?.depths ?? entry.integers("depths") ?? space.depths.suffix(1),
            widths: try all?.widths ?? entry.integers("widths")
                ?? space.widthGenes.map(\.count).max().map { [$0 - 1] } ?? [],
            resolutions: try entry.integers("resolutions")
                ?? (alone ? space.resolutions.suffix(1) : space.resolutions),
            subnets: try entry.integer("subnets", in: 1...64) ?? 1,
            sampling: sampling == .sandwich ? .sandwich : .random,
            epochs: epochs,
            warmupEpochs: try entry.number("warmup_epochs", in: 0...epochs) ?? 0,
            batch: try entry.integer("batch", in: 2...65_536) ?? 64,
            microBatch: try entry.integer("micro_batch", in: 2...65_536),
            learningRate: try entry.required(
                try entry.number("learning_rate", in: Ranges.learningRate), "learning_rate"),
            labelSmoothing: try entry.number("label_smoothing", in: Ranges.labelSmoothing) ?? 0.1,
            weightDecay: try entry.number("weight_decay", in: Ranges.weightDecay) ?? 3e-5,
            momentum: try entry.number("momentum", in: Ranges.momentum) ?? 0.9,
            dropout: try entry.number("dropout", in: Ranges.dropout) ?? 0,
            augmentation: augmentation ?? Augmentation(),
            sortChannels: try entry.flag("sort_channels") ?? false)
        try readDistillation(entry, hasTeacher: teacher != nil, into: &phase)
        do {
            try phase.validate(in: space)
        } catch let error as TrainingError {
            throw entry.error(
                error.field ?? "phase", "does not fit: \(error.reason)", remedy: error.remedy)
        }
        let keepRatios = try entry.numbers("keep_ratios", in: SearchSpace.Bounds.ratio)
        if let stray = keepRatios?.first(where: { !space.expandRatios.contains($0) }) {
            throw entry.error(
                "keep_ratios",
                "holds \(SearchSpace.text(stray)); space \(space.name) has \(SearchSpace.listed(space.expandRatios))"
            )
        }
        if alone { try checkAlone(entry, phase) }
        return Train(
            phase: phase, from: from, teacher: teacher, keepRatios: keepRatios,
            checkpointSeconds: try entry.number("checkpoint_seconds", in: 0...86_400),
            newHead: try readNewHead(entry, from: from),
            validation: try ValidationPlan.read(entry), alone: alone ? true : nil,
            architecture: architecture)
    }

    /// Returns the source of the network that is trained alone; nil if the phase's genes say which it is. Errors:
    /// `invalidValue` unless a network is trained alone, and for genes beside it.
    private static func readArchitecture(_ entry: YAMLReader, alone: Bool) throws -> String? {
        guard let source = try entry.text("architecture") else { return nil }
        guard alone else {
            throw entry.error(
                "architecture", "is the network of a training alone, and this trains a supernet",
                remedy: "set alone: true, or leave it out")
        }
        for key in ["kernel_sizes", "depths", "expand_ratios", "widths", "resolutions"]
        where entry.keys.contains(key) {
            throw entry.error(
                key, "has no effect: architecture names the network, with its genes and image size",
                remedy: "leave it out")
        }
        return source
    }

    /// Returns true if the classifier is replaced, else nil.
    private static func readNewHead(_ entry: YAMLReader, from: String?) throws -> Bool? {
        guard try entry.flag("new_head") == true else { return nil }
        guard from != nil else {
            throw entry.error(
                "new_head", "is true, and fresh weights have no other classifier",
                remedy: "name the supernet that the training starts from: from")
        }
        return true
    }

    /// Checks a phase that trains one network alone. Errors: `invalidValue` for a key that makes sense for a supernet
    /// only, and for genes that more than one network has.
    private static func checkAlone(_ entry: YAMLReader, _ phase: TrainingPhase) throws {
        for key in ["from", "new_head", "kernel_transform", "sort_channels", "keep_ratios"]
        where entry.keys.contains(key) {
            throw entry.error(
                key, "has no effect: alone trains a network of its own, from fresh weights",
                remedy: "leave it out; kind: fine-tune trains a network of a supernet further")
        }
        guard phase.subnets == 1, phase.sampling == .random else {
            throw entry.error(
                "alone", "trains one network in every step",
                remedy: "leave out subnets and sampling")
        }
        for (key, count) in [
            ("kernel_sizes", phase.kernelSizes.count), ("depths", phase.depths.count),
            ("expand_ratios", phase.expandRatios.count), ("widths", phase.widths.count),
            ("resolutions", phase.resolutions.count),
        ] where count > 1 {
            throw entry.error(
                key, "has \(count) values, and alone trains one network",
                remedy: "write one value")
        }
    }

    /// The words under `sampling`.
    private enum SamplingWord: String, CaseIterable {
        case random, uniform, sandwich
    }

    /// Returns all genes of the space, which every step of `sampling: uniform` draws from. Errors: `invalidValue` for a
    /// key that would restrict them.
    private static func wholeSpace(_ entry: YAMLReader, _ space: SearchSpace) throws
        -> TrainedDomain
    {
        for key in ["kernel_sizes", "expand_ratios", "depths", "widths"]
        where entry.keys.contains(key) {
            throw entry.error(
                key, "has no effect: sampling uniform draws from the whole space",
                remedy: "leave it out, or set sampling to random")
        }
        return TrainedDomain(space)
    }

    /// Reads how the networks of a step are taught, and how kernels, gradients and maps are treated. Errors: `invalidValue`
    /// unless there is exactly one teacher where one is needed.
    private static func readDistillation(
        _ entry: YAMLReader, hasTeacher: Bool, into phase: inout TrainingPhase
    ) throws {
        typealias Ranges = TrainingPhase.Ranges
        phase.inPlaceDistillation = try entry.flag("in_place_distillation") ?? false
        phase.distillationLoss =
            try entry.choice("distillation_loss", SoftLoss.self) ?? .crossEntropy
        phase.gradientClip =
            try entry.number("gradient_clip", in: Ranges.gradientClip)
            ?? (phase.distillationLoss == .alphaDivergence ? 1 : nil)
        phase.kernelTransform = try entry.flag("kernel_transform")
        phase.precision = try entry.choice("precision", MapFormat.self)
        phase.distillation =
            try entry.number("distillation", in: Ranges.distillation)
            ?? (hasTeacher || phase.inPlaceDistillation ? 1 : 0)
        guard !phase.inPlaceDistillation || !hasTeacher else {
            throw entry.error(
                "in_place_distillation", "makes the largest network of a step the teacher",
                remedy: "leave out teacher")
        }
        guard phase.distillation == 0 || hasTeacher || phase.inPlaceDistillation else {
            throw entry.error(
                "distillation", "needs a teacher",
                remedy: "name the stage whose full network answers")
        }
    }
}

// One phase of progressive shrinking: which genes may vary, and how it is trained.

import Datasets
import Foundation
import Networks
import Tensors

/// What one phase trains and how; the fields are those of the pipeline file.
public struct TrainingPhase: Codable, Sendable, Equatable {
    /// How the subnets of a step are chosen.
    public enum Sampling: String, Codable, Sendable, CaseIterable {
        /// Each uniformly from the choices, as published.
        case random
        /// The largest, the smallest, then random ones (Yu et al., BigNAS, 2020).
        case sandwich
    }

    /// What the phase is called: full, kernel, depth or expand.
    public var name: String
    /// The choices open in this phase.
    public var kernelSizes, expandRatios, depths: [Int]
    /// Image sizes drawn from, one a step.
    public var resolutions: [Int]
    /// Subnets whose gradients are summed in a step.
    public var subnets: Int
    /// How they are chosen.
    public var sampling: Sampling
    /// Passes over the training images; a fraction is allowed.
    public var epochs: Double
    /// Of these, how many warm up.
    public var warmupEpochs: Double
    /// Images a step.
    public var batch: Int
    /// Peak learning rate for this batch.
    public var learningRate: Double
    /// Weight of the cross entropy against the full network's answers; 0 trains without it.
    public var distillation: Double
    /// Spread of a label over all classes.
    public var labelSmoothing: Double
    /// L2 pull on convolution and linear weights.
    public var weightDecay: Double
    /// Nesterov momentum.
    public var momentum: Double
    /// Share of features dropped before the classifier.
    public var dropout: Double
    /// What is done to images.
    public var augmentation: Augmentation
    /// Sort channels by importance before the phase begins.
    public var sortChannels: Bool

    /// Names every setting.
    public init(
        name: String, kernelSizes: [Int], expandRatios: [Int], depths: [Int], resolutions: [Int],
        subnets: Int = 1,
        sampling: Sampling = .random, epochs: Double, warmupEpochs: Double = 0, batch: Int = 64,
        learningRate: Double,
        distillation: Double = 0, labelSmoothing: Double = 0.1, weightDecay: Double = 3e-5,
        momentum: Double = 0.9,
        dropout: Double = 0, augmentation: Augmentation = Augmentation(), sortChannels: Bool = false
    ) {
        self.name = name
        self.kernelSizes = kernelSizes
        self.expandRatios = expandRatios
        self.depths = depths
        self.resolutions = resolutions
        self.subnets = subnets
        self.sampling = sampling
        self.epochs = epochs
        self.warmupEpochs = warmupEpochs
        self.batch = batch
        self.learningRate = learningRate
        self.distillation = distillation
        self.labelSmoothing = labelSmoothing
        self.weightDecay = weightDecay
        self.momentum = momentum
        self.dropout = dropout
        self.augmentation = augmentation
        self.sortChannels = sortChannels
    }

    /// The ranges of a phase's numbers; what reads a phase from outside checks against them.
    public enum Ranges {
        /// Passes over the training images.
        public static let epochs = 0.001...10_000.0
        /// The peak learning rate.
        public static let learningRate = 1e-6...100.0
        /// The share of the target that all classes have.
        public static let labelSmoothing = 0...0.99
        /// The share of features left out before the classifier.
        public static let dropout = 0...0.9
        /// The weight of the teacher's answers.
        public static let distillation = 0...100.0
        /// How much of the last step goes on.
        public static let momentum = 0...0.999
        /// What a step takes from every weight, times the learning rate.
        public static let weightDecay = 0...1.0
    }

    /// Checks the choices against the space and the numbers against sense; names the field.
    public func validate(in space: SearchSpace) throws {
        func fail(_ field: String, _ why: String) -> TrainingError {
            TrainingError(.invalidParameters, "phase \(name): \(field) \(why)")
        }
        for (field, chosen, allowed) in [
            ("kernel_sizes", kernelSizes, space.kernelSizes),
            ("expand_ratios", expandRatios, space.expandRatios),
            ("depths", depths, space.depths), ("resolutions", resolutions, space.resolutions),
        ] {
            guard !chosen.isEmpty, chosen.allSatisfy(allowed.contains) else {
                throw fail(field, "is \(chosen); space \(space.name) allows \(allowed)")
            }
        }
        for (field, value, range) in [
            ("epochs", epochs, Ranges.epochs), ("learning_rate", learningRate, Ranges.learningRate),
            ("label_smoothing", labelSmoothing, Ranges.labelSmoothing),
            ("dropout", dropout, Ranges.dropout),
            ("distillation", distillation, Ranges.distillation),
            ("momentum", momentum, Ranges.momentum),
            ("weight_decay", weightDecay, Ranges.weightDecay),
            ("augmentation.min_area", augmentation.minArea, 0.01...1),
            ("augmentation.max_aspect", augmentation.maxAspect, 1...4),
            ("augmentation.shift", augmentation.shift, 0...64),
            ("augmentation.brightness", augmentation.brightness, 0...1),
            ("augmentation.saturation", augmentation.saturation, 0...1),
        ] where !range.contains(value) {
            throw fail(field, "is \(value); it must lie in \(range)")
        }
        guard (0...epochs).contains(warmupEpochs) else {
            throw fail(
                "warmup_epochs",
                "is \(warmupEpochs); it must lie in 0...\(epochs), the phase's epochs")
        }
        guard (1...64).contains(subnets) else {
            throw fail("subnets", "is \(subnets); it must lie in 1...64")
        }
        guard (2...65_536).contains(batch) else {
            throw fail("batch", "is \(batch); it must lie in 2...65536")
        }
        guard sampling == .random || subnets >= 2 else {
            throw fail(
                "subnets",
                "is \(subnets); sandwich sampling needs at least 2: the largest and the smallest")
        }
    }

    /// Draws the subnet number `position` of a step, at the step's resolution, into `config`, whose lists have the
    /// space's lengths: a step allocates nothing. Coupled genes follow the depths.
    func draw(
        _ position: Int, into config: inout SubnetConfig, resolution: Int, in space: SearchSpace,
        using stream: inout RandomStream
    ) {
        defer { space.settle(&config) }
        config.resolution = resolution
        for i in config.kernelSizes.indices {
            config.kernelSizes[i] = kernelSizes[stream.below(kernelSizes.count)]
        }
        for i in config.expandRatios.indices {
            config.expandRatios[i] = expandRatios[stream.below(expandRatios.count)]
        }
        for i in config.depths.indices { config.depths[i] = depths[stream.below(depths.count)] }
        guard sampling == .sandwich && position < 2 else { return }
        let end: ([Int]) -> Int = { (position == 0 ? $0.max() : $0.min()) ?? 0 }
        for i in config.kernelSizes.indices { config.kernelSizes[i] = end(kernelSizes) }
        for i in config.expandRatios.indices { config.expandRatios[i] = end(expandRatios) }
        for i in config.depths.indices { config.depths[i] = end(depths) }
    }

    /// Networks that between them need as much room as any subnet of this phase: a layer's own genes decide what it
    /// needs, so every kernel and ratio once for all layers, at full depth.
    func roomiest(in space: SearchSpace) throws -> [NetworkShape] {
        var shapes: [NetworkShape] = [], config = space.largest
        for i in config.depths.indices { config.depths[i] = depths.max() ?? 0 }
        for resolution in resolutions {
            config.resolution = resolution
            guard space.coupling == nil else {
                for depth in depths {
                    for i in config.depths.indices { config.depths[i] = depth }
                    shapes.append(try NetworkShape(space, space.settled(config)))
                }
                continue
            }
            for kernel in kernelSizes {
                for i in config.kernelSizes.indices { config.kernelSizes[i] = kernel }
                for ratio in expandRatios {
                    for i in config.expandRatios.indices { config.expandRatios[i] = ratio }
                    shapes.append(try NetworkShape(space, config))
                }
            }
        }
        return shapes
    }

    /// The genes and sizes that the phase trains in `space`.
    public func domain(in space: SearchSpace) -> TrainedDomain {
        guard let coupling = space.coupling else {
            return TrainedDomain(
                kernelSizes: kernelSizes, expandRatios: expandRatios, depths: depths,
                resolutions: resolutions)
        }
        return TrainedDomain(
            kernelSizes: coupling.kernelSizes,
            expandRatios: depths.compactMap { depth in
                space.depths.firstIndex(of: depth).map { coupling.expandRatios[$0] }
            }, depths: depths, resolutions: resolutions)
    }
}

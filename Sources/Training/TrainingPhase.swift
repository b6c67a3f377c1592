// One phase of progressive shrinking: which genes may vary, and how the subnets are trained.

import Datasets
import Foundation
import Networks
import Tensors

/// The parameters of one phase; the fields are those of the pipeline file.
public struct TrainingPhase: Codable, Sendable, Equatable {
    /// How the subnets of a step are chosen.
    public enum Sampling: String, Codable, Sendable, CaseIterable {
        /// Each gene is drawn uniformly from its choices, as published.
        case random
        /// The largest network, the smallest, then random networks (Yu et al., BigNAS, 2020).
        case sandwich
    }

    /// The name of the phase, such as full, kernel, depth or expand.
    public var name: String
    /// The kernel sizes and depths that this phase allows; a list is empty if the family has no
    /// such genes.
    public var kernelSizes, depths: [Int]
    /// The expand ratios that this phase allows.
    public var expandRatios: [Double]
    /// The values of width genes that this phase allows, ascending; empty if widths are constant.
    public var widths: [Int] {
        get { widthValues ?? [] }
        set { widthValues = newValue.isEmpty ? nil : newValue }
    }
    /// The stored form of `widths`: nil instead of an empty list.
    private var widthValues: [Int]?
    /// Image sizes; one is drawn per step.
    public var resolutions: [Int]
    /// The number of subnets whose gradients are summed in a step.
    public var subnets: Int
    /// How the subnets are chosen.
    public var sampling: Sampling
    /// Passes over the training images; a fraction is allowed.
    public var epochs: Double
    /// Warm-up epochs, part of `epochs`.
    public var warmupEpochs: Double
    /// The number of images of a step.
    public var batch: Int
    /// The number of images per pass, a divisor of `batch`; nil means the whole batch.
    public var microBatch: Int?
    /// The number of images of a pass.
    public var imagesPerPass: Int { microBatch ?? batch }
    /// Peak learning rate.
    public var learningRate: Double
    /// Weight of the distillation loss, whose targets are the soft labels of the teacher's largest network; 0 turns
    /// distillation off.
    public var distillation: Double
    /// Whether the first network of a step is the teacher of the others: it learns from the labels, with dropout; they
    /// learn from its soft labels of the same step only, without dropout (Yu et al., BigNAS, 2020).
    public var inPlaceDistillation: Bool {
        get { inPlace ?? false }
        set { inPlace = newValue ? true : nil }
    }
    /// The stored form of `inPlaceDistillation`, and of `distillationLoss`: nil for the default.
    private var inPlace: Bool?, softLoss: SoftLoss?
    /// The distillation loss.
    public var distillationLoss: SoftLoss {
        get { softLoss ?? .crossEntropy }
        set { softLoss = newValue == .crossEntropy ? nil : newValue }
    }
    /// The limit of every value of a step's gradient; nil for none.
    public var gradientClip: Double?
    /// Whether smaller kernels are multiplied by transform matrices, which are trained; false for the centres of larger
    /// kernels. Nil for what the supernet that the phase starts from was trained with.
    public var kernelTransform: Bool?
    /// The format of feature maps and of their gradients (`Network.trainingFormat`): bf16 halves the memory that a step
    /// moves. Nil for float32.
    public var precision: MapFormat?
    /// Share of the target distributed evenly over all classes.
    public var labelSmoothing: Double
    /// Weight decay of convolution and linear weights.
    public var weightDecay: Double
    /// Nesterov momentum.
    public var momentum: Double
    /// Dropout rate before the classifier.
    public var dropout: Double
    /// The augmentation of training images.
    public var augmentation: Augmentation
    /// Whether channels are sorted by importance before the phase begins.
    public var sortChannels: Bool

    /// Takes the values unchecked; `validate(in:)` checks them.
    public init(
        name: String, kernelSizes: [Int], expandRatios: [Double], depths: [Int],
        widths: [Int] = [], resolutions: [Int],
        subnets: Int = 1,
        sampling: Sampling = .random, epochs: Double, warmupEpochs: Double = 0, batch: Int = 64,
        microBatch: Int? = nil, learningRate: Double,
        distillation: Double = 0, inPlaceDistillation: Bool = false,
        distillationLoss: SoftLoss = .crossEntropy, gradientClip: Double? = nil,
        kernelTransform: Bool? = nil, precision: MapFormat? = nil, labelSmoothing: Double = 0.1,
        weightDecay: Double = 3e-5, momentum: Double = 0.9,
        dropout: Double = 0, augmentation: Augmentation = Augmentation(), sortChannels: Bool = false
    ) {
        self.name = name
        self.kernelSizes = kernelSizes
        self.expandRatios = expandRatios
        self.depths = depths
        widthValues = widths.isEmpty ? nil : widths
        self.resolutions = resolutions
        self.subnets = subnets
        self.sampling = sampling
        self.epochs = epochs
        self.warmupEpochs = warmupEpochs
        self.batch = batch
        self.microBatch = microBatch
        self.learningRate = learningRate
        self.distillation = distillation
        inPlace = inPlaceDistillation ? true : nil
        softLoss = distillationLoss == .crossEntropy ? nil : distillationLoss
        self.gradientClip = gradientClip
        self.kernelTransform = kernelTransform
        self.precision = precision
        self.labelSmoothing = labelSmoothing
        self.weightDecay = weightDecay
        self.momentum = momentum
        self.dropout = dropout
        self.augmentation = augmentation
        self.sortChannels = sortChannels
    }

    /// The allowed ranges of a phase's numbers, for `validate(in:)` and for the reader of pipeline
    /// files.
    public enum Ranges {
        /// Passes over the training images.
        public static let epochs = 0.001...10_000.0
        /// The peak learning rate.
        public static let learningRate = 1e-6...100.0
        /// The share of the target distributed over all classes.
        public static let labelSmoothing = 0...0.99
        /// The dropout rate before the classifier.
        public static let dropout = 0...0.9
        /// The weight of the distillation loss.
        public static let distillation = 0...100.0
        /// The limit of a gradient's values.
        public static let gradientClip = 1e-6...1e6
        /// The momentum factor.
        public static let momentum = 0...0.999
        /// The weight decay.
        public static let weightDecay = 0...1.0
    }

    /// Checks the choices against the space and the numbers against their ranges. Errors:
    /// `invalidParameters`, naming the field.
    public func validate(in space: SearchSpace) throws {
        func fail(_ field: String, _ why: String) -> TrainingError {
            TrainingError(
                .invalidParameters, "phase \(name): \(field) \(why)", field: field)
        }
        for (field, chosen, allowed) in [
            ("kernel_sizes", kernelSizes, space.kernelSizes), ("depths", depths, space.depths),
            ("widths", widths, Array(0..<(space.widthGenes.map(\.count).max() ?? 0))),
            ("resolutions", resolutions, space.resolutions),
        ] {
            guard chosen.isEmpty == allowed.isEmpty, chosen.allSatisfy(allowed.contains) else {
                throw fail(field, "is \(chosen); space \(space.name) allows \(allowed)")
            }
        }
        guard !expandRatios.isEmpty, expandRatios.allSatisfy(space.expandRatios.contains) else {
            throw fail(
                "expand_ratios",
                "is [\(SearchSpace.listed(expandRatios))]; space \(space.name) allows"
                    + " [\(SearchSpace.listed(space.expandRatios))]")
        }
        for (field, value, range) in [
            ("epochs", epochs, Ranges.epochs), ("learning_rate", learningRate, Ranges.learningRate),
            ("label_smoothing", labelSmoothing, Ranges.labelSmoothing),
            ("dropout", dropout, Ranges.dropout),
            ("distillation", distillation, Ranges.distillation),
            ("gradient_clip", gradientClip ?? 1, Ranges.gradientClip),
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
        guard imagesPerPass >= 2, batch % imagesPerPass == 0 else {
            throw fail(
                "micro_batch",
                "is \(imagesPerPass); it must be 2 or more and divide batch, \(batch)")
        }
        guard sampling == .random || subnets >= 2 else {
            throw fail(
                "subnets",
                "is \(subnets); sandwich sampling needs at least 2: the largest and the smallest")
        }
        try checkDistillation(in: space)
    }

    /// Checks the fields of distillation, of the kernel transform and of the precision. Errors: `invalidParameters`,
    /// naming the field.
    private func checkDistillation(in space: SearchSpace) throws {
        func fail(_ field: String, _ why: String, remedy: String) -> TrainingError {
            TrainingError(
                .invalidParameters, "phase \(name): \(field) \(why)", remedy: remedy, field: field)
        }
        guard !inPlaceDistillation || sampling == .sandwich else {
            throw fail(
                "in_place_distillation", "needs the largest network in every step",
                remedy: "set sampling to sandwich")
        }
        guard !inPlaceDistillation || distillation > 0 else {
            throw fail(
                "in_place_distillation", "leaves all but the largest network nothing to learn from",
                remedy: "set distillation above 0")
        }
        guard distillationLoss == .crossEntropy || distillation > 0 else {
            throw fail(
                "distillation_loss", "has no effect without distillation",
                remedy: "name a teacher, or set in_place_distillation")
        }
        guard kernelTransform != true || space.kernelTransform else {
            throw fail(
                "kernel_transform", "is true; space \(space.name) has no transform matrices",
                remedy: "leave it out")
        }
        if precision == .bfloat16,
            let layer = try NetworkShape(space, space.largest).float32Layer
        {
            throw fail(
                "precision",
                "is bf16; layer \(layer) of space \(space.name) is trained in float32 only",
                remedy: "leave it out")
        }
    }

    /// Passes forward and backward over the training images, summed over the networks of a step: the unit in which
    /// training schedules have equal budgets.
    public var netEpochs: Double { epochs * Double(subnets) }

    /// Draws subnet number `position` of a step into `config`. The lists in `config` already have
    /// the lengths that the space needs, so nothing is allocated. `open` is the space restricted to
    /// this phase's choices (`open(in:)`).
    func draw(
        _ position: Int, into config: inout SubnetConfig, resolution: Int, of open: SearchSpace,
        using stream: inout RandomStream
    ) {
        defer { open.applyCoupling(&config) }
        config.resolution = resolution
        for stage in open.stages where !stage.kernelSizes.isEmpty {
            for layer in stage.places {
                config.kernelSizes[layer] =
                    stage.kernelSizes[stream.below(stage.kernelSizes.count)]
            }
        }
        for stage in open.stages {
            for layer in stage.places {
                config.expandRatios[layer] =
                    stage.expandRatios[stream.below(stage.expandRatios.count)]
            }
        }
        for (number, stage) in open.stages.enumerated() {
            config.depths[number] = stage.depths[stream.below(stage.depths.count)]
        }
        for place in config.widths.indices {
            let open = open.openValues[place]
            config.widths[place] = open[stream.below(open.count)]
        }
        guard sampling == .sandwich && position < 2 else { return }
        setEnd(isLargest: position == 0, &config, open)
    }

    private func setEnd(isLargest: Bool, _ config: inout SubnetConfig, _ open: SearchSpace) {
        func end<Value>(_ values: [Value], _ otherwise: Value) -> Value {
            (isLargest ? values.last : values.first) ?? otherwise
        }
        for (number, stage) in open.stages.enumerated() {
            config.depths[number] = end(stage.depths, 0)
            for layer in stage.places {
                if !stage.kernelSizes.isEmpty {
                    config.kernelSizes[layer] = end(stage.kernelSizes, 0)
                }
                config.expandRatios[layer] = end(stage.expandRatios, 0)
            }
        }
        for place in config.widths.indices { config.widths[place] = end(open.openValues[place], 0) }
    }

    /// Returns the space restricted to this phase's choices; layers keep their indices. Errors:
    /// those of `SearchSpace.restricted(to:)`.
    func open(in space: SearchSpace) throws -> SearchSpace {
        try space.restricted(
            to: TrainedDomain(
                kernelSizes: kernelSizes, expandRatios: expandRatios, depths: depths,
                widths: widths, resolutions: resolutions))
    }

    /// Returns networks that together contain every layer that a subnet of this phase may have. A
    /// layer's memory depends only on the layer's genes, input width and image size, so no subnet
    /// needs more memory than these networks.
    func roomiest(in space: SearchSpace) throws -> [NetworkShape] {
        let open = try open(in: space)
        var shapes: [NetworkShape] = []
        for resolution in resolutions {
            guard open.coupling != nil else {
                shapes += try open.coveringConfigs(resolution: resolution).map {
                    try NetworkShape(space, $0)
                }
                continue
            }
            for place in open.stages[0].depths.indices {
                var config = open.largest
                config.resolution = resolution
                for (number, stage) in open.stages.enumerated() {
                    config.depths[number] = stage.depths[place]
                }
                shapes.append(try NetworkShape(space, open.canonical(config)))
            }
        }
        return shapes
    }

    /// Returns the genes and image sizes that the phase trains in `space`.
    public func domain(in space: SearchSpace) -> TrainedDomain {
        guard let coupling = space.coupling else {
            return TrainedDomain(
                kernelSizes: kernelSizes, expandRatios: expandRatios, depths: depths,
                widths: widths, resolutions: resolutions)
        }
        return TrainedDomain(
            kernelSizes: coupling.kernelSizes,
            expandRatios: depths.compactMap { depth in
                space.stages[0].depths.firstIndex(of: depth).map { coupling.expandRatios[$0] }
            }, depths: depths, resolutions: resolutions)
    }
}

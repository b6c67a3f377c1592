// A search space: the family of networks that one supernet holds. Widths and strides are fixed;
// kernel sizes, expand ratios, depths and the resolution are genes of a `SubnetConfig`. Everything
// here is integers: the engine, the cost model and the predictors all read the same definition.
// Geometry of the MobileNetV3 family: Cai et al., ICLR 2020, section 4 and appendix.
import Tensors

/// The family of networks one supernet contains.
public struct SearchSpace: Codable, Hashable, Sendable {
    /// A convolution that is not elastic: 3×3, padding 1, batch norm, activation.
    public struct ConvDefinition: Codable, Hashable, Sendable {
        /// Output channels, already made divisible.
        public var width: Int
        /// 1 or 2.
        public var stride: Int
        /// What follows the batch norm.
        public var activation: Activation
        /// The kernel size of every stem.
        public var kernel: Int { 3 }

        /// Describes a convolution by its output channels, stride and activation.
        public init(width: Int, stride: Int, activation: Activation) {
            self.width = width
            self.stride = stride
            self.activation = activation
        }
    }

    /// A group of inverted residual blocks of one width; the first carries the stride.
    public struct Stage: Codable, Hashable, Sendable {
        /// Output channels, already made divisible.
        public var width: Int
        /// Stride of the first layer; the others have stride 1.
        public var stride: Int
        /// Activation after the expansion and after the depthwise convolution.
        public var activation: Activation
        /// Whether every layer has a squeeze-and-excite module.
        public var squeezeExcite: Bool

        /// Describes a stage by its width, stride, activation and squeeze-and-excite flag.
        public init(width: Int, stride: Int, activation: Activation, squeezeExcite: Bool) {
            self.width = width
            self.stride = stride
            self.activation = activation
            self.squeezeExcite = squeezeExcite
        }
    }

    /// Genes that follow from others: every stage's kernel size is fixed, and its expand ratio goes with its depth.
    ///
    /// Source: Sahni et al., "CompOFA", ICLR 2021: deeper stages are wider ones.
    public struct Coupling: Codable, Hashable, Sendable {
        /// The kernel size of every stage.
        public var kernelSizes: [Int]
        /// The expand ratio that goes with each of the space's depths, in their order.
        public var expandRatios: [Int]
        /// The name of the larger space whose genes these are: what is known about its networks holds here.
        public var parent: String

        /// Couples genes of `parent`.
        public init(kernelSizes: [Int], expandRatios: [Int], parent: String) {
            self.kernelSizes = kernelSizes
            self.expandRatios = expandRatios
            self.parent = parent
        }
    }

    /// The name users type, such as `ofa-mbv3-w1.0`.
    public var name: String
    /// Channels of an image: 3 for colour, 1 for grey.
    public var inputChannels: Int
    /// The first convolution.
    public var stem: ConvDefinition
    /// Output channels of the block after the stem: kernel 3, expand ratio 1, stride 1, ReLU, not
    /// elastic.
    public var firstBlockWidth: Int
    /// The elastic stages, in order.
    public var stages: [Stage]
    /// Kernel sizes a layer may have: odd, ascending.
    public var kernelSizes: [Int]
    /// Expand ratios a layer may have, ascending.
    public var expandRatios: [Int]
    /// Numbers of layers a stage may have, ascending.
    public var depths: [Int]
    /// Image sizes of training, in pixels, ascending.
    public var resolutions: [Int]
    /// Output channels of the last 1×1 convolution before the pooling.
    public var finalExpandWidth: Int
    /// Output channels of the 1×1 convolution (no batch norm, no bias) after the pooling.
    public var featureMixWidth: Int
    /// Outputs of the linear classifier.
    public var classes: Int
    /// Whether smaller kernels are made from larger ones by learned matrices (7→5→3), or only
    /// cropped.
    public var kernelTransform: Bool
    /// Which genes follow from others; nil when every gene is free.
    public var coupling: Coupling?
    /// Places of a stage in the gene lists where these are more than the largest depth, as in a restricted
    /// space; nil otherwise.
    public var layersPerStage: Int?

    /// Defines a space; widths are taken as they are.
    public init(
        name: String, inputChannels: Int, stem: ConvDefinition, firstBlockWidth: Int,
        stages: [Stage], kernelSizes: [Int], expandRatios: [Int], depths: [Int],
        resolutions: [Int], finalExpandWidth: Int, featureMixWidth: Int, classes: Int,
        kernelTransform: Bool, coupling: Coupling? = nil
    ) {
        self.name = name
        self.inputChannels = inputChannels
        self.stem = stem
        self.firstBlockWidth = firstBlockWidth
        self.stages = stages
        self.kernelSizes = kernelSizes
        self.expandRatios = expandRatios
        self.depths = depths
        self.resolutions = resolutions
        self.finalExpandWidth = finalExpandWidth
        self.featureMixWidth = featureMixWidth
        self.classes = classes
        self.kernelTransform = kernelTransform
        self.coupling = coupling
    }

    /// The layers of a stage of the supernet.
    public var maxDepth: Int { layersPerStage ?? depths.last ?? 0 }
    /// Layers of the supernet's stages together, that is, the length of the kernel and expand gene
    /// lists.
    public var layerCount: Int { stages.count * maxDepth }

    /// The network of the largest genes at the largest resolution.
    public var largest: SubnetConfig {
        uniform(kernelSizes.last, expandRatios.last, depths.last, resolutions.last)
    }

    /// The network of the smallest genes at the smallest resolution.
    public var smallest: SubnetConfig {
        uniform(kernelSizes.first, expandRatios.first, depths.first, resolutions.first)
    }

    /// Rounds `value` to a multiple of `divisor`, at least one of it, never below 90 % of `value`.
    ///
    /// Source: `make_divisible` of the MobileNet family, used by every width of the published
    /// spaces.
    public static func makeDivisible(_ value: Double, by divisor: Int = 8) -> Int {
        let rounded = max(divisor, Int(value + Double(divisor) / 2) / divisor * divisor)
        return Double(rounded) < 0.9 * value ? rounded + divisor : rounded
    }

    /// The number of architectures as an exact decimal, resolutions not counted.
    ///
    /// Each stage offers the sum over its depths d of (kernels · ratios)^d, or, with coupled genes, its depths; the
    /// stages multiply. Throws `overflow` above 2^128 − 1.
    public var architectureCount: String {
        get throws {
            let free = kernelSizes.count * expandRatios.count
            let choices = UInt128(coupling == nil ? free : 1)
            var perStage: UInt128 = 0
            for depth in depths {
                let power = try product(Array(repeating: choices, count: depth))
                let (sum, overflow) = perStage.addingReportingOverflow(power)
                guard !overflow else { throw countOverflow }
                perStage = sum
            }
            return String(try product(Array(repeating: perStage, count: stages.count)))
        }
    }

    /// Draws a network: the resolution, every depth and every gene uniformly and independently.
    ///
    /// Genes of skipped layers are drawn too, so the stream of draws does not depend on the depths.
    public func sample(using stream: inout RandomStream) -> SubnetConfig {
        func draw(_ values: [Int]) -> Int { values[stream.below(values.count)] }
        let resolution = draw(resolutions)
        let depths = stages.map { _ in draw(self.depths) }
        var kernels: [Int] = []
        var ratios: [Int] = []
        for _ in 0..<layerCount {
            kernels.append(draw(kernelSizes))
            ratios.append(draw(expandRatios))
        }
        return settled(
            SubnetConfig(
                kernelSizes: kernels, expandRatios: ratios, depths: depths, resolution: resolution))
    }

    private func uniform(_ kernel: Int?, _ ratio: Int?, _ depth: Int?, _ size: Int?) -> SubnetConfig
    {
        settled(
            SubnetConfig(
                kernelSizes: Array(repeating: kernel ?? 0, count: layerCount),
                expandRatios: Array(repeating: ratio ?? 0, count: layerCount),
                depths: Array(repeating: depth ?? 0, count: stages.count), resolution: size ?? 0))
    }

    /// The same space with every gene free.
    public var uncoupled: SearchSpace {
        var space = self
        space.coupling = nil
        return space
    }

    /// The network with its coupled genes as its depths want them; the network itself where genes are free.
    public func settled(_ config: SubnetConfig) -> SubnetConfig {
        var config = config
        settle(&config)
        return config
    }

    /// Sets coupled genes as the depths want them, in place; does nothing where genes are free.
    public func settle(_ config: inout SubnetConfig) {
        guard let coupling else { return }
        for layer in config.kernelSizes.indices {
            let stage = layer / maxDepth
            config.kernelSizes[layer] = coupling.kernelSizes[stage]
            if let place = depths.firstIndex(of: config.depths[stage]) {
                config.expandRatios[layer] = coupling.expandRatios[place]
            }
        }
    }

    private func product(_ factors: [UInt128]) throws -> UInt128 {
        try factors.reduce(1) { partial, factor in
            let (result, overflow) = partial.multipliedReportingOverflow(by: factor)
            guard !overflow else { throw countOverflow }
            return result
        }
    }

    private var countOverflow: NetworkError {
        NetworkError(
            .overflow,
            "space \(name) holds over 2^128 architectures", remedy: "use fewer stages or choices"
        )
    }
}

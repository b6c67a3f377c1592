// The layers of a family before genes are chosen: widths, kernels, expand ratios and depths are
// constants, or lists from which a gene chooses. A search space contains a list of these
// definitions; `NetworkShape` resolves them with the genes of one network.
import Tensors

/// A number of channels: fixed, or chosen by a width gene.
public enum Width: Hashable, Sendable {
    /// A fixed number of channels.
    case constant(Int)
    /// The width gene with the given index in `SubnetConfig.widths` chooses one of `choices`.
    case gene(Int, choices: [Int])

    /// The possible widths, in the order of the gene's values.
    public var choices: [Int] {
        switch self {
        case .constant(let width): [width]
        case .gene(_, let choices): choices
        }
    }

    /// The largest width.
    public var largest: Int { choices.max() ?? 0 }

    /// Returns the width that the genes `widths` choose; 0 if `widths` lacks the gene or the gene's value is not an
    /// index of its choices.
    func resolved(_ widths: [Int]) -> Int {
        switch self {
        case .constant(let width): return width
        case .gene(let place, let choices):
            guard widths.indices.contains(place), choices.indices.contains(widths[place]) else {
                return 0
            }
            return choices[widths[place]]
        }
    }
}

/// One entry of a family's description: a layer, or a stage of layers.
public enum LayerDefinition: Hashable, Sendable {
    /// A convolution, batch norm and activation.
    case convolution(Convolution)
    /// x + act(norm(conv x)), which a depth gene may skip: the second layer of ResNet50's stem.
    case residualConvolution(ResidualConvolution)
    /// A stage of inverted residual blocks.
    case invertedResiduals(InvertedResiduals)
    /// A stage of bottleneck blocks.
    case bottlenecks(Bottlenecks)
    /// Max pooling.
    case maxPooling(MaxPooling)
    /// Global average pooling.
    case meanPooling(MeanPooling)
    /// A linear layer on pooled features.
    case dense(Dense)

    /// A convolution, batch norm and activation; padding is half the kernel, rounded down.
    public struct Convolution: Codable, Hashable, Sendable {
        /// The prefix of the parameters' names, such as `first_conv`.
        public var name: String
        /// Output channels.
        public var width: Width
        /// Height and width of the filter: 1 or 3.
        public var kernel: Int
        /// The stride: 1 or 2.
        public var stride: Int
        /// The activation after the batch norm.
        public var activation: Activation
        /// Whether the reference code stores the layer as an elastic one, whose parameters' names repeat a suffix
        /// (`conv.conv.weight`).
        public var isElastic: Bool
        /// The layer's name in latency tables.
        public var key: String

        /// Takes the fields; `kernel` must be 1 or 3, `stride` 1 or 2.
        public init(
            name: String, width: Width, kernel: Int, stride: Int = 1, activation: Activation,
            isElastic: Bool = false, key: String
        ) {
            self.name = name
            self.width = width
            self.kernel = kernel
            self.stride = stride
            self.activation = activation
            self.isElastic = isElastic
            self.key = key
        }
    }

    /// x + act(norm(conv x)), of unchanged width and size. The layer runs at a single value of its depth gene and is
    /// skipped at the others.
    public struct ResidualConvolution: Codable, Hashable, Sendable {
        /// The prefix of the parameters' names.
        public var name: String
        /// Height and width of the filter: 3.
        public var kernel: Int
        /// The activation between the batch norm and the sum.
        public var activation: Activation
        /// The values of the depth gene, ascending; any other value below `runsAt` counts as the first value.
        public var depths: [Int]
        /// The depth at which the layer runs, which is the family's largest depth. A space restricted to
        /// smaller depths keeps `runsAt`, so that its networks stay networks of the whole space.
        public var runsAt: Int

        /// Takes the fields; `depths` has one or two values, and `runsAt` is the largest by
        /// default.
        public init(
            name: String, kernel: Int = 3, activation: Activation, depths: [Int],
            runsAt: Int? = nil
        ) {
            self.name = name
            self.kernel = kernel
            self.activation = activation
            self.depths = depths
            self.runsAt = runsAt ?? depths.last ?? 0
        }
    }

    /// Inverted residual blocks of one width: an expansion (1×1), a depthwise convolution (k×k, with the stride),
    /// squeeze-and-excite, and a projection (1×1).
    public struct InvertedResiduals: Codable, Hashable, Sendable {
        /// Output channels of every block.
        public var width: Width
        /// Stride of the first block; the others have 1.
        public var stride: Int
        /// The activation after the expansion and after the depthwise convolution.
        public var activation: Activation
        /// Whether every block has squeeze-and-excite.
        public var squeezeExcite: Bool
        /// Kernel sizes that a block may have: odd, ascending.
        public var kernelSizes: [Int]
        /// Expand ratios that a block may have, ascending; a block of ratio 1 has no expansion.
        public var expandRatios: [Double]
        /// Numbers of blocks that the stage may have, ascending.
        public var depths: [Int]
        /// How many genes the stage has in each gene list; at least the largest depth.
        public var places: Int
        /// Whether the stage has genes; without genes, each of its lists has one value.
        public var isElastic: Bool
        /// Whether a block of stride 1 and equal input and output widths adds its input to its output.
        public var hasSkip: Bool
        /// Whether the blocks' latency keys contain the expand ratio, as in ProxylessNAS' tables,
        /// instead of the middle width, squeeze-and-excite and h_swish.
        public var keysNameRatio: Bool

        /// Takes the fields. By default the stage is elastic and has as many genes per list as its
        /// largest depth.
        public init(
            width: Width, stride: Int, activation: Activation, squeezeExcite: Bool = false,
            kernelSizes: [Int], expandRatios: [Double], depths: [Int], places: Int? = nil,
            isElastic: Bool = true, hasSkip: Bool = true, keysNameRatio: Bool = false
        ) {
            self.width = width
            self.stride = stride
            self.activation = activation
            self.squeezeExcite = squeezeExcite
            self.kernelSizes = kernelSizes
            self.expandRatios = expandRatios
            self.depths = depths
            self.places = places ?? depths.last ?? 0
            self.isElastic = isElastic
            self.hasSkip = hasSkip
            self.keysNameRatio = keysNameRatio
        }

        /// Returns a stage of one block without genes.
        public static func fixed(
            width: Int, activation: Activation, kernel: Int = 3, hasSkip: Bool = true,
            keysNameRatio: Bool = false
        ) -> InvertedResiduals {
            InvertedResiduals(
                width: .constant(width), stride: 1, activation: activation, kernelSizes: [kernel],
                expandRatios: [1], depths: [1], isElastic: false, hasSkip: hasSkip,
                keysNameRatio: keysNameRatio)
        }
    }

    /// Bottleneck blocks of one width: convolutions of 1×1, 3×3 (with the stride) and 1×1, plus the shortcut, then the
    /// activation. The shortcut of a stage's first block consists of average pooling over windows of stride × stride, a
    /// 1×1 convolution and a batch norm.
    public struct Bottlenecks: Codable, Hashable, Sendable {
        /// Output channels of every block.
        public var width: Width
        /// Stride of the first block; the others have 1.
        public var stride: Int
        /// The activation after the first two convolutions and after the sum.
        public var activation: Activation
        /// Middle channels divided by output channels, ascending.
        public var expandRatios: [Double]
        /// Number of blocks that are always active.
        public var baseDepth: Int
        /// Numbers of further blocks that the depth gene may add, ascending.
        public var depths: [Int]
        /// How many genes the stage has in each gene list; at least `baseDepth` plus the largest of `depths`.
        public var places: Int

        /// Takes the fields. By default the stage has as many genes per list as its largest depth
        /// needs.
        public init(
            width: Width, stride: Int, activation: Activation = .relu, expandRatios: [Double],
            baseDepth: Int, depths: [Int], places: Int? = nil
        ) {
            self.width = width
            self.stride = stride
            self.activation = activation
            self.expandRatios = expandRatios
            self.baseDepth = baseDepth
            self.depths = depths
            self.places = places ?? baseDepth + (depths.last ?? 0)
        }
    }

    /// Max pooling over 3×3 windows, stride 2, padding 1.
    public struct MaxPooling: Codable, Hashable, Sendable {
        /// The layer's name in latency tables.
        public var key: String

        /// Takes the layer's name in latency tables.
        public init(key: String = "MaxPool2D") { self.key = key }
    }

    /// Global average pooling.
    public struct MeanPooling: Codable, Hashable, Sendable {
        /// The layer's name in latency tables; nil if the tables time this layer together with the next.
        public var key: String?

        /// Takes the layer's name in latency tables, or nil.
        public init(key: String?) { self.key = key }
    }

    /// A linear layer on pooled features.
    public struct Dense: Codable, Hashable, Sendable {
        /// The prefix of the parameters' names.
        public var name: String
        /// Number of outputs; nil means one per class.
        public var width: Int?
        /// Whether the layer has a bias.
        public var hasBias: Bool
        /// The activation after the layer.
        public var activation: Activation
        /// Whether the reference code stores the layer as a 1×1 convolution.
        public var isConvolution: Bool
        /// Whether the reference code stores the layer as an elastic one.
        public var isElastic: Bool
        /// Whether training applies dropout to the layer's input.
        public var hasDropout: Bool
        /// The layer's name in latency tables.
        public var key: String

        /// Takes the fields; if `width` is nil, the layer has one output per class.
        public init(
            name: String, width: Int?, hasBias: Bool, activation: Activation = .identity,
            isConvolution: Bool = false, isElastic: Bool = false, hasDropout: Bool, key: String
        ) {
            self.name = name
            self.width = width
            self.hasBias = hasBias
            self.activation = activation
            self.isConvolution = isConvolution
            self.isElastic = isElastic
            self.hasDropout = hasDropout
            self.key = key
        }

        /// Returns the last layer: one output for each class, with a bias, after dropout.
        public static func classifier(isElastic: Bool = false) -> Dense {
            Dense(
                name: "classifier", width: nil, hasBias: true, isElastic: isElastic,
                hasDropout: true, key: "Logits")
        }
    }
}

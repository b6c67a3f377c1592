// One layer of a resolved network: its sizes are known, so it has no genes. Code that visits the layers of a network
// switches over the cases of `Layer`.
import Tensors

/// A layer with its channels, kernel, stride and map sizes; maps are square, and 1×1 after the mean pooling.
public enum Layer: Sendable, Hashable {
    /// A convolution, batch norm and activation.
    case convolution(Convolution)
    /// x + act(norm(conv x)).
    case residualConvolution(ResidualConvolution)
    /// An expansion (1×1), a depthwise convolution (k×k), squeeze-and-excite, a projection (1×1), and a skip.
    case invertedResidual(InvertedResidual)
    /// Convolutions of 1×1, 3×3 and 1×1, a shortcut, and an activation after the sum.
    case bottleneck(Bottleneck)
    /// Max pooling over 3×3 windows, stride 2, padding 1.
    case maxPooling(MaxPooling)
    /// Global average pooling.
    case meanPooling(MeanPooling)
    /// A linear layer on pooled features.
    case dense(Dense)

    /// A convolution, batch norm and activation; padding is half the kernel, rounded down.
    public struct Convolution: Sendable, Hashable {
        /// Prefix of the parameters' names, and the layer's name in latency tables.
        public var name, key: String
        /// Input and output channels.
        public var inWidth, outWidth: Int
        /// Height and width of the filter; the stride, 1 or 2.
        public var kernel, stride: Int
        /// Height and width of input and output.
        public var inSize, outSize: Int
        /// The activation after the batch norm.
        public var activation: Activation
        /// Whether the layer is elastic: then the names of its parameters in a supernet repeat a suffix
        /// (`conv.conv.weight`).
        public var isElastic: Bool
    }

    /// x + act(norm(conv x)), of unchanged width and size.
    public struct ResidualConvolution: Sendable, Hashable {
        /// Prefix of the parameters' names.
        public var name: String
        /// Channels.
        public var width: Int
        /// Height and width of the filter.
        public var kernel: Int
        /// Height and width of the map.
        public var size: Int
        /// The activation before the sum.
        public var activation: Activation
    }

    /// An inverted residual block.
    public struct InvertedResidual: Sendable, Hashable {
        /// The block's number among the blocks of the supernet, or of an extracted network.
        public var number: Int
        /// The index of the stage's depth gene in `SubnetConfig.depths`; nil for a block that is not elastic.
        public var stage: Int?
        /// Input channels, channels of the depthwise convolution, output channels.
        public var inWidth, middleWidth, outWidth: Int
        /// Middle channels divided by input channels.
        public var expandRatio: Double
        /// Height and width of the depthwise filter; padding is half the kernel, rounded down.
        public var kernel: Int
        /// The kernel sizes of the stage, ascending: smaller filters derive from larger filters.
        public var kernelSizes: [Int]
        /// Stride of the depthwise convolution.
        public var stride: Int
        /// Height and width of input and output.
        public var inSize, outSize: Int
        /// The activation after the expansion and the depthwise convolution; the projection has none.
        public var activation: Activation
        /// Hidden units of squeeze-and-excite; nil when the block has none.
        public var seHidden: Int?
        /// Whether there is an expansion; false if the ratio is 1.
        public var hasExpansion: Bool
        /// Whether the input is added to the output: stride 1, equal widths, and a family with
        /// skips.
        public var hasSkip: Bool
        /// Whether the keys of latency tables contain the expand ratio.
        public var keysNameRatio: Bool
    }

    /// A bottleneck block.
    public struct Bottleneck: Sendable, Hashable {
        /// The block's number among the blocks of the supernet, or of an extracted network.
        public var number: Int
        /// The index of the stage's depth gene in `SubnetConfig.depths`.
        public var stage: Int
        /// Input channels, channels of the 3×3 convolution, output channels.
        public var inWidth, middleWidth, outWidth: Int
        /// Middle channels divided by output channels.
        public var expandRatio: Double
        /// Stride of the 3×3 convolution and of the shortcut's pooling.
        public var stride: Int
        /// Height and width of input and output.
        public var inSize, outSize: Int
        /// The activation after the first two convolutions and after the sum.
        public var activation: Activation
        /// Whether the shortcut consists of average pooling over windows of stride × stride, a 1×1 convolution and a
        /// batch norm; else the shortcut is the input.
        public var hasDownsample: Bool
    }

    /// Max pooling over 3×3 windows, stride 2, padding 1.
    public struct MaxPooling: Sendable, Hashable {
        /// The layer's name in latency tables.
        public var key: String
        /// Channels.
        public var width: Int
        /// Height and width of input and output.
        public var inSize, outSize: Int
    }

    /// Global average pooling.
    public struct MeanPooling: Sendable, Hashable {
        /// The layer's name in latency tables; nil if the tables time this layer together with the next.
        public var key: String?
        /// Channels.
        public var width: Int
        /// Height and width of the input.
        public var inSize: Int
    }

    /// A linear layer on pooled features.
    public struct Dense: Sendable, Hashable {
        /// Prefix of the parameters' names, and the layer's name in latency tables.
        public var name, key: String
        /// Inputs and outputs.
        public var inWidth, outWidth: Int
        /// The activation after the layer.
        public var activation: Activation
        /// `hasBias`: the layer has a bias. `isConvolution`: the reference code stores the layer as a 1×1 convolution.
        /// `isElastic`: the reference code stores the layer as an elastic one. `hasDropout`: training drops some of the
        /// layer's inputs.
        public var hasBias, isConvolution, isElastic, hasDropout: Bool
    }

    /// Output channels.
    public var outWidth: Int { outline.width }

    /// Height and width of the output.
    public var outSize: Int { outline.size }

    /// The number of a block; nil for other layers.
    public var blockNumber: Int? { outline.block }

    /// The layer's name in profiles: the prefix of its parameters' names, or the layer's type if it has no such prefix.
    public var label: String {
        let outline = outline
        return outline.name ?? outline.block.map { "blocks.\($0)" }
            ?? Mirror(reflecting: self).children.first?.label ?? ""
    }

    /// This layer as an inverted residual block; nil for other layers.
    public var block: InvertedResidual? {
        if case .invertedResidual(let block) = self { block } else { nil }
    }
}

extension Layer {
    /// The properties that layers of all types have.
    struct Outline {
        /// Channels of the output, and its height and width.
        var width, size: Int
        /// Whether the output is a list of features for each image instead of a map.
        var isPooled = false
        /// The prefix of the parameters' names; nil for a block, and for a layer without parameters.
        var name: String?
        /// The number of a block; nil for other layers.
        var block: Int?
    }

    /// The output and the name of this layer.
    var outline: Outline {
        switch self {
        case .convolution(let layer):
            Outline(width: layer.outWidth, size: layer.outSize, name: layer.name)
        case .residualConvolution(let layer):
            Outline(width: layer.width, size: layer.size, name: layer.name)
        case .invertedResidual(let layer):
            Outline(width: layer.outWidth, size: layer.outSize, block: layer.number)
        case .bottleneck(let layer):
            Outline(width: layer.outWidth, size: layer.outSize, block: layer.number)
        case .maxPooling(let layer): Outline(width: layer.width, size: layer.outSize)
        case .meanPooling(let layer): Outline(width: layer.width, size: 1, isPooled: true)
        case .dense(let layer):
            Outline(width: layer.outWidth, size: 1, isPooled: true, name: layer.name)
        }
    }
}

// The resolved geometry of one subnet at one resolution. The engine, the cost model and the latency
// tables all read this, so they cannot disagree about a width or a feature size.

import Tensors

/// Every layer of one network with its widths, kernels, strides and feature sizes.
public struct NetworkShape: Sendable, Hashable {
    /// A plain convolution; feature maps are square.
    public struct Conv: Sendable, Hashable {
        /// Input channels.
        public var inWidth: Int
        /// Output channels.
        public var outWidth: Int
        /// Height and width of the filter; padding is half of it, rounded down.
        public var kernel: Int
        /// 1 or 2.
        public var stride: Int
        /// Height and width of the input.
        public var inSize: Int
        /// Height and width of the output.
        public var outSize: Int
        /// What follows the batch norm.
        public var activation: Activation
        /// Whether a batch norm follows.
        public var hasBatchNorm: Bool
    }

    /// An inverted residual block: expansion 1×1, depthwise k×k, squeeze-and-excite, projection
    /// 1×1.
    public struct Block: Sendable, Hashable {
        /// The block's number in the supernet: 0 is the first block, then 1 + stage · maxDepth +
        /// layer.
        public var index: Int
        /// The elastic stage; nil for the first block.
        public var stage: Int?
        /// Input channels.
        public var inWidth: Int
        /// Channels of the depthwise convolution.
        public var middleWidth: Int
        /// Output channels.
        public var outWidth: Int
        /// Middle over input channels.
        public var expandRatio: Int
        /// Height and width of the depthwise filter; padding is half of it, rounded down.
        public var kernel: Int
        /// Stride of the depthwise convolution.
        public var stride: Int
        /// Height and width of the input.
        public var inSize: Int
        /// Height and width of the output.
        public var outSize: Int
        /// After the expansion and the depthwise convolution; the projection has none.
        public var activation: Activation
        /// Hidden units of squeeze-and-excite; nil when the block has none.
        public var seHidden: Int?
        /// Whether there is an expansion: not when the ratio is 1.
        public var hasExpansion: Bool
        /// Whether the input is added to the output: stride 1 and equal widths.
        public var hasSkip: Bool
    }

    /// Image height and width in pixels.
    public var resolution: Int
    /// The first convolution.
    public var stem: Conv
    /// The first block, then the active layers of every stage.
    public var blocks: [Block]
    /// The last 1×1 convolution, before the pooling.
    public var finalExpand: Conv
    /// Output channels of the 1×1 convolution after the pooling: no batch norm, no bias, h_swish.
    public var featureMixWidth: Int
    /// Outputs of the linear classifier, which has a bias.
    public var classes: Int

    /// Resolves the genes of `config`; throws `invalidGene` or `invalidResolution` naming what does
    /// not fit.
    ///
    /// Any resolution of 1…4096 is accepted; ask `SearchSpace.validate` for those of training.
    public init(_ space: SearchSpace, _ config: SubnetConfig) throws {
        let nothing = Conv(
            inWidth: 0, outWidth: 0, kernel: 1, stride: 1, inSize: 0, outSize: 0,
            activation: .identity, hasBatchNorm: false)
        resolution = config.resolution
        (stem, blocks, finalExpand) = (nothing, [], nothing)
        featureMixWidth = space.featureMixWidth
        classes = space.classes
        try change(to: config, in: space)
    }

    /// Resolves other genes in the memory that this shape has, so that a training step allocates nothing.
    ///
    /// Throws as `init` does, and leaves the shape as it was then.
    public mutating func change(to config: SubnetConfig, in space: SearchSpace) throws {
        try space.validateGenes(config)
        resolution = config.resolution
        featureMixWidth = space.featureMixWidth
        classes = space.classes
        stem = Conv(
            inWidth: space.inputChannels, outWidth: space.stem.width, kernel: space.stem.kernel,
            stride: space.stem.stride, inSize: config.resolution,
            outSize: Self.outputSize(config.resolution, stride: space.stem.stride),
            activation: space.stem.activation, hasBatchNorm: true)
        let first = Self.block(
            index: 0, stage: nil, inWidth: space.stem.width, outWidth: space.firstBlockWidth,
            expandRatio: 1, kernel: 3, stride: 1, inSize: stem.outSize, activation: .relu,
            squeezeExcite: false)
        blocks.removeAll(keepingCapacity: true)
        blocks.reserveCapacity(1 + space.layerCount)
        blocks.append(first)
        var last = first
        for (stageNumber, stage) in space.stages.enumerated() {
            for layer in 0..<config.depths[stageNumber] {
                let gene = stageNumber * space.maxDepth + layer
                last = Self.block(
                    index: 1 + gene, stage: stageNumber, inWidth: last.outWidth,
                    outWidth: stage.width, expandRatio: config.expandRatios[gene],
                    kernel: config.kernelSizes[gene], stride: layer == 0 ? stage.stride : 1,
                    inSize: last.outSize, activation: stage.activation,
                    squeezeExcite: stage.squeezeExcite)
                blocks.append(last)
            }
        }
        finalExpand = Conv(
            inWidth: last.outWidth, outWidth: space.finalExpandWidth, kernel: 1, stride: 1,
            inSize: last.outSize, outSize: last.outSize, activation: .hSwish, hasBatchNorm: true)
    }

    /// The feature size after a convolution of odd kernel k with padding k/2: (size − 1) / stride +
    /// 1.
    public static func outputSize(_ size: Int, stride: Int) -> Int { (size - 1) / stride + 1 }

    private static func block(
        index: Int, stage: Int?, inWidth: Int, outWidth: Int, expandRatio: Int, kernel: Int,
        stride: Int, inSize: Int, activation: Activation, squeezeExcite: Bool
    ) -> Block {
        let middle =
            expandRatio == 1 ? inWidth : SearchSpace.makeDivisible(Double(inWidth * expandRatio))
        return Block(
            index: index, stage: stage, inWidth: inWidth, middleWidth: middle, outWidth: outWidth,
            expandRatio: expandRatio, kernel: kernel, stride: stride, inSize: inSize,
            outSize: outputSize(inSize, stride: stride), activation: activation,
            seHidden: squeezeExcite ? SearchSpace.makeDivisible(Double(middle / 4)) : nil,
            hasExpansion: expandRatio != 1, hasSkip: stride == 1 && inWidth == outWidth)
    }
}

// What a network costs before it ever runs: parameters, multiply-accumulates, memory. The rules are
// those of the published figures, so counts compare with the literature to the last digit.

/// Parameters, multiply-accumulates and memory of one network.
public struct NetworkCost: Codable, Sendable, Hashable {
    /// Convolutions, batch norms (2 per channel), squeeze-and-excite with biases, classifier with
    /// bias.
    public var parameters: Int
    /// Multiply-accumulates of convolutions, squeeze-and-excite and classifier for one image;
    /// biases are not counted.
    public var macs: Int
    /// The largest working set of one convolution in elements: input + output + weights.
    ///
    /// The depthwise convolution of a block with a skip also holds the block's input.
    /// Squeeze-and-excite, batch norms and what follows the pooling are not counted.
    public var peakActivationElements: Int
    /// Numbers a deployed network stores: weights with batch norms folded, one bias per normalised
    /// channel.
    public var flashElements: Int

    /// Counts the costs of a resolved network.
    public init(_ shape: NetworkShape) {
        self.init(conv: shape.stem)
        for block in shape.blocks { combine(NetworkCost(block: block)) }
        combine(NetworkCost(head: shape))
    }

    /// Resolves `config` in `space` and counts its costs; throws what resolving throws.
    public init(_ space: SearchSpace, _ config: SubnetConfig) throws {
        self.init(try NetworkShape(space, config))
    }

    /// Counts one plain convolution.
    public init(conv: NetworkShape.Conv) {
        self.init()
        addConv(
            weights: conv.inWidth * conv.outWidth * conv.kernel * conv.kernel,
            outWidth: conv.outWidth, outSize: conv.outSize,
            input: conv.inWidth * conv.inSize * conv.inSize, residual: 0)
    }

    /// Counts what follows the last block: the final expansion, the feature mix and the classifier.
    public init(head shape: NetworkShape) {
        self.init(conv: shape.finalExpand)
        addDense(shape.finalExpand.outWidth, shape.featureMixWidth, hasBias: false)
        addDense(shape.featureMixWidth, shape.classes, hasBias: true)
    }

    /// Counts one inverted residual block.
    public init(block: NetworkShape.Block) {
        self.init()
        let inArea = block.inSize * block.inSize
        let outArea = block.outSize * block.outSize
        let input = block.inWidth * inArea
        if block.hasExpansion {
            addConv(
                weights: block.inWidth * block.middleWidth, outWidth: block.middleWidth,
                outSize: block.inSize, input: input, residual: 0)
        }
        addConv(
            weights: block.middleWidth * block.kernel * block.kernel, outWidth: block.middleWidth,
            outSize: block.outSize, input: block.middleWidth * inArea,
            residual: block.hasSkip ? input : 0)
        if let hidden = block.seHidden {
            addDense(block.middleWidth, hidden, hasBias: true)
            addDense(hidden, block.middleWidth, hasBias: true)
        }
        addConv(
            weights: block.middleWidth * block.outWidth, outWidth: block.outWidth,
            outSize: block.outSize, input: block.middleWidth * outArea, residual: 0)
    }

    /// Adds the costs of a further part of the network: counts add up, the peak is the larger.
    public mutating func combine(_ part: NetworkCost) {
        parameters += part.parameters
        macs += part.macs
        peakActivationElements = max(peakActivationElements, part.peakActivationElements)
        flashElements += part.flashElements
    }

    private init() {
        (parameters, macs, peakActivationElements, flashElements) = (0, 0, 0, 0)
    }

    /// Adds a convolution that a batch norm follows; `input` and `residual` are elements.
    private mutating func addConv(
        weights: Int, outWidth: Int, outSize: Int, input: Int, residual: Int
    ) {
        let area = outSize * outSize
        parameters += weights + 2 * outWidth
        flashElements += weights + outWidth
        macs += weights * area
        peakActivationElements = max(
            peakActivationElements, input + outWidth * area + weights + residual)
    }

    private mutating func addDense(_ inWidth: Int, _ outWidth: Int, hasBias: Bool) {
        let stored = inWidth * outWidth + (hasBias ? outWidth : 0)
        parameters += stored
        flashElements += stored
        macs += inWidth * outWidth
    }
}

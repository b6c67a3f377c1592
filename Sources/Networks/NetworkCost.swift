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
    /// The most activations of one image that have to be in memory at the same time, in elements.
    ///
    /// The greatest sum, over the operators in the order they run, of what is live while one runs: its input, its
    /// output, and what a later operator still reads, which is the block's input where there is a skip and the
    /// filtered map while squeeze-and-excite computes its gates. Norms, activations, gates and the addition of the
    /// skip work in place. Weights are not counted: they are in flash.
    public var liveActivationElements: Int
    /// Activations of one image that operators read and write, in elements, each time counted; the addition of a skip
    /// reads two maps and writes one.
    public var movedActivationElements: Int

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
        run(
            reads: conv.inWidth * conv.inSize * conv.inSize,
            writes: conv.outWidth * conv.outSize * conv.outSize)
    }

    /// Counts what follows the last block: the final expansion, the feature mix and the classifier.
    public init(head shape: NetworkShape) {
        self.init(conv: shape.finalExpand)
        addDense(shape.finalExpand.outWidth, shape.featureMixWidth, hasBias: false)
        addDense(shape.featureMixWidth, shape.classes, hasBias: true)
        let map = shape.finalExpand.outSize * shape.finalExpand.outSize * shape.finalExpand.outWidth
        run(reads: map, writes: shape.finalExpand.outWidth)
        run(reads: shape.finalExpand.outWidth, writes: shape.featureMixWidth)
        run(reads: shape.featureMixWidth, writes: shape.classes)
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
        addActivations(of: block)
    }

    /// Adds the costs of a further part of the network: counts add up, the peak is the larger.
    public mutating func combine(_ part: NetworkCost) {
        parameters += part.parameters
        macs += part.macs
        peakActivationElements = max(peakActivationElements, part.peakActivationElements)
        flashElements += part.flashElements
        liveActivationElements = max(liveActivationElements, part.liveActivationElements)
        movedActivationElements += part.movedActivationElements
    }

    private init() {
        (parameters, macs, peakActivationElements, flashElements) = (0, 0, 0, 0)
        (liveActivationElements, movedActivationElements) = (0, 0)
    }

    /// One operator, while `held` elements beside its own wait for a later one.
    private mutating func run(reads: Int, writes: Int, held: Int = 0) {
        liveActivationElements = max(liveActivationElements, reads + writes + held)
        movedActivationElements += reads + writes
    }

    /// The operators of a block in the order they run, each with what is live.
    private mutating func addActivations(of block: NetworkShape.Block) {
        let input = block.inWidth * block.inSize * block.inSize
        let filtered = block.middleWidth * block.outSize * block.outSize
        let output = block.outWidth * block.outSize * block.outSize
        let skip = block.hasSkip ? input : 0
        if block.hasExpansion {
            // The skip is the input, which is live anyhow.
            let expanded = block.middleWidth * block.inSize * block.inSize
            run(reads: input, writes: expanded)
            run(reads: expanded, writes: filtered, held: skip)
        } else {
            run(reads: input, writes: filtered)
        }
        if let hidden = block.seHidden {
            run(reads: filtered, writes: block.middleWidth, held: skip)
            run(reads: block.middleWidth, writes: hidden, held: filtered + skip)
            run(reads: hidden, writes: block.middleWidth, held: filtered + skip)
            // In place: the map is read and written, but there only once.
            run(reads: filtered, writes: block.middleWidth, held: skip)
            movedActivationElements += filtered
        }
        run(reads: filtered, writes: output, held: skip)
        if block.hasSkip {
            run(reads: input, writes: output)
            movedActivationElements += output
        }
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

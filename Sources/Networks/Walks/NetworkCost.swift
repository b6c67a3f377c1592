// Computes the costs of a network without running it: parameters, multiply-accumulates, memory. The
// counting rules are those of the published figures, so counts match the literature exactly.

/// Parameters, multiply-accumulates and memory of one network.
public struct NetworkCost: Codable, Sendable, Hashable {
    /// The number of weights and biases in convolutions, batch norms (2 per channel), squeeze-and-excite and dense
    /// layers.
    public var parameters: Int
    /// Multiply-accumulates of convolutions, squeeze-and-excite and dense layers for one image;
    /// biases are not counted.
    public var macs: Int
    /// The largest working set of one convolution in elements: input + output + weights.
    ///
    /// The working set of a depthwise convolution in a block with a skip also includes the block's input; that of the
    /// 3×3 convolution of a bottleneck block also includes the block's shortcut; that of a residual convolution
    /// includes its input twice. Squeeze-and-excite, batch norms and layers after the pooling are not counted.
    public var peakActivationElements: Int
    /// How many numbers a deployed network stores: weights with batch norms folded in, one bias per normalised channel,
    /// and the other biases.
    public var flashElements: Int
    /// How many bytes a network quantised to eight bits stores (`QuantisedGraph.weightBytes`): one for each weight, and
    /// eight for the scale and the bias of each output of a convolution or dense layer.
    public var eightBitBytes: Int
    /// Peak memory: the largest number of activation elements of one image that are live at the same time. While an
    /// operator runs, its input and output are live. Inputs of later operators are live too: the block's input if there
    /// is a skip, a bottleneck block's shortcut, and the depthwise output while squeeze-and-excite computes the gate.
    /// Norms, activations, gates and the addition of the skip work in place. Weights are not counted: they are in
    /// flash.
    public var liveActivationElements: Int
    /// Memory traffic of the activations of one image, in elements: every element that an operator reads or writes
    /// counts. Adding a skip reads two maps and writes one.
    public var movedActivationElements: Int

    /// Counts the costs of a resolved network. Sums above `Int.max` become `Int.max`; the cost of a single operator
    /// never exceeds `Int.max` if the definition is within its bounds.
    public init(_ shape: NetworkShape) {
        self.init()
        for layer in shape.layers { combine(NetworkCost(layer)) }
    }

    /// Resolves `config` in `space` and counts its costs. Errors: those of `NetworkShape.init`.
    public init(_ space: SearchSpace, _ config: SubnetConfig) throws {
        self.init(try NetworkShape(space, config))
    }

    /// Counts one layer.
    public init(_ layer: Layer) {
        self.init()
        switch layer {
        case .convolution(let layer): add(layer)
        case .residualConvolution(let layer): add(layer)
        case .invertedResidual(let layer): add(layer)
        case .bottleneck(let layer): add(layer)
        case .maxPooling(let layer):
            run(
                reads: layer.width * layer.inSize * layer.inSize,
                writes: layer.width * layer.outSize * layer.outSize)
        case .meanPooling(let layer):
            run(reads: layer.width * layer.inSize * layer.inSize, writes: layer.width)
        case .dense(let layer):
            addDense(layer.inWidth, layer.outWidth, hasBias: layer.hasBias)
            run(reads: layer.inWidth, writes: layer.outWidth)
        }
    }

    private mutating func add(_ conv: Layer.Convolution) {
        let input = conv.inWidth * conv.inSize * conv.inSize
        addConv(
            weights: conv.inWidth * conv.outWidth * conv.kernel * conv.kernel,
            outWidth: conv.outWidth, outSize: conv.outSize, input: input, residual: 0)
        run(reads: input, writes: conv.outWidth * conv.outSize * conv.outSize)
    }

    private mutating func add(_ conv: Layer.ResidualConvolution) {
        let map = conv.width * conv.size * conv.size
        addConv(
            weights: conv.width * conv.width * conv.kernel * conv.kernel, outWidth: conv.width,
            outSize: conv.size, input: map, residual: map)
        run(reads: map, writes: map)
        addSum(map)
    }

    private mutating func add(_ block: Layer.InvertedResidual) {
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

    private mutating func add(_ block: Layer.Bottleneck) {
        let inArea = block.inSize * block.inSize, outArea = block.outSize * block.outSize
        let input = block.inWidth * inArea, output = block.outWidth * outArea
        let (squeezed, filtered) = (block.middleWidth * inArea, block.middleWidth * outArea)
        // The shortcut is computed first and stays live until the sum; without a convolution, the shortcut is the
        // input.
        var held = input
        if block.hasDownsample {
            let pooled = block.inWidth * outArea
            if block.stride > 1 { run(reads: input, writes: pooled) }
            addConv(
                weights: block.inWidth * block.outWidth, outWidth: block.outWidth,
                outSize: block.outSize, input: pooled, residual: 0)
            run(reads: pooled, writes: output, held: block.stride > 1 ? input : 0)
            held = output
        }
        addConv(
            weights: block.inWidth * block.middleWidth, outWidth: block.middleWidth,
            outSize: block.inSize, input: input, residual: 0)
        run(reads: input, writes: squeezed, held: block.hasDownsample ? held : 0)
        addConv(
            weights: block.middleWidth * block.middleWidth * 9, outWidth: block.middleWidth,
            outSize: block.outSize, input: squeezed, residual: held)
        run(reads: squeezed, writes: filtered, held: held)
        addConv(
            weights: block.middleWidth * block.outWidth, outWidth: block.outWidth,
            outSize: block.outSize, input: filtered, residual: 0)
        run(reads: filtered, writes: output, held: held)
        addSum(output)
    }

    /// Counts the addition of a skip in place, which reads two maps and writes one.
    private mutating func addSum(_ map: Int) {
        run(reads: map, writes: map)
        Self.add(map, to: &movedActivationElements)
    }

    /// Adds the costs of another part of the network: counts add up; peaks take the maximum.
    public mutating func combine(_ part: NetworkCost) {
        Self.add(part.parameters, to: &parameters)
        Self.add(part.macs, to: &macs)
        peakActivationElements = max(peakActivationElements, part.peakActivationElements)
        Self.add(part.flashElements, to: &flashElements)
        Self.add(part.eightBitBytes, to: &eightBitBytes)
        liveActivationElements = max(liveActivationElements, part.liveActivationElements)
        Self.add(part.movedActivationElements, to: &movedActivationElements)
    }

    /// Adds `value` to `sum`; a sum above `Int.max` becomes `Int.max`.
    private static func add(_ value: Int, to sum: inout Int) {
        let (result, overflow) = sum.addingReportingOverflow(value)
        sum = overflow ? .max : result
    }

    private init() {
        (parameters, macs, peakActivationElements, flashElements) = (0, 0, 0, 0)
        (eightBitBytes, liveActivationElements, movedActivationElements) = (0, 0, 0)
    }

    /// Counts one operator that reads `reads` and writes `writes` elements, while `held` further
    /// elements stay live for later operators.
    private mutating func run(reads: Int, writes: Int, held: Int = 0) {
        liveActivationElements = max(liveActivationElements, reads + writes + held)
        Self.add(reads + writes, to: &movedActivationElements)
    }

    /// Counts the operators of a block in execution order, each with its live activations.
    private mutating func addActivations(of block: Layer.InvertedResidual) {
        let input = block.inWidth * block.inSize * block.inSize
        let filtered = block.middleWidth * block.outSize * block.outSize
        let output = block.outWidth * block.outSize * block.outSize
        let skip = block.hasSkip ? input : 0
        if block.hasExpansion {
            // The expansion reads the skip as its input, so `held` does not count the skip again.
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
            // The gate multiplies the map in place: the map is read and written, but occupies memory only once.
            run(reads: filtered, writes: block.middleWidth, held: skip)
            Self.add(filtered, to: &movedActivationElements)
        }
        run(reads: filtered, writes: output, held: skip)
        if block.hasSkip { addSum(output) }
    }

    /// Adds the costs of a convolution with its batch norm; `input` and `residual` are numbers of elements.
    private mutating func addConv(
        weights: Int, outWidth: Int, outSize: Int, input: Int, residual: Int
    ) {
        let area = outSize * outSize
        Self.add(weights + 2 * outWidth, to: &parameters)
        Self.add(weights + outWidth, to: &flashElements)
        Self.add(weights + 8 * outWidth, to: &eightBitBytes)
        Self.add(weights * area, to: &macs)
        peakActivationElements = max(
            peakActivationElements, input + outWidth * area + weights + residual)
    }

    private mutating func addDense(_ inWidth: Int, _ outWidth: Int, hasBias: Bool) {
        let stored = inWidth * outWidth + (hasBias ? outWidth : 0)
        Self.add(stored, to: &parameters)
        Self.add(stored, to: &flashElements)
        Self.add(inWidth * outWidth + 8 * outWidth, to: &eightBitBytes)
        Self.add(inWidth * outWidth, to: &macs)
    }
}

// A network that runs: forward and backward passes of any subnet, with weights sliced in place. The same code runs
// a supernet and a subnet extracted from one; only the layout of the weights differs.

import Foundation
import Tensors

/// Runs subnets on an engine. Used by one thread at a time.
public final class Network {
    /// The numbers it runs on.
    public let weights: Weights
    /// The engine it runs on.
    public let backend: Backend

    /// Reads the clock between the parts of a pass, where somebody wants to know.
    public var clock: PassClock?

    private let widest: NetworkShape
    private let context: NetworkContext
    private let blocks: [Int: InvertedResidual]
    private let stemNorm, finalNorm: NormLayer
    private let stemWeight, finalWeight, mixWeight, classWeight,
        classBias: ParameterLayout.Parameter
    private var tape: Tape?

    /// Features dropped in training: a rate in 0..<1 and where the draws come from.
    public struct Dropout {
        /// The share of features set to 0.
        public let rate: Float
        /// Draws one number a feature.
        public var stream: RandomStream

        /// Drops `rate` of the features with draws of `stream`.
        public init(rate: Float, stream: RandomStream) {
            self.rate = rate
            self.stream = stream
        }
    }

    private struct Tape {
        let shape: NetworkShape
        let images, stem, final: FeatureMap
        let last: BlockInput
        let pooled, mixed, features: Tensor
        let dropped: Tensor?
    }

    /// Prepares to run the supernet of `space`, or any layout whose widest network is `widest`.
    public init(_ weights: Weights, widest: NetworkShape, backend: Backend) {
        self.weights = weights
        self.widest = widest
        self.backend = backend
        let context = NetworkContext(weights: weights, backend: backend)
        self.context = context
        var sizes: [Int] = []
        if case .supernet(let kernelSizes, _) = weights.layout.naming { sizes = kernelSizes }
        var blocks: [Int: InvertedResidual] = [:]
        for (position, block) in widest.blocks.enumerated() {
            blocks[block.index] = InvertedResidual(
                block, position: position, kernelSizes: sizes.isEmpty ? [block.kernel] : sizes,
                context: context)
        }
        self.blocks = blocks
        stemNorm = NormLayer("first_conv.bn", context)
        finalNorm = NormLayer("final_expand_layer.bn", context)
        stemWeight = context.parameter("first_conv.conv.weight")
        finalWeight = context.parameter("final_expand_layer.conv.weight")
        mixWeight = context.parameter("feature_mix_layer.conv.weight")
        classWeight = context.parameter("classifier.linear.weight")
        classBias = context.parameter("classifier.linear.bias")
    }

    /// Prepares to run the supernet of `space`.
    public convenience init(supernet weights: Weights, of space: SearchSpace, backend: Backend)
        throws
    {
        self.init(weights, widest: try NetworkShape(space, space.largest), backend: backend)
    }

    /// The same network on another engine, for another thread, with the same weights; both may evaluate at the same
    /// time, as long as nobody writes to the weights.
    public func sharing(on backend: Backend) -> Network {
        Network(weights, widest: widest, backend: backend)
    }

    /// Runs with a copy of the running statistics while `body` works, so that a calibration leaves the weights
    /// alone; returns the body's result and the copy.
    public func withOwnStatistics<Result>(_ body: () throws -> Result) rethrows -> (Result, Storage)
    {
        let own = Storage(count: weights.statistics.count)
        own.all.copy(from: weights.statistics.all)
        let result = try withStatistics(own, body)
        return (result, own)
    }

    /// Runs with the given running statistics while `body` works.
    public func withStatistics<Result>(_ statistics: Storage, _ body: () throws -> Result) rethrows
        -> Result
    {
        let before = context.statistics
        context.statistics = statistics
        defer { context.statistics = before }
        return try body()
    }

    /// A feature map for `count` images of the shape's resolution, in memory that the next pass may not overwrite.
    public static func input(_ shape: NetworkShape, images count: Int, storage: Storage)
        -> FeatureMap
    {
        FeatureMap(
            storage.all, images: count, height: shape.resolution, width: shape.resolution,
            channels: shape.stem.inWidth)
    }

    /// Logits (images, classes) of one subnet; valid until the next pass.
    ///
    /// With `training`, `backward` may follow and `dropout` is applied to the features.
    public func forward(
        _ images: FeatureMap, _ shape: NetworkShape, mode: NormMode, training: Bool = false,
        dropout: Dropout? = nil
    ) -> Tensor {
        precondition(
            images.height == shape.resolution && images.channels == shape.stem.inWidth,
            "forward: images are \(images.height)x\(images.width)x\(images.channels); this subnet takes"
                + " \(shape.resolution)x\(shape.resolution)x\(shape.stem.inWidth)")
        clock?.begin()
        context.mode = mode
        context.keepsTape = training
        let workspace = context.workspace, count = images.images
        reserve(shape, images: count, training: training)

        // Without a tape three buffers take turns; with one, every output stays.
        let turns =
            training ? nil : Turns(workspace, floats: Self.edgeFloats(shape, images: count))
        func place(
            _ size: Int, _ channels: Int, besides one: FeatureMap? = nil, _ two: FeatureMap? = nil
        ) -> FeatureMap {
            guard let turns else {
                return workspace.map(images: count, size: size, channels: channels)
            }
            return FeatureMap(
                turns.free(besides: one, two), images: count, height: size, width: size,
                channels: channels)
        }
        let stem = place(shape.stem.outSize, shape.stem.outWidth)
        var current = stemForward(images, shape.stem, output: stem)
        clock?.mark()
        for block in shape.blocks {
            backend.profile?.place = "blocks.\(block.index)"
            let settled =
                InvertedResidual.settles(current, block)
                ? place(
                    block.inSize, block.inWidth, besides: current.raw, current.plus?.values) : nil
            let output = place(block.outSize, block.outWidth, besides: current.raw, settled)
            let mark = workspace.mark
            current = layer(block).forward(current, block, output: output, settled: settled)
            if !training { workspace.rewind(to: mark) }
            clock?.mark()
        }
        let final = workspace.map(
            images: count, size: shape.finalExpand.outSize, channels: shape.finalExpand.outWidth)
        backend.profile?.place = "head"
        finalForward(current, shape.finalExpand.activation, output: final)
        clock?.mark()
        let head = headForward(final, shape, dropout: training ? dropout : nil)
        tape =
            training
            ? Tape(
                shape: shape, images: images, stem: stem, final: final, last: current,
                pooled: head.pooled, mixed: head.mixed, features: head.features,
                dropped: head.dropped) : nil
        return head.logits
    }

    private func layer(_ block: NetworkShape.Block) -> InvertedResidual {
        guard let layer = blocks[block.index] else {
            preconditionFailure("no block \(block.index) in this network")
        }
        return layer
    }

    private func stemForward(
        _ images: FeatureMap, _ stem: NetworkShape.Conv, output: FeatureMap
    ) -> BlockInput {
        let sums = backend.convolution(
            images,
            weight: context.filters(
                stemWeight, outputs: output.channels, inputs: images.channels),
            stride: stem.stride, output: output,
            end: stemNorm.end(channels: output.channels, stem.activation))
        if stemNorm.isFolded { return BlockInput(output) }
        stemNorm.finish(sums, channels: output.channels, rows: output.rows)
        return BlockInput(output, norm: stemNorm, stem.activation, plus: nil)
    }

    private func finalForward(_ input: BlockInput, _ activation: Activation, output: FeatureMap) {
        let sums = backend.pointwise(
            input.raw, map: input.map, plus: input.plus,
            weight: context.slice(
                finalWeight, rows: output.channels, columns: input.raw.channels),
            output: output, end: finalNorm.end(channels: output.channels, activation))
        if !finalNorm.isFolded {
            finalNorm.finish(sums, channels: output.channels, rows: output.rows)
        }
    }

    private func mixForward(
        _ pooled: Tensor, _ count: Int, inputs: Int, features: Tensor, before: Tensor
    ) {
        backend.dense(
            pooled, count: count,
            weight: context.slice(mixWeight, rows: features.count / count, columns: inputs),
            bias: nil, output: features)
        backend.activate(features, .hSwish, keep: before)
    }

    private func classify(_ features: Tensor, _ count: Int, classes: Int, logits: Tensor) {
        backend.dense(
            features, count: count,
            weight: context.slice(classWeight, rows: classes, columns: features.count / count),
            bias: context.tensor(classBias), output: logits)
    }

    private func headForward(
        _ final: FeatureMap, _ shape: NetworkShape, dropout: Dropout?
    ) -> (logits: Tensor, pooled: Tensor, mixed: Tensor, features: Tensor, dropped: Tensor?) {
        let count = final.images, workspace = context.workspace
        let pooled = workspace.take(count * final.channels)
        let mixed = workspace.take(count * shape.featureMixWidth)
        let features = workspace.take(count * shape.featureMixWidth)
        let logits = workspace.take(count * shape.classes)
        let map =
            finalNorm.isFolded
            ? ChannelMap.identity : finalNorm.state.map(shape.finalExpand.activation)
        backend.mean(final, map: map, output: pooled)
        clock?.mark()
        mixForward(pooled, count, inputs: final.channels, features: features, before: mixed)
        clock?.mark()
        var dropped: Tensor?
        if var dropout, dropout.rate > 0 {
            let factors = workspace.take(features.count)
            let keep = 1 / (1 - dropout.rate)
            for i in 0..<factors.count {
                factors[i] = dropout.stream.uniform() < dropout.rate ? 0 : keep
            }
            backend.scale(features, by: factors)
            dropped = factors
        }
        classify(features, count, classes: shape.classes, logits: logits)
        clock?.mark()
        return (logits, pooled, mixed, features, dropped)
    }

    /// Adds the gradients of the last training pass, given that of its logits, to `gradients`. A pass has one backward
    /// pass.
    public func backward(_ dlogits: Tensor) {
        guard let tape else { preconditionFailure("backward needs a training pass before it") }
        self.tape = nil
        precondition(context.mode.usesBatch, "backward is that of the batch's statistics")
        allocateGradients()
        let shape = tape.shape, count = tape.images.images, context = self.context,
            workspace = context.workspace
        context.touch(stemWeight)
        context.touch(finalWeight)
        context.touch(mixWeight)
        context.touch(classWeight)
        context.touch(classBias)
        backend.profile?.place = "head"
        let upstream = headBackward(dlogits, tape)
        let edge = Self.edgeFloats(shape, images: count)
        var (mine, other) = (workspace.take(edge), workspace.take(edge))
        let last = tape.last, widths = (tape.final.channels, last.raw.channels)
        var d = FeatureMap(
            mine, images: count, height: last.raw.height, width: last.raw.width,
            channels: last.raw.channels)
        let sums = backend.pointwiseGradient(
            upstream, norm: finalNorm.state.gradient, input: last.raw, map: last.map,
            plus: last.plus,
            weight: context.slice(finalWeight, rows: widths.0, columns: widths.1),
            inputGradient: d, accumulate: false, sums: last.gradientSums,
            weightGradient: context.gradientSlice(
                finalWeight, rows: widths.0, columns: widths.1))
        last.finishGradient(sums)
        for block in shape.blocks.reversed() {
            backend.profile?.place = "blocks.\(block.index)"
            let mark = workspace.mark
            d = layer(block).backward(d, other: other)
            workspace.rewind(to: mark)
            if d.tensor.offset == other.offset { swap(&mine, &other) }
        }
        backend.profile?.place = "stem"
        // The first block has brought it through the activation and finished the norm's sums.
        let stem = (outputs: shape.stem.outWidth, inputs: shape.stem.inWidth)
        backend.convolutionGradient(
            Upstream(d, y: tape.stem), norm: stemNorm.state.gradient, input: tape.images,
            weight: context.filters(
                stemWeight, outputs: stem.outputs, inputs: stem.inputs),
            stride: shape.stem.stride, inputGradient: nil,
            weightGradient: context.gradientFilters(
                stemWeight, outputs: stem.outputs, inputs: stem.inputs))
    }

    /// Drops what the last training pass kept for `backward`, which will not come.
    public func forget() { tape = nil }

    /// From the logits back to the gradient at the last convolution's norm.
    private func headBackward(_ dlogits: Tensor, _ tape: Tape) -> Upstream {
        let shape = tape.shape, count = tape.images.images, context = self.context,
            workspace = context.workspace
        let dfeatures = workspace.take(tape.features.count)
        backend.denseGradient(
            dlogits, input: tape.features, count: count,
            weight: context.slice(classWeight, rows: shape.classes, columns: shape.featureMixWidth),
            inputGradient: dfeatures,
            weightGradient: context.gradientSlice(
                classWeight, rows: shape.classes, columns: shape.featureMixWidth),
            biasGradient: context.gradient(classBias))
        if let dropped = tape.dropped { backend.scale(dfeatures, by: dropped) }
        backend.activateGradient(dfeatures, before: tape.mixed, .hSwish)
        let dpooled = workspace.take(tape.pooled.count), channels = tape.final.channels
        backend.denseGradient(
            dfeatures, input: tape.pooled, count: count,
            weight: context.slice(mixWeight, rows: shape.featureMixWidth, columns: channels),
            inputGradient: dpooled,
            weightGradient: context.gradientSlice(
                mixWeight, rows: shape.featureMixWidth, columns: channels),
            biasGradient: nil)
        backend.scale(dpooled, by: 1 / Float(tape.final.pixels))
        let upstream = Upstream(
            nil, y: tape.final, map: finalNorm.state.map(shape.finalExpand.activation),
            spread: dpooled)
        let sums = backend.gradientSums(upstream, center: finalNorm.state.mean)
        finalNorm.finishGradient(sums, channels: channels, rows: tape.final.rows)
        return upstream
    }
}

extension Network {
    /// The gradients, laid out as the parameters; an optimizer step clears them.
    public var gradients: Storage {
        allocateGradients()
        return context.gradients
    }

    /// Which parameters have ever had a gradient here, by index; a resumed run sets what it saved.
    public var touched: [Bool] {
        get { context.touched }
        set {
            precondition(newValue.count == context.touched.count, "one flag a parameter")
            context.touched = newValue
        }
    }

    /// The most bytes of feature maps, and of whatever else a pass keeps, that a pass has taken so far.
    public var workspaceBytes: Int { 4 * context.workspace.peak }

    /// Bytes that a pass over `images` images takes, known before it runs; without dropout a training pass takes a
    /// little less.
    public static func workspaceBytes(_ shape: NetworkShape, images: Int, training: Bool) -> Int {
        4 * floats(shape, images: images, training: training)
    }

    /// The runs of the arena whose parameters have ever had a gradient, each of one role.
    public var touchedRanges: [(role: ParameterLayout.Role, range: Range<Int>)] {
        context.touchedRanges
    }

    private func allocateGradients() {
        guard context.gradients.count < weights.layout.parameterCount else { return }
        context.gradients = Storage(count: weights.layout.parameterCount)
    }

    func bakeFilter(of block: NetworkShape.Block, into target: Tensor) {
        layer(block).bakeFilter(block, into: target)
    }

    /// The largest map between two blocks, in floats.
    private static func edgeFloats(_ shape: NetworkShape, images: Int) -> Int {
        let stem = shape.stem.outSize * shape.stem.outSize * shape.stem.outWidth
        return images
            * shape.blocks.reduce(stem) { most, block in
                max(
                    most, block.outSize * block.outSize * block.outWidth,
                    block.inSize * block.inSize * block.inWidth)
            }
    }

    /// Floats of workspace for one pass, forward and, in training, backward.
    private static func floats(_ shape: NetworkShape, images: Int, training: Bool) -> Int {
        func map(_ size: Int, _ width: Int) -> Int {
            Workspace.rounded(images * size * size * width)
        }
        let final = shape.finalExpand, mix = map(1, shape.featureMixWidth)
        let head =
            map(final.outSize, final.outWidth) + map(1, final.outWidth) + 2 * mix
            + map(1, shape.classes)
        let edge = Workspace.rounded(edgeFloats(shape, images: images))
        var most = 0, all = 0, backward = 0, skipBefore = false
        for block in shape.blocks {
            let forward = InvertedResidual.forwardFloats(block, images: images)
            most = max(most, forward)
            all += forward + map(block.outSize, block.outWidth)
            if block.hasSkip && skipBefore { all += map(block.inSize, block.inWidth) }
            skipBefore = block.hasSkip
            backward = max(backward, InvertedResidual.backwardFloats(block, images: images))
        }
        guard training else { return 3 * edge + max(most, head) }
        // Forward with the factors of dropout; backward the gradients at the features and at the pooled map.
        return map(shape.stem.outSize, shape.stem.outWidth) + all + head + mix
            + mix + map(1, final.outWidth) + 2 * edge + backward
    }

    /// Makes all the room that passes over `images` images of this shape take, as every pass does itself at its start;
    /// allocates only when a shape needs more than those before. Ends the last pass: its results are gone.
    public func reserve(_ shape: NetworkShape, images: Int, training: Bool) {
        let stem = shape.stem, final = shape.finalExpand
        tape = nil
        context.workspace.reserveAndReset(Self.floats(shape, images: images, training: training))
        if training {
            allocateGradients()
            for block in shape.blocks { layer(block).reserveGradients() }
        }
        let widest = shape.blocks.reduce(final.outWidth) { max($0, $1.middleWidth, $1.outWidth) }
        backend.reserve(.sums(channels: max(widest, stem.outWidth), images: images))
        for block in shape.blocks {
            guard let hidden = block.seHidden else { continue }
            backend.reserve(.dense(block.middleWidth, hidden, count: images))
        }
        backend.reserve(.dense(final.outWidth, shape.featureMixWidth, count: images))
        backend.reserve(.dense(shape.featureMixWidth, shape.classes, count: images))
        backend.reserve(
            .convolution(
                size: stem.inSize, inputs: stem.inWidth, outputs: stem.outWidth,
                kernel: stem.kernel, stride: stem.stride, gradient: training))
        for block in shape.blocks { reserveScratch(block, training) }
        backend.reserve(.pointwise(final.inWidth, final.outWidth, gradient: training))
    }

    private func reserveScratch(_ block: NetworkShape.Block, _ training: Bool) {
        backend.reserve(
            .depthwise(
                size: block.inSize, channels: block.middleWidth, kernel: block.kernel,
                stride: block.stride, gradient: training))
        if block.hasExpansion {
            backend.reserve(.pointwise(block.inWidth, block.middleWidth, gradient: training))
        }
        backend.reserve(.pointwise(block.middleWidth, block.outWidth, gradient: training))
    }
}

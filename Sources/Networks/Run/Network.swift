// A network that runs: forward and backward passes of any subnet, with weights sliced in place. The same code runs
// a supernet and a subnet extracted from one; only the layout of the weights differs.

import Tensors

/// Runs subnets on an engine. Used by one thread at a time.
public final class Network {
    /// Its weights.
    public let weights: Weights
    /// Its engine.
    public let backend: Backend

    /// Times the layers of a pass; nil records nothing.
    public var clock: PassClock?

    let widest: NetworkShape
    let context: NetworkContext
    let layers: RunningLayers
    private var tape: Tape?

    /// Dropout in training: a rate in 0..<1 and a random stream per image.
    public struct Dropout {
        /// The share of features set to 0.
        public let rate: Float
        /// Draw one number a feature of their image.
        public let streams: ImageStreams

        /// Drops `rate` of the features with draws of `streams`.
        public init(rate: Float, streams: ImageStreams) {
            self.rate = rate
            self.streams = streams
        }

        /// The factor of every feature of `images` images: 0, or 1 / (1 - rate), which preserves
        /// the mean.
        func draw(into factors: Tensor, images: Int) {
            let keep = 1 / (1 - rate), width = factors.count / images
            for image in 0..<images {
                var stream = streams[image]
                for i in image * width..<(image + 1) * width {
                    factors[i] = stream.uniform() < rate ? 0 : keep
                }
            }
        }
    }

    private struct Tape {
        let shape: NetworkShape
        let logits: FeatureMap
    }

    /// Prepares to run any layout whose widest network is `widest`.
    public init(_ weights: Weights, widest: NetworkShape, backend: Backend) {
        self.weights = weights
        self.widest = widest
        self.backend = backend
        context = NetworkContext(
            weights: weights, backend: backend, normEpsilon: widest.normEpsilon)
        layers = RunningLayers(widest, context)
    }

    /// Prepares to run the supernet of `space`.
    public convenience init(supernet weights: Weights, of space: SearchSpace, backend: Backend)
        throws
    {
        self.init(weights, widest: try NetworkShape(space, space.largest), backend: backend)
    }

    /// The same network with shared weights on another engine, for another thread; both may
    /// evaluate concurrently while the weights do not change.
    public func sharing(on backend: Backend) -> Network {
        Network(weights, widest: widest, backend: backend)
    }

    /// Runs `body` with a copy of the running statistics, so that a calibration does not change the
    /// weights; returns its result and the copy.
    public func withOwnStatistics<Result>(_ body: () throws -> Result) rethrows -> (Result, Storage)
    {
        let own = Storage(count: weights.statistics.count)
        own.all.copy(from: weights.statistics.all)
        let result = try withStatistics(own, body)
        return (result, own)
    }

    /// Runs `body` with the given running statistics.
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
            channels: shape.inputChannels)
    }

    /// Logits (images, classes) of one subnet; valid until the next pass.
    ///
    /// With `training`, `backward` may follow and `dropout` is applied to the classifier's inputs.
    public func forward(
        _ images: FeatureMap, _ shape: NetworkShape, mode: NormMode, training: Bool = false,
        dropout: Dropout? = nil
    ) -> Tensor {
        precondition(
            images.height == shape.resolution && images.channels == shape.inputChannels,
            "forward: images are \(images.height)x\(images.width)x\(images.channels); this subnet takes"
                + " \(shape.resolution)x\(shape.resolution)x\(shape.inputChannels)")
        clock?.begin()
        context.mode = mode
        context.keepsTape = training
        let workspace = context.workspace, count = images.images
        reserve(shape, images: count, training: training)
        // Without a tape three buffers rotate; with one, every output is kept.
        let turns =
            training ? nil : Turns(workspace, floats: PassMemory.edgeFloats(shape, images: count))
        var pass = ForwardPass(
            workspace: workspace, images: count, turns: turns, dropout: training ? dropout : nil)
        var current = LayerInput(images)
        for (index, placed) in shape.placed.enumerated() {
            backend.profile?.place = placed.layer.label
            pass.takesTurn = PassMemory.isEdge(shape, index)
            let mark = workspace.mark
            current = layers[placed.place].forward(current, placed.layer, pass)
            if turns != nil && pass.takesTurn { workspace.rewind(to: mark) }
            clock?.mark()
        }
        tape = training ? Tape(shape: shape, logits: current.raw) : nil
        return current.raw.tensor
    }

    /// Adds the gradients of the last training pass, given that of its logits, to `gradients`. Call
    /// it once per training pass.
    public func backward(_ dlogits: Tensor) {
        guard let tape else { preconditionFailure("backward needs a training pass before it") }
        self.tape = nil
        precondition(context.mode.usesBatch, "backward is that of the batch's statistics")
        allocateGradients()
        let workspace = context.workspace, shape = tape.shape, logits = tape.logits
        let edge = PassMemory.edgeFloats(shape, images: logits.images)
        let room = GradientRoom(one: workspace.take(edge), two: workspace.take(edge))
        var upstream: Upstream? = Upstream(
            FeatureMap(
                dlogits, images: logits.images, height: 1, width: 1, channels: logits.channels),
            y: logits)
        for index in stride(from: shape.placed.count - 1, through: 0, by: -1) {
            guard let d = upstream else { break }
            let placed = shape.placed[index]
            backend.profile?.place = placed.layer.label
            let mark = workspace.mark
            upstream = layers[placed.place].backward(d, room)
            // Gradients of pooled features live in the workspace until the layer before has read them.
            if PassMemory.isEdge(shape, index) { workspace.rewind(to: mark) }
        }
    }

    /// Discards the tape; no backward pass will follow.
    public func forget() { tape = nil }
}

extension Network {
    /// The gradients, laid out as the parameters; an optimizer step clears them.
    public var gradients: Storage {
        allocateGradients()
        return context.gradients
    }

    /// Which parameters have ever had a gradient, by index; a resumed run restores it.
    public var touched: [Bool] {
        get { context.touched }
        set {
            precondition(newValue.count == context.touched.count, "one flag a parameter")
            context.touched = newValue
        }
    }

    /// Peak workspace of all passes so far in bytes.
    public var workspaceBytes: Int { 4 * context.workspace.peak }

    /// The contiguous ranges of parameters that have ever had a gradient, each of one role.
    public var touchedRanges: [(role: ParameterLayout.Role, range: Range<Int>)] {
        context.touchedRanges
    }

    private func allocateGradients() {
        guard context.gradients.count < weights.layout.parameterCount else { return }
        context.gradients = Storage(count: weights.layout.parameterCount)
    }

    /// The filters of a block's active kernel size, (channels, kernel · kernel), derived by its
    /// transform matrices.
    func bakeFilter(of block: Layer.InvertedResidual, at place: Int, into target: Tensor) {
        guard let layer = layers[place] as? InvertedResidualRun else {
            preconditionFailure("no inverted residual block at place \(place)")
        }
        layer.bakeFilter(block, into: target)
    }

    /// Reserves the memory of passes over `images` images of this shape, as every pass does at its
    /// start; allocates only if a shape needs more than earlier ones. Invalidates the results of
    /// the last pass.
    public func reserve(_ shape: NetworkShape, images: Int, training: Bool) {
        tape = nil
        context.workspace.reserveAndReset(
            PassMemory.floats(shape, images: images, training: training))
        if training { allocateGradients() }
        for placed in shape.placed {
            layers[placed.place].reserve(placed.layer, images: images, training: training)
        }
    }
}

// A network that runs: forward and backward passes of any subnet. Each layer uses the first channels of its weights in
// place; only the filters of an elastic kernel are copied. The same code runs a supernet and an extracted subnet; only
// the layout of the weights differs.

import Tensors

/// Runs subnets on an engine. Only one thread at a time may use a network.
public final class Network {
    /// The weights, which passes read in place.
    public let weights: Weights
    /// The engine that computes the passes.
    public let engine: any Engine

    let widest: NetworkShape
    let context: NetworkContext
    let layers: RunningLayers
    /// The number of first layers that the subnets of a training step share.
    let constantLayers: Int
    private var start: SharedStart?
    private var tape: Tape?

    /// Dropout in training: a rate in 0..<1 and a random stream per image.
    public struct Dropout {
        /// The share of features set to 0.
        public let rate: Float
        /// One stream per image, which gives a number for each feature.
        public let streams: ImageStreams

        /// Drops the share `rate` of the features, chosen by random numbers of `streams`.
        public init(rate: Float, streams: ImageStreams) {
            self.rate = rate
            self.streams = streams
        }

        /// Draws the dropout factor of every feature of `images` images into `factors`. A dropped
        /// feature has factor 0; a kept feature has 1 / (1 - rate), which preserves the mean.
        func draw(into factors: Tensor, images: Int, _ engine: any Engine) {
            let keep = 1 / (1 - rate), width = factors.count / images
            var stream = streams[0]
            engine.upload(to: factors) { i in
                if i % width == 0 { stream = streams[i / width] }
                return stream.uniform() < rate ? 0 : keep
            }
        }
    }

    private struct Tape {
        let shape: NetworkShape
        let logits: FeatureMap
        let turn: Turn
    }

    /// Prepares to run networks with `weights`; `widest` is the widest of these networks. The first `constantLayers`
    /// layers must be the same in all networks that run.
    public init(
        _ weights: Weights, widest: NetworkShape, constantLayers: Int = 0, engine: any Engine
    ) {
        self.constantLayers = constantLayers
        self.weights = weights
        self.widest = widest
        self.engine = engine
        context = NetworkContext(
            weights: weights, engine: engine, normEpsilon: widest.normEpsilon)
        layers = RunningLayers(widest, context)
    }

    /// Prepares to run the supernet of `space`.
    public convenience init(supernet weights: Weights, of space: SearchSpace, engine: any Engine)
        throws
    {
        self.init(
            weights, widest: try NetworkShape(space, space.largest),
            constantLayers: try space.constantLayers, engine: engine)
    }

    /// Returns a network that shares these weights on `engine`, for another thread. Both networks
    /// may evaluate at the same time as long as the weights do not change.
    public func sharing(on engine: any Engine) -> Network {
        let other = Network(
            weights, widest: widest, constantLayers: constantLayers, engine: engine)
        other.usesKernelTransform = usesKernelTransform
        return other
    }

    /// Runs `body` with a copy of the running statistics, so that a calibration does not change the running statistics
    /// of `weights`. Returns the result of `body` and the copy.
    public func withOwnStatistics<Result>(_ body: () throws -> Result) rethrows -> (Result, Storage)
    {
        let own = engine.storage(weights.statistics.count)
        engine.copy(weights.statistics.all, to: own.all)
        let result = try withStatistics(own, body)
        return (result, own)
    }

    /// Runs `body` with `statistics` as the running statistics. Returns the result of `body`.
    public func withStatistics<Result>(_ statistics: Storage, _ body: () throws -> Result) rethrows
        -> Result
    {
        let before = context.statistics
        context.statistics = statistics
        defer { context.statistics = before }
        return try body()
    }

    /// Returns `storage` as a feature map for `count` images of the shape's resolution.
    public static func input(_ shape: NetworkShape, images count: Int, storage: Storage)
        -> FeatureMap
    {
        FeatureMap(
            storage.all, images: count, height: shape.resolution, width: shape.resolution,
            channels: shape.inputChannels)
    }

    /// Returns the logits (images, classes) of one subnet, which are valid until the next pass.
    ///
    /// With `training`, `dropout` is applied to the classifier's inputs, and `backward` may follow. In training,
    /// subnets that run over the same images, one per `turn`, share the first `constantLayers` layers: only turn 0 runs
    /// these layers forward. In later turns, `images` must be those of turn 0, and `backward` must have run for every
    /// earlier turn.
    public func forward(
        _ images: FeatureMap, _ shape: NetworkShape, mode: NormMode, training: Bool = false,
        dropout: Dropout? = nil, turn: Turn = Turn()
    ) -> Tensor {
        precondition(
            images.height == shape.resolution && images.channels == shape.inputChannels,
            "forward: images are \(images.height)x\(images.width)x\(images.channels); this subnet takes"
                + " \(shape.resolution)x\(shape.resolution)x\(shape.inputChannels)")
        precondition(
            !training || trainingFormat == .float32 || shape.float32Layer == nil,
            "a layer of this network takes float32 maps only")
        context.mode = mode
        context.keepsTape = training
        tape = nil
        let workspace = context.workspace
        var (current, index) = (LayerInput(images), 0)
        if turn.number > 0, let start {
            workspace.rewind(to: start.mark)
            (current, index) = (start.output.shared, start.layers)
        } else {
            workspace.reset()
            start = nil
        }
        // Without training, the layers write their outputs to a few buffers in turn; in training, all outputs stay in
        // the workspace.
        let pass = ForwardPass(
            workspace: workspace, images: images.images, turns: training ? nil : context.turns,
            dropout: training ? dropout : nil)
        let isSharing = training && turn.count > 1 && turn.number == 0 && constantLayers > 0
        if isSharing { context.mode = mode.repeated(turn.count) }
        while index < shape.placed.count {
            let placed = shape.placed[index]
            engine.profile?.place = placed.layer.label
            let mark = workspace.mark
            current = layers[placed.place].forward(current, placed.layer, pass)
            if !training { workspace.rewind(to: mark) }
            index += 1
            if isSharing, index == constantLayers {
                context.mode = mode
                start = SharedStart(index, current, workspace)
                current = current.shared
            }
        }
        tape = training ? Tape(shape: shape, logits: current.raw, turn: turn) : nil
        return current.raw.tensor
    }

    /// Adds the gradients of the last training pass to `gradients`, given `dlogits`, the gradient at the logits of that
    /// pass. The gradients of shared layers are added in the last turn only. Call this once per training pass.
    public func backward(_ dlogits: Tensor) {
        guard let tape else { preconditionFailure("backward needs a training pass before it") }
        self.tape = nil
        precondition(context.mode.usesBatch, "backward needs a pass with batch statistics")
        context.allocateGradients()
        let workspace = context.workspace, shape = tape.shape, logits = tape.logits
        let room = GradientRoom(turns: context.gradientTurns)
        var upstream: Upstream? = Upstream(
            FeatureMap(
                dlogits, images: logits.images, height: 1, width: 1, channels: logits.channels),
            y: logits)
        for index in stride(from: shape.placed.count - 1, through: 0, by: -1) {
            guard var d = upstream else { break }
            if let start, index == start.layers - 1 {
                guard let whole = start.add(d, tape.turn, engine) else { break }
                d = whole
            }
            let placed = shape.placed[index]
            engine.profile?.place = placed.layer.label
            let mark = workspace.mark
            upstream = layers[placed.place].backward(d, room)
            workspace.rewind(to: mark)
        }
    }

    /// Discards the record of the last training pass; `backward` then needs another training pass.
    public func forget() { tape = nil }
}

extension Network {
    /// The gradients, laid out as the parameters; an optimizer step sets them to zero.
    public var gradients: Storage {
        context.allocateGradients()
        return context.gradients
    }

    /// Which parameters have ever had a gradient, by index; a resumed run restores these flags.
    public var touched: [Bool] {
        get { context.touched }
        set {
            precondition(newValue.count == context.touched.count, "one flag a parameter")
            context.touched = newValue
        }
    }

    /// Whether smaller kernels are multiplied by their transform matrices, as by default. If not, they are the centres
    /// of the larger ones, as if the matrices were the identity, and the matrices are not trained.
    public var usesKernelTransform: Bool {
        get { context.usesKernelTransform }
        set { context.usesKernelTransform = newValue }
    }

    /// The format of the maps that convolutions write in training, and of these maps' gradients. The images, sums,
    /// weights, weight gradients and the maps after the mean pooling are float32, and so are all maps without training.
    /// With 16-bit maps, an instruction set that multiplies 16-bit values (`InstructionSet.multipliesHalves`) rounds the
    /// factors of pointwise convolutions too. Traps in a training pass of a network with a `float32Layer`.
    public var trainingFormat: MapFormat {
        get { context.trainingFormat }
        set { context.trainingFormat = newValue }
    }

    /// The peak of the workspace over all passes so far, in bytes.
    public var workspaceBytes: Int { 4 * context.peakFloats }

    /// The contiguous ranges of parameters that have ever had a gradient, each of one role.
    public var touchedRanges: [(role: ParameterLayout.Role, range: Range<Int>)] {
        context.touchedRanges
    }
}

// The interface of running layers: one object per layer of the supernet, which gets its widths in
// every pass. A new layer type is one more file in this folder and one case in
// `RunningLayers.make`.

import Tensors

/// A layer with forward and, in training, backward pass.
protocol RunningLayer: AnyObject {
    /// The layer's output for `input`. The output goes to `pass.output`; memory that only this
    /// layer reads comes from the workspace.
    func forward(_ input: LayerInput, _ layer: Layer, _ pass: ForwardPass) -> LayerInput

    /// The gradient at the layer's input from `upstream`, that at its output; nil if the input is
    /// the image. Adds weight gradients to the arena and finishes the gradient of the input's norm;
    /// the next layer has already finished that of this layer's own norm.
    func backward(_ upstream: Upstream, _ room: GradientRoom) -> Upstream?

    /// Reserves the memory of the layer's operators; nothing by default.
    func reserve(_ layer: Layer, images: Int, training: Bool)
}

extension RunningLayer {
    func reserve(_ layer: Layer, images: Int, training: Bool) {}
}

/// The memory of a forward pass.
struct ForwardPass {
    /// The workspace of the network.
    let workspace: Workspace
    /// Images of the batch.
    let images: Int
    /// Rotating buffers; nil if every output is kept for a backward pass.
    let turns: Turns?
    /// Whether the current layer's output uses a rotating buffer, as maps before the pooling's
    /// input do.
    var takesTurn = true
    /// Dropout of the classifier's inputs in training.
    var dropout: Network.Dropout?

    /// Workspace for a map like `shape` that only this layer reads.
    func own(like shape: FeatureMap) -> FeatureMap {
        workspace.map(images: images, size: shape.height, channels: shape.channels)
    }

    /// Memory for an output of `size` × `size` positions, distinct from the maps `one` and `two`.
    func output(
        _ size: Int, _ channels: Int, besides one: FeatureMap?, _ two: FeatureMap? = nil
    ) -> FeatureMap {
        guard let turns, takesTurn else {
            return workspace.map(images: images, size: size, channels: channels)
        }
        return FeatureMap(
            turns.free(besides: one, two), images: images, height: size, width: size,
            channels: channels)
    }
}

/// The memory of gradients between layers: two alternating buffers.
struct GradientRoom {
    /// Each holds the largest map between two layers.
    let one, two: Tensor

    /// The buffer that does not hold `map`, as a map like `shape`.
    func free(besides map: FeatureMap?, like shape: FeatureMap) -> FeatureMap {
        let buffer = map?.tensor.offset == one.offset ? two : one
        return FeatureMap(
            buffer, images: shape.images, height: shape.height, width: shape.width,
            channels: shape.channels)
    }
}

/// The layers of a supernet or of an extracted network, by place.
struct RunningLayers {
    private let layers: [(any RunningLayer)?]

    /// One object for each layer of the widest network.
    init(_ widest: NetworkShape, _ context: NetworkContext) {
        var layers: [(any RunningLayer)?] = []
        for placed in widest.placed {
            while layers.count < placed.place { layers.append(nil) }
            layers.append(Self.make(placed.layer, isFirst: placed.place == 0, context))
        }
        self.layers = layers
    }

    private static func make(_ widest: Layer, isFirst: Bool, _ context: NetworkContext)
        -> any RunningLayer
    {
        switch widest {
        case .convolution(let layer): ConvolutionRun(layer, isFirst: isFirst, context)
        case .residualConvolution(let layer): ResidualConvolutionRun(layer, context)
        case .invertedResidual(let layer): InvertedResidualRun(layer, context)
        case .bottleneck(let layer): BottleneckRun(layer, context)
        case .maxPooling: MaxPoolingRun(context)
        case .meanPooling: MeanPoolingRun(context)
        case .dense(let layer): DenseRun(layer, context)
        }
    }

    /// The layer at `place` of the widest network.
    subscript(place: Int) -> any RunningLayer {
        guard place < layers.count, let layer = layers[place] else {
            preconditionFailure("this network has no layer at place \(place)")
        }
        return layer
    }
}

extension NetworkContext {
    /// The input as one map: itself if it is plain, else materialised in `output`.
    func written(_ input: LayerInput, to output: () -> FeatureMap) -> FeatureMap {
        if input.isPlain { return input.raw }
        let map = output(), whole = MappedMap(input.raw, map: input.map)
        if let plus = input.plus {
            backend.sumActivated(whole, plus, activation: .identity, output: map)
        } else {
            backend.meanPooling(input.raw, map: input.map, size: 1, output: map)
        }
        return map
    }

    /// The upstream for the previous layer, given the gradient `d` at an input that `written`
    /// materialised.
    func upstream(_ d: FeatureMap, at input: LayerInput) -> Upstream {
        let upstream = input.upstream(d)
        if let norm = input.norm {
            input.finishGradient(backend.gradientSums(upstream, center: norm.state.mean))
        }
        return upstream
    }
}

// The interface of running layers: one object per layer of the supernet. Every pass gives the object the widths of its
// layer. A new layer type needs one more file in this folder and one more case in `RunningLayers.make`.

import Tensors

/// A layer with its forward pass and, for training, its backward pass.
protocol RunningLayer: AnyObject {
    /// Returns the layer's output for `input`. The output's memory comes from `pass.output`; memory
    /// that only this layer reads comes from the workspace.
    func forward(_ input: LayerInput, _ layer: Layer, _ pass: ForwardPass) -> LayerInput

    /// Returns the gradient at the layer's input, given `upstream`, the gradient at its output; nil
    /// if the input is the image. Adds weight gradients to the arena and finishes the gradient of
    /// the input's norm. The next layer has already finished the gradient of this layer's last norm.
    func backward(_ upstream: Upstream, _ room: GradientRoom) -> Upstream?

    /// Allocates the gradients that the layer stores outside the network's arena of gradients; does nothing by default.
    func reserveGradients()
}

extension RunningLayer {
    func reserveGradients() {}
}

/// The memory of a forward pass.
struct ForwardPass {
    /// The workspace of the network.
    let workspace: Workspace
    /// The number of images of the batch.
    let images: Int
    /// Buffers that the outputs use in turn; nil if every output is kept for a backward pass.
    let turns: TurnBuffers?
    /// Dropout of the classifier's inputs in training.
    var dropout: Network.Dropout?

    /// Returns workspace memory for a map that only this layer reads, with the dimensions of `shape`.
    func own(like shape: FeatureMap) -> FeatureMap {
        workspace.map(images: images, size: shape.height, channels: shape.channels)
    }

    /// Returns memory for an output of `size` × `size` positions; this memory overlaps neither `one` nor `two`.
    func output(
        _ size: Int, _ channels: Int, besides one: FeatureMap?, _ two: FeatureMap? = nil,
        format: MapFormat = .float32
    ) -> FeatureMap {
        let buffer = turns?.free(besides: one?.tensor, two?.tensor) ?? workspace
        return buffer.map(images: images, size: size, channels: channels, format: format)
    }
}

/// The memory of gradients between layers: two alternating buffers.
struct GradientRoom {
    /// The buffers.
    let turns: TurnBuffers

    /// Returns a map with the dimensions of `shape`, in the buffer that does not contain the gradients of `upstream`. It
    /// has the format of `shape`, unless `format` is given.
    func free(besides upstream: Upstream, like shape: FeatureMap, format: MapFormat? = nil)
        -> FeatureMap
    {
        turns.free(besides: upstream.d?.tensor, upstream.meanGradient).map(
            images: shape.images, height: shape.height, width: shape.width,
            channels: shape.channels, format: format ?? shape.format)
    }
}

/// The layers of a supernet or of an extracted network, by place.
struct RunningLayers {
    private let layers: [(any RunningLayer)?]

    /// Makes one object for each layer of the widest network.
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

    /// Allocates the gradients that layers keep outside the arena of gradients.
    func reserveGradients() {
        for layer in layers { layer?.reserveGradients() }
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
    /// Returns the input without a pending skip: if a skip is pending, writes the sum to memory. Layers that can read
    /// only a single feature map, such as poolings, call this.
    func withoutSkip(_ input: LayerInput, _ pass: ForwardPass) -> MappedMap {
        guard let plus = input.plus else { return MappedMap(input.raw, map: input.map) }
        return MappedMap(
            written(input) {
                pass.output(
                    input.raw.height, input.raw.channels, besides: input.raw, plus.values)
            })
    }

    /// Returns `input` as one feature map: `input.raw` if nothing is pending, else act(norm(raw)) + plus, computed in
    /// `output`.
    func written(_ input: LayerInput, to output: () -> FeatureMap) -> FeatureMap {
        if input.isPlain { return input.raw }
        let map = output(), whole = MappedMap(input.raw, map: input.map)
        if let plus = input.plus, input.raw.format != .float32 {
            engine.affine(plus.values, map: plus.map, residual: nil, output: map)
            engine.affine(input.raw, map: input.map, residual: map, output: map)
        } else if let plus = input.plus {
            engine.sumActivated(whole, plus, activation: .identity, output: map)
        } else {
            engine.meanPooling(input.raw, map: input.map, size: 1, output: map)
        }
        return map
    }

    /// Returns the upstream gradient for the previous layer, given `d`, the gradient at an input that `written`
    /// computed in memory. Finishes the gradient of the input's pending norm.
    func upstream(_ d: FeatureMap, at input: LayerInput) -> Upstream {
        let upstream = input.upstream(d)
        if let norm = input.norm {
            input.finishGradient(engine.gradientSums(upstream, center: norm.state.mean))
        }
        return upstream
    }
}

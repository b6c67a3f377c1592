// A subnet prepared for passes that only run: norms are folded into weights, smaller filters are derived, weights are
// packed for the kernels, and memory is planned. The layers compute what those of Run/ compute with running statistics.

import Tensors

/// One subnet, compiled for a number of images and an engine with its threads. Later changes of the weights do not
/// change it. Only one thread at a time may use it, and not while its engine runs another network.
public final class CompiledNetwork {
    /// The shape of the subnet.
    public let shape: NetworkShape
    /// The compiled pass. A clock of this pass times the parts of `latencyKeys`.
    public let pass: CompiledPass

    /// Compiles the subnet `shape` of `weights`, for passes over `images` images on `engine`, whose maps are in `room`.
    ///
    /// `weights` are those of a supernet, of which the subnet uses a part, or the subnet's own; in the second case,
    /// `shape` must be numbered without gaps (`NetworkShape.renumbered`). The batch norms use `statistics`, laid out as
    /// those of `weights`; nil stands for those of `weights`.
    public init(
        _ weights: Weights, _ shape: NetworkShape, statistics: Storage? = nil, images: Int,
        engine: CPUEngine, room: PassRoom = PassRoom()
    ) {
        self.shape = shape
        let builder = PassBuilder(engine, images: images)
        let compiler = LayerCompiler(
            weights: weights, statistics: statistics, epsilon: shape.normEpsilon, builder: builder)
        var current = builder.input(
            height: shape.resolution, width: shape.resolution, channels: shape.inputChannels)
        for layer in shape.layers {
            builder.label = layer.label
            current = compiler.add(layer, current)
            if !layer.sharesNextKey { builder.endPart() }
        }
        pass = builder.finish(current, room: room)
    }

    private init(_ shape: NetworkShape, _ pass: CompiledPass) {
        self.shape = shape
        self.pass = pass
    }

    /// Returns a network with the same weights for `images` images on another engine, which must have as many threads
    /// and the same instruction set. The two networks may run at the same time if their rooms differ.
    public func sharing(images: Int, on engine: CPUEngine, room: PassRoom = PassRoom())
        -> CompiledNetwork
    {
        CompiledNetwork(shape, pass.sharing(images: images, on: engine, room: room))
    }

    /// Returns the logits (images, classes), which are valid until the next pass.
    public func forward(_ images: FeatureMap) -> Tensor { pass.run(images) }
}

/// Adds the operators of layers to a pass.
private struct LayerCompiler {
    let weights: Weights
    let statistics: Storage?
    let epsilon: Double
    let builder: PassBuilder

    private var naming: ParameterLayout.Naming { weights.layout.naming }

    /// Adds `layer`, which reads `x`. Returns the layer's output.
    func add(_ layer: Layer, _ x: PlannedMap) -> PlannedMap {
        switch layer {
        case .convolution(let conv):
            return unit(
                conv.names(naming), x, outputs: conv.outWidth, stride: conv.stride, conv.activation)
        case .residualConvolution(let conv):
            return unit(
                conv.names(naming), x, outputs: conv.width, conv.activation, residual: x)
        case .invertedResidual(let block): return add(block, x)
        case .bottleneck(let block): return add(block, x)
        case .maxPooling: return builder.maxPooling(x)
        case .meanPooling: return builder.mean(x)
        case .dense(let dense):
            let prefix = dense.prefix(naming)
            return builder.dense(
                x, weight: matrix("\(prefix).weight", dense.outWidth, dense.inWidth),
                bias: dense.hasBias ? values("\(prefix).bias", dense.outWidth) : nil,
                activation: dense.activation)
        }
    }

    private func add(_ block: Layer.InvertedResidual, _ x: PlannedMap) -> PlannedMap {
        let names = BlockNames(block, naming), middle = block.middleWidth
        let (map, mean) = builder.expansion(
            x,
            expand: block.hasExpansion
                ? (filters(names.expand.weight, middle, block.inWidth), norm(names.expand, middle))
                : nil,
            PassBuilder.Depthwise(
                filters: Array(
                    weights.filter(of: block, names).prefix(
                        middle * block.kernel * block.kernel)),
                kernel: block.kernel, stride: block.stride, norm: norm(names.depthwise, middle)),
            activation: block.activation, mean: block.seHidden != nil)
        var gate: PlannedMap?
        if let mean, let hidden = block.seHidden {
            let name = names.squeeze
            let reduced = builder.dense(
                mean, weight: matrix("\(name).reduce.weight", hidden, middle),
                bias: values("\(name).reduce.bias", hidden), activation: .relu)
            gate = builder.gate(
                reduced, weight: matrix("\(name).expand.weight", middle, hidden),
                bias: values("\(name).expand.bias", middle))
        }
        return unit(
            names.project, map, outputs: block.outWidth, .identity, gate: gate,
            residual: block.hasSkip ? x : nil)
    }

    private func add(_ block: Layer.Bottleneck, _ x: PlannedMap) -> PlannedMap {
        let names = BottleneckNames(block, naming), middle = block.middleWidth
        let reduced = unit(names.reduce, x, outputs: middle, block.activation)
        let filtered = unit(
            names.filter, reduced, outputs: middle, stride: block.stride, block.activation)
        let expanded = unit(names.expand, filtered, outputs: block.outWidth, .identity)
        var shortcut = x
        if block.hasDownsample {
            if block.stride > 1 { shortcut = builder.meanPooling(x, size: block.stride) }
            shortcut = unit(names.downsample, shortcut, outputs: block.outWidth, .identity)
        }
        return builder.sum(expanded, shortcut, activation: block.activation)
    }

    /// Adds a convolution, its norm and its activation.
    private func unit(
        _ names: UnitNames, _ x: PlannedMap, outputs: Int, stride: Int = 1,
        _ activation: Activation, gate: PlannedMap? = nil, residual: PlannedMap? = nil
    ) -> PlannedMap {
        builder.convolution(
            x, weight: filters(names.weight, outputs, x.channels), norm: norm(names, outputs),
            stride: stride, activation: activation, gate: gate, residual: residual)
    }

    private func parameter(_ name: String) -> ParameterLayout.Parameter {
        guard let found = weights.layout.parameter(name) ?? weights.layout.statistic(name) else {
            preconditionFailure("the layout has no \(name)")
        }
        return found
    }

    private func filters(_ name: String, _ outputs: Int, _ inputs: Int) -> FilterSlice {
        let stored = parameter(name)
        return FilterSlice(
            weights.view(stored), outputs: outputs, inputs: inputs, kernel: stored.shape[2],
            storedInputs: stored.shape[1])
    }

    private func matrix(_ name: String, _ rows: Int, _ columns: Int) -> MatrixSlice {
        let stored = parameter(name)
        return MatrixSlice(
            weights.view(stored), rows: rows, columns: columns, stride: stored.shape[1])
    }

    private func values(_ name: String, _ count: Int) -> Tensor {
        weights.view(parameter(name)).slice(0, count)
    }

    private func norm(_ names: UnitNames, _ channels: Int) -> FoldedNorm {
        let prefix = names.norm
        func statistic(_ name: String) -> Tensor {
            weights.view(parameter("\(prefix).\(name)"), in: statistics ?? weights.statistics)
        }
        return FoldedNorm(
            NormParameters(
                gamma: weights.view(parameter("\(prefix).weight")),
                beta: weights.view(parameter("\(prefix).bias")),
                runningMean: statistic("running_mean"), runningVariance: statistic("running_var")),
            channels: channels, epsilon: epsilon)
    }
}

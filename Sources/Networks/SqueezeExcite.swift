// Squeeze-and-excite (Hu et al., CVPR 2018) as the published space uses it: mean, 1x1, ReLU, 1x1, hard sigmoid.

import Tensors

/// The gate of one block; its hidden and outer widths follow the active expansion.
final class SqueezeExcite {
    private let reduceWeight, reduceBias, expandWeight, expandBias: ParameterLayout.Parameter
    private unowned let context: NetworkContext
    private var pooled, hidden, before: Tensor
    /// (images, channels), after `forward`.
    private(set) var gate: Tensor

    init(_ names: BlockNames, context: NetworkContext) {
        self.context = context
        reduceWeight = context.parameter("\(names.squeeze).reduce.weight")
        reduceBias = context.parameter("\(names.squeeze).reduce.bias")
        expandWeight = context.parameter("\(names.squeeze).expand.weight")
        expandBias = context.parameter("\(names.squeeze).expand.bias")
        let nothing = Storage(count: 0).all
        (pooled, hidden, before, gate) = (nothing, nothing, nothing, nothing)
    }

    /// Computes the gate of act(y * scale + shift).
    func forward(_ y: FeatureMap, map: ChannelMap, hiddenWidth: Int) {
        let backend = context.backend, images = y.images, channels = y.channels
        pooled = context.workspace.take(images * channels)
        hidden = context.workspace.take(images * hiddenWidth)
        before = context.workspace.take(images * hiddenWidth)
        gate = context.workspace.take(images * channels)
        backend.mean(y, map: map, output: pooled)
        backend.dense(
            pooled, count: images,
            weight: context.slice(reduceWeight, rows: hiddenWidth, columns: channels),
            bias: context.tensor(reduceBias), output: hidden)
        backend.activate(hidden, .relu, keep: before)
        backend.dense(
            hidden, count: images,
            weight: context.slice(expandWeight, rows: channels, columns: hiddenWidth),
            bias: context.tensor(expandBias), output: gate)
        backend.hardSigmoid(gate)
    }

    /// With d the gradient of the gated map, returns what each position adds through the mean: (images, channels).
    func backward(_ d: FeatureMap, y: FeatureMap, map: ChannelMap, hiddenWidth: Int) -> Tensor {
        let backend = context.backend, images = y.images, channels = y.channels
        let dgate = context.workspace.take(images * channels)
        let dhidden = context.workspace.take(images * hiddenWidth)
        let context = self.context
        context.touch(reduceWeight, reduceBias, expandWeight, expandBias)
        backend.gateGradient(d, y: y, map: map, output: dgate)
        backend.hardSigmoidGradient(dgate, gate: gate)
        backend.denseGradient(
            dgate, input: hidden, count: images,
            weight: context.slice(expandWeight, rows: channels, columns: hiddenWidth),
            inputGradient: dhidden,
            weightGradient: {
                context.gradientSlice(
                    self.expandWeight, rows: channels, columns: hiddenWidth, thread: $0)
            },
            biasGradient: { context.gradient(self.expandBias, thread: $0) })
        backend.activateGradient(dhidden, before: before, .relu)
        backend.denseGradient(
            dhidden, input: pooled, count: images,
            weight: context.slice(reduceWeight, rows: hiddenWidth, columns: channels),
            inputGradient: dgate,
            weightGradient: {
                context.gradientSlice(
                    self.reduceWeight, rows: hiddenWidth, columns: channels, thread: $0)
            },
            biasGradient: { context.gradient(self.reduceBias, thread: $0) })
        backend.scale(dgate, by: 1 / Float(y.pixels))
        return dgate
    }
}

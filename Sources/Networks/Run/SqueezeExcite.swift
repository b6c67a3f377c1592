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

    /// Memory for the means by image and channel, the input of `forward`.
    func takePooled(images: Int, channels: Int) -> Tensor {
        pooled = context.workspace.take(images * channels)
        return pooled
    }

    /// Computes the gate from the means.
    func forward(images: Int, channels: Int, hiddenWidth: Int) {
        let backend = context.backend
        hidden = context.workspace.take(images * hiddenWidth)
        before = context.workspace.take(images * hiddenWidth)
        gate = context.workspace.take(images * channels)
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

    /// Given the gate's gradient `dgate` (images, channels), which is overwritten, returns the
    /// gradient of the mean, to be added at every position: (images, channels).
    func backward(_ dgate: Tensor, pixels: Int, images: Int, channels: Int, hiddenWidth: Int)
        -> Tensor
    {
        let backend = context.backend
        let dhidden = context.workspace.take(images * hiddenWidth)
        context.touch(reduceWeight)
        context.touch(reduceBias)
        context.touch(expandWeight)
        context.touch(expandBias)
        backend.hardSigmoidGradient(dgate, gate: gate)
        backend.denseGradient(
            dgate, input: hidden, count: images,
            weight: context.slice(expandWeight, rows: channels, columns: hiddenWidth),
            inputGradient: dhidden,
            weightGradient: context.gradientSlice(
                expandWeight, rows: channels, columns: hiddenWidth),
            biasGradient: context.gradient(expandBias))
        backend.activateGradient(dhidden, before: before, .relu)
        backend.denseGradient(
            dhidden, input: pooled, count: images,
            weight: context.slice(reduceWeight, rows: hiddenWidth, columns: channels),
            inputGradient: dgate,
            weightGradient: context.gradientSlice(
                reduceWeight, rows: hiddenWidth, columns: channels),
            biasGradient: context.gradient(reduceBias))
        backend.scale(dgate, by: 1 / Float(pixels))
        return dgate
    }
}

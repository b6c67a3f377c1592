// Squeeze-and-excite (Hu et al., CVPR 2018) in the form of the published spaces: mean, 1x1 convolution, ReLU, 1x1
// convolution, hard sigmoid.

import Tensors

/// Computes the gate of one block. The numbers of channels and of hidden units depend on the active expand ratio.
final class SqueezeExcite {
    private let reduceWeight, reduceBias, expandWeight, expandBias: ParameterLayout.Parameter
    private unowned let context: NetworkContext
    private var pooled, hidden, before: Tensor
    /// The gate (images, channels), valid after `forward`.
    private(set) var gate: Tensor

    init(_ names: BlockNames, context: NetworkContext) {
        self.context = context
        reduceWeight = context.parameter("\(names.squeeze).reduce.weight")
        reduceBias = context.parameter("\(names.squeeze).reduce.bias")
        expandWeight = context.parameter("\(names.squeeze).expand.weight")
        expandBias = context.parameter("\(names.squeeze).expand.bias")
        let nothing = context.engine.storage(0).all
        (pooled, hidden, before, gate) = (nothing, nothing, nothing, nothing)
    }

    /// Returns memory for the mean of each image and channel, which `forward` reads.
    func takePooled(images: Int, channels: Int) -> Tensor {
        pooled = context.workspace.take(images * channels)
        return pooled
    }

    /// Computes the gate from the means, which the caller has written to the memory that `takePooled` returned.
    func forward(images: Int, channels: Int, hiddenWidth: Int) {
        let engine = context.engine
        hidden = context.workspace.take(images * hiddenWidth)
        before = context.workspace.take(images * hiddenWidth)
        gate = context.workspace.take(images * channels)
        engine.dense(
            pooled, count: images,
            weight: context.slice(reduceWeight, rows: hiddenWidth, columns: channels),
            bias: context.tensor(reduceBias), output: hidden)
        engine.activate(hidden, .relu, keep: before)
        engine.dense(
            hidden, count: images,
            weight: context.slice(expandWeight, rows: channels, columns: hiddenWidth),
            bias: context.tensor(expandBias), output: gate)
        engine.hardSigmoid(gate)
    }

    /// Returns the gradient (images, channels) that reaches the feature map through its mean; the caller adds this
    /// gradient at every position. `dgate` (images, channels), the gate's gradient, is overwritten.
    func backward(_ dgate: Tensor, pixels: Int, images: Int, channels: Int, hiddenWidth: Int)
        -> Tensor
    {
        let engine = context.engine
        let dhidden = context.workspace.take(images * hiddenWidth)
        context.touch(reduceWeight)
        context.touch(reduceBias)
        context.touch(expandWeight)
        context.touch(expandBias)
        engine.hardSigmoidGradient(dgate, gate: gate)
        engine.denseGradient(
            dgate, input: hidden, count: images,
            weight: context.slice(expandWeight, rows: channels, columns: hiddenWidth),
            inputGradient: dhidden,
            weightGradient: context.gradientSlice(
                expandWeight, rows: channels, columns: hiddenWidth),
            biasGradient: context.gradient(expandBias))
        engine.activateGradient(dhidden, before: before, .relu)
        engine.denseGradient(
            dhidden, input: pooled, count: images,
            weight: context.slice(reduceWeight, rows: hiddenWidth, columns: channels),
            inputGradient: dgate,
            weightGradient: context.gradientSlice(
                reduceWeight, rows: hiddenWidth, columns: channels),
            biasGradient: context.gradient(reduceBias))
        engine.scale(dgate, by: 1 / Float(pixels))
        return dgate
    }
}

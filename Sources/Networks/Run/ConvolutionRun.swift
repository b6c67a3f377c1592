// A convolution, batch norm and activation. A 1×1 convolution runs as a product over rows; convolutions with larger
// kernels run as dense convolutions.

import Tensors

/// Runs the layer: the convolution writes its output, and the next layer applies the norm and the activation, unless
/// both are folded into the convolution.
final class ConvolutionRun: RunningLayer {
    private let weight: ParameterLayout.Parameter
    private let norm: NormLayer
    /// Whether the layer's input is the image, whose gradient is not needed.
    private let isFirst: Bool
    private let context: NetworkContext
    private var tape: (layer: Layer.Convolution, input: LayerInput, output: FeatureMap)?

    init(_ widest: Layer.Convolution, isFirst: Bool, _ context: NetworkContext) {
        let names = widest.names(context.weights.layout.naming)
        weight = context.parameter(names.weight)
        norm = NormLayer(names.norm, context)
        self.isFirst = isFirst
        self.context = context
    }

    func forward(_ input: LayerInput, _ layer: Layer, _ pass: ForwardPass) -> LayerInput {
        guard case .convolution(let conv) = layer else { preconditionFailure("no convolution") }
        let output = pass.output(
            conv.outSize, conv.outWidth, besides: input.raw, input.plus?.values,
            format: context.mapFormat)
        let end = norm.end(channels: conv.outWidth, conv.activation)
        let sums =
            conv.kernel == 1
            ? context.engine.pointwise(
                input.raw, map: input.map, plus: input.plus,
                weight: context.slice(weight, rows: conv.outWidth, columns: conv.inWidth),
                output: output, end: end)
            : context.engine.convolution(
                input.raw, map: input.map, plus: input.plus,
                weight: context.filters(weight, outputs: conv.outWidth, inputs: conv.inWidth),
                stride: conv.stride, output: output, end: end)
        tape = context.keepsTape ? (conv, input, output) : nil
        if norm.isFolded { return LayerInput(output) }
        norm.finish(sums, channels: conv.outWidth, rows: output.rows)
        var result = LayerInput(output, norm: norm, conv.activation)
        result.takesPooledGradient = true
        return result
    }

    func backward(_ upstream: Upstream, _ room: GradientRoom) -> Upstream? {
        guard let (conv, input, _) = tape else { preconditionFailure("backward needs a tape") }
        context.touch(weight)
        let dinput = isFirst ? nil : room.free(besides: upstream, like: input.raw)
        let sums: ChannelSums
        if let dinput, conv.kernel == 1 {
            sums = context.engine.pointwiseGradient(
                upstream, norm: norm.state.gradient, input: input.raw, map: input.map,
                plus: input.plus,
                weight: context.slice(weight, rows: conv.outWidth, columns: conv.inWidth),
                inputGradient: dinput, accumulate: false, sums: input.gradientSums,
                weightGradient: context.gradientSlice(
                    weight, rows: conv.outWidth, columns: conv.inWidth))
        } else {
            sums = context.engine.convolutionGradient(
                upstream, norm: norm.state.gradient, input: input.raw, map: input.map,
                plus: input.plus,
                weight: context.filters(weight, outputs: conv.outWidth, inputs: conv.inWidth),
                stride: conv.stride, inputGradient: dinput, sums: input.gradientSums,
                weightGradient: context.gradientFilters(
                    weight, outputs: conv.outWidth, inputs: conv.inWidth))
        }
        guard let dinput else { return nil }
        input.finishGradient(sums)
        return input.upstream(dinput)
    }
}

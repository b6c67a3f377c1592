// x + act(norm(conv x)): the second layer of ResNet50's stem. The next layer applies norm and activation and adds x,
// unless the norm is folded into the convolution.

import Tensors

/// A convolution of unchanged width and size, whose output is added to its input.
final class ResidualConvolutionRun: RunningLayer {
    private let weight: ParameterLayout.Parameter
    private let norm: NormLayer
    private let context: NetworkContext
    private var tape: (layer: Layer.ResidualConvolution, input: LayerInput, x: MappedMap)?

    init(_ widest: Layer.ResidualConvolution, _ context: NetworkContext) {
        let names = widest.names(context.weights.layout.naming)
        weight = context.parameter(names.weight)
        norm = NormLayer(names.norm, context)
        self.context = context
    }

    func forward(_ input: LayerInput, _ layer: Layer, _ pass: ForwardPass) -> LayerInput {
        guard case .residualConvolution(let conv) = layer else {
            preconditionFailure("no residual convolution")
        }
        // The next layer adds x and can add only one feature map. So if x is a sum that is still pending, the sum is
        // computed here.
        let x = context.withoutSkip(input, pass)
        let output = pass.output(conv.size, conv.width, besides: x.values)
        let sums = context.engine.convolution(
            x.values, map: x.map,
            weight: context.filters(weight, outputs: conv.width, inputs: conv.width), stride: 1,
            output: output,
            end: norm.end(
                channels: conv.width, conv.activation, residual: norm.isFolded ? x.values : nil))
        tape = context.keepsTape ? (conv, input, x) : nil
        if norm.isFolded { return LayerInput(output) }
        norm.finish(sums, channels: conv.width, rows: output.rows)
        return LayerInput(output, norm: norm, conv.activation, plus: x)
    }

    func backward(_ upstream: Upstream, _ room: GradientRoom) -> Upstream? {
        guard let (conv, input, x) = tape, let d = upstream.d else {
            preconditionFailure("backward needs a tape and a gradient")
        }
        context.touch(weight)
        let dinput = room.free(besides: upstream, like: x.values)
        let isWritten = input.plus != nil
        let sums = context.engine.convolutionGradient(
            upstream, norm: norm.state.gradient, input: x.values, map: x.map,
            weight: context.filters(weight, outputs: conv.width, inputs: conv.width), stride: 1,
            inputGradient: dinput, add: d, sums: isWritten ? .none : input.gradientSums,
            weightGradient: context.gradientFilters(
                weight, outputs: conv.width, inputs: conv.width))
        if isWritten { return context.upstream(dinput, at: input) }
        input.finishGradient(sums)
        return input.upstream(dinput)
    }
}

// Max pooling and global average pooling.

import Tensors

/// Max pooling over 3×3 windows with stride 2.
final class MaxPoolingRun: RunningLayer {
    private let context: NetworkContext
    private var tape: (input: LayerInput, map: ChannelMap, values: FeatureMap)?

    init(_ context: NetworkContext) { self.context = context }

    func forward(_ input: LayerInput, _ layer: Layer, _ pass: ForwardPass) -> LayerInput {
        guard case .maxPooling(let pooling) = layer else { preconditionFailure("no pooling") }
        let isWritten = input.plus != nil
        let values =
            isWritten
            ? context.written(input) {
                pass.output(pooling.inSize, pooling.width, besides: input.raw, input.plus?.values)
            } : input.raw
        let map = isWritten ? ChannelMap.identity : input.map
        let output = pass.output(pooling.outSize, pooling.width, besides: values)
        context.engine.maxPooling(values, map: map, output: output)
        tape = context.keepsTape ? (input, map, values) : nil
        return LayerInput(output)
    }

    func backward(_ upstream: Upstream, _ room: GradientRoom) -> Upstream? {
        guard let (input, map, values) = tape, let d = upstream.d else {
            preconditionFailure("backward needs a tape and a gradient")
        }
        let dinput = room.free(besides: upstream, like: values), isWritten = input.plus != nil
        let sums = context.engine.maxPoolingGradient(
            d, input: values, map: map, inputGradient: dinput,
            sums: isWritten ? .none : input.gradientSums)
        if isWritten { return context.upstream(dinput, at: input) }
        input.finishGradient(sums)
        return input.upstream(dinput)
    }
}

/// Global average pooling; its output is a 1×1 map.
final class MeanPoolingRun: RunningLayer {
    private let context: NetworkContext
    private var tape: (input: LayerInput, map: ChannelMap, values: FeatureMap)?

    init(_ context: NetworkContext) { self.context = context }

    func forward(_ input: LayerInput, _ layer: Layer, _ pass: ForwardPass) -> LayerInput {
        guard case .meanPooling(let pooling) = layer else { preconditionFailure("no pooling") }
        let isWritten = input.plus != nil
        let values =
            isWritten
            ? context.written(input) {
                pass.output(pooling.inSize, pooling.width, besides: input.raw, input.plus?.values)
            } : input.raw
        let map = isWritten ? ChannelMap.identity : input.map
        let output = pass.output(1, pooling.width, besides: values)
        context.engine.mean(values, map: map, output: output.tensor)
        tape = context.keepsTape ? (input, map, values) : nil
        return LayerInput(output)
    }

    func backward(_ upstream: Upstream, _ room: GradientRoom) -> Upstream? {
        guard let (input, map, values) = tape, let d = upstream.d else {
            preconditionFailure("backward needs a tape and a gradient")
        }
        guard let norm = input.norm, input.takesPooledGradient else {
            let dinput = room.free(besides: upstream, like: values)
            context.engine.meanPoolingGradient(
                d, size: values.height, inputGradient: dinput, accumulate: false)
            return input.isPlain ? Upstream(dinput, y: values) : context.upstream(dinput, at: input)
        }
        // Every position of an image has the same gradient, so the gradient is not materialised as
        // a map.
        context.engine.scale(d.tensor, by: 1 / Float(values.pixels))
        let result = Upstream(nil, y: values, map: map, meanGradient: d.tensor)
        input.finishGradient(context.engine.gradientSums(result, center: norm.state.mean))
        return result
    }
}

// Max pooling and global average pooling.

import Tensors

/// Max pooling over 3×3 windows with stride 2.
final class MaxPoolingRun: RunningLayer {
    private let context: NetworkContext
    private var tape: (input: LayerInput, map: ChannelMap, values: FeatureMap)?

    init(_ context: NetworkContext) { self.context = context }

    func reserve(_ layer: Layer, images: Int, training: Bool) {
        context.backend.reserve(.sums(channels: layer.outWidth, images: images))
    }

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
        context.backend.maxPooling(values, map: map, output: output)
        tape = context.keepsTape ? (input, map, values) : nil
        return LayerInput(output)
    }

    func backward(_ upstream: Upstream, _ room: GradientRoom) -> Upstream? {
        guard let (input, map, values) = tape, let d = upstream.d else {
            preconditionFailure("backward needs a tape and a gradient")
        }
        let dinput = room.free(besides: d, like: values), isWritten = input.plus != nil
        let sums = context.backend.maxPoolingGradient(
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

    func reserve(_ layer: Layer, images: Int, training: Bool) {
        context.backend.reserve(.sums(channels: layer.outWidth, images: images))
    }

    func forward(_ input: LayerInput, _ layer: Layer, _ pass: ForwardPass) -> LayerInput {
        guard case .meanPooling(let pooling) = layer else { preconditionFailure("no pooling") }
        let isWritten = input.plus != nil
        let values =
            isWritten
            ? context.written(input) {
                pass.workspace.map(
                    images: pass.images, size: pooling.inSize, channels: pooling.width)
            } : input.raw
        let map = isWritten ? ChannelMap.identity : input.map
        let output = pass.workspace.map(images: pass.images, size: 1, channels: pooling.width)
        context.backend.mean(values, map: map, output: output.tensor)
        tape = context.keepsTape ? (input, map, values) : nil
        return LayerInput(output)
    }

    func backward(_ upstream: Upstream, _ room: GradientRoom) -> Upstream? {
        guard let (input, map, values) = tape, let d = upstream.d else {
            preconditionFailure("backward needs a tape and a gradient")
        }
        guard let norm = input.norm, input.takesPooledGradient else {
            let dinput = room.free(besides: nil, like: values)
            context.backend.meanPoolingGradient(
                d, size: values.height, inputGradient: dinput, accumulate: false)
            return input.isPlain ? Upstream(dinput, y: values) : context.upstream(dinput, at: input)
        }
        // Every position of an image has the same gradient, so it is not materialised as a map.
        context.backend.scale(d.tensor, by: 1 / Float(values.pixels))
        let result = Upstream(nil, y: values, map: map, spread: d.tensor)
        input.finishGradient(context.backend.gradientSums(result, center: norm.state.mean))
        return result
    }
}

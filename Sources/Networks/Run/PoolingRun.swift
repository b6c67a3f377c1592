// Max pooling and global average pooling.

import Tensors

/// Max pooling over 3×3 windows with stride 2.
final class MaxPoolingRun: RunningLayer {
    private let context: NetworkContext
    private var tape: (input: LayerInput, x: MappedMap)?

    init(_ context: NetworkContext) { self.context = context }

    func forward(_ input: LayerInput, _ layer: Layer, _ pass: ForwardPass) -> LayerInput {
        guard case .maxPooling(let pooling) = layer else { preconditionFailure("no pooling") }
        let x = context.withoutSkip(input, pass)
        let output = pass.output(pooling.outSize, pooling.width, besides: x.values)
        context.engine.maxPooling(x.values, map: x.map, output: output)
        tape = context.keepsTape ? (input, x) : nil
        return LayerInput(output)
    }

    func backward(_ upstream: Upstream, _ room: GradientRoom) -> Upstream? {
        guard let (input, x) = tape, let d = upstream.d else {
            preconditionFailure("backward needs a tape and a gradient")
        }
        let dinput = room.free(besides: upstream, like: x.values), isWritten = input.plus != nil
        let sums = context.engine.maxPoolingGradient(
            d, input: x.values, map: x.map, inputGradient: dinput,
            sums: isWritten ? .none : input.gradientSums)
        if isWritten { return context.upstream(dinput, at: input) }
        input.finishGradient(sums)
        return input.upstream(dinput)
    }
}

/// Global average pooling; its output is a 1×1 map.
final class MeanPoolingRun: RunningLayer {
    private let context: NetworkContext
    private var tape: (input: LayerInput, x: MappedMap)?

    init(_ context: NetworkContext) { self.context = context }

    func forward(_ input: LayerInput, _ layer: Layer, _ pass: ForwardPass) -> LayerInput {
        guard case .meanPooling(let pooling) = layer else { preconditionFailure("no pooling") }
        let x = context.withoutSkip(input, pass)
        let output = pass.output(1, pooling.width, besides: x.values)
        context.engine.mean(x.values, map: x.map, output: output.tensor)
        tape = context.keepsTape ? (input, x) : nil
        return LayerInput(output)
    }

    func backward(_ upstream: Upstream, _ room: GradientRoom) -> Upstream? {
        guard let (input, x) = tape, let d = upstream.d else {
            preconditionFailure("backward needs a tape and a gradient")
        }
        guard let norm = input.norm, input.takesPooledGradient else {
            let dinput = room.free(besides: upstream, like: x.values, format: .float32)
            context.engine.meanPoolingGradient(
                d, size: x.values.height, inputGradient: dinput, accumulate: false)
            return input.isPlain
                ? Upstream(dinput, y: x.values) : context.upstream(dinput, at: input)
        }
        // Every position of an image has the same gradient, so the gradient is not written as a map.
        context.engine.scale(d.tensor, by: 1 / Float(x.values.pixels))
        let result = Upstream(nil, y: x.values, map: x.map, meanGradient: d.tensor)
        input.finishGradient(context.engine.gradientSums(result, center: norm.state.mean))
        return result
    }
}

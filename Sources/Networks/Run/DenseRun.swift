// A linear layer on pooled features, with the dropout before it and the activation after it.

import Tensors

/// A linear layer; its input and output are 1×1 maps.
final class DenseRun: RunningLayer {
    private let weight: ParameterLayout.Parameter
    private let bias: ParameterLayout.Parameter?
    private let context: NetworkContext
    private var tape: Tape?

    private struct Tape {
        let layer: Layer.Dense
        let input: LayerInput
        /// `before` is the output before the activation, nil without an activation; `factors` are the dropout factors
        /// of the input, nil without dropout.
        let before, factors: Tensor?
    }

    init(_ widest: Layer.Dense, _ context: NetworkContext) {
        let prefix = widest.prefix(context.weights.layout.naming)
        weight = context.parameter("\(prefix).weight")
        bias = widest.hasBias ? context.parameter("\(prefix).bias") : nil
        self.context = context
    }

    func forward(_ input: LayerInput, _ layer: Layer, _ pass: ForwardPass) -> LayerInput {
        guard case .dense(let dense) = layer else { preconditionFailure("no dense layer") }
        let engine = context.engine, workspace = pass.workspace, count = pass.images
        var factors: Tensor?
        if dense.hasDropout, context.keepsTape, let dropout = pass.dropout, dropout.rate > 0 {
            let drawn = workspace.take(count * dense.inWidth)
            dropout.draw(into: drawn, images: count, engine)
            engine.scale(input.raw.tensor, by: drawn)
            factors = drawn
        }
        let output = pass.output(1, dense.outWidth, besides: input.raw)
        engine.dense(
            input.raw.tensor, count: count,
            weight: context.slice(weight, rows: dense.outWidth, columns: dense.inWidth),
            bias: bias.map { context.tensor($0) }, output: output.tensor)
        var before: Tensor?
        if dense.activation != .identity {
            before = workspace.take(output.tensor.count)
            engine.activate(output.tensor, dense.activation, keep: before)
        }
        tape =
            context.keepsTape
            ? Tape(layer: dense, input: input, before: before, factors: factors) : nil
        return LayerInput(output)
    }

    func backward(_ upstream: Upstream, _ room: GradientRoom) -> Upstream? {
        guard let tape, let d = upstream.d else {
            preconditionFailure("backward needs a tape and a gradient")
        }
        let dense = tape.layer, input = tape.input.raw
        context.touch(weight)
        if let bias { context.touch(bias) }
        if let before = tape.before {
            context.engine.activateGradient(d.tensor, before: before, dense.activation)
        }
        let dinput = room.free(besides: upstream, like: input)
        context.engine.denseGradient(
            d.tensor, input: input.tensor, count: d.images,
            weight: context.slice(weight, rows: dense.outWidth, columns: dense.inWidth),
            inputGradient: dinput.tensor,
            weightGradient: context.gradientSlice(
                weight, rows: dense.outWidth, columns: dense.inWidth),
            biasGradient: bias.map { context.gradient($0) })
        if let factors = tape.factors { context.engine.scale(dinput.tensor, by: factors) }
        return Upstream(dinput, y: input)
    }
}

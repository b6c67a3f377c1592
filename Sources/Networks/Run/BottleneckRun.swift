// A bottleneck block: convolutions of 1×1, 3×3 (with the stride) and 1×1, plus a shortcut, then the activation. The
// operators that read the output of an inner convolution apply its norm. The final sum is written to memory, because an
// activation follows it.

import Tensors

/// A bottleneck block; every pass gives its widths and its size.
final class BottleneckRun: RunningLayer {
    /// A convolution's weight and its norm.
    private struct Unit {
        let weight: ParameterLayout.Parameter
        let norm: NormLayer

        init(_ names: UnitNames, _ context: NetworkContext) {
            weight = context.parameter(names.weight)
            norm = NormLayer(names.norm, context)
        }
    }

    private struct Tape {
        let layer: Layer.Bottleneck
        let input: LayerInput
        /// The input as one map; the outputs of the three convolutions before their norms; the output.
        let x, reduced, filtered, expanded, output: FeatureMap
        /// The pooled input, and the output of the shortcut's convolution before its norm; nil if the shortcut is the
        /// input itself.
        let shortcut: (pooled: FeatureMap, written: FeatureMap)?
    }

    private let reduce, filter, expand: Unit
    private let downsample: Unit?
    private let context: NetworkContext
    private var tape: Tape?

    init(_ widest: Layer.Bottleneck, _ context: NetworkContext) {
        let names = BottleneckNames(widest, context.weights.layout.naming)
        reduce = Unit(names.reduce, context)
        filter = Unit(names.filter, context)
        expand = Unit(names.expand, context)
        downsample = widest.hasDownsample ? Unit(names.downsample, context) : nil
        self.context = context
    }

    func forward(_ input: LayerInput, _ layer: Layer, _ pass: ForwardPass) -> LayerInput {
        guard case .bottleneck(let block) = layer else { preconditionFailure("no bottleneck") }
        let workspace = pass.workspace, images = pass.images, middle = block.middleWidth
        let x = context.written(input) {
            workspace.map(images: images, size: block.inSize, channels: block.inWidth)
        }
        let output = pass.output(block.outSize, block.outWidth, besides: x)
        let reduced = workspace.map(images: images, size: block.inSize, channels: middle)
        let first = pointwise(
            reduce, MappedMap(x), output: reduced, block.activation, inputs: block.inWidth)
        let filtered = workspace.map(images: images, size: block.outSize, channels: middle)
        let sums = context.engine.convolution(
            reduced, map: first.map,
            weight: context.filters(filter.weight, outputs: middle, inputs: middle),
            stride: block.stride, output: filtered,
            end: filter.norm.end(channels: middle, block.activation))
        let second = finished(filter, sums, filtered, block.activation)
        let expanded = workspace.map(images: images, size: block.outSize, channels: block.outWidth)
        let third = pointwise(expand, second, output: expanded, .identity, inputs: middle)
        var side = MappedMap(x), shortcut: (FeatureMap, FeatureMap)?
        if let downsample {
            var pooled = x
            if block.stride > 1 {
                pooled = workspace.map(images: images, size: block.outSize, channels: block.inWidth)
                context.engine.meanPooling(x, size: block.stride, output: pooled)
            }
            let written = workspace.map(
                images: images, size: block.outSize, channels: block.outWidth)
            side = pointwise(
                downsample, MappedMap(pooled), output: written, .identity, inputs: block.inWidth)
            shortcut = (pooled, written)
        }
        context.engine.sumActivated(third, side, activation: block.activation, output: output)
        tape =
            context.keepsTape
            ? Tape(
                layer: block, input: input, x: x, reduced: reduced, filtered: filtered,
                expanded: expanded, output: output, shortcut: shortcut) : nil
        return LayerInput(output)
    }

    /// Runs a 1×1 convolution and its norm. Returns the output and the `ChannelMap` (norm and activation) that
    /// operators apply when they read the output; the map is the identity if the norm was folded into the convolution.
    private func pointwise(
        _ unit: Unit, _ input: MappedMap, output: FeatureMap, _ activation: Activation, inputs: Int
    ) -> MappedMap {
        let sums = context.engine.pointwise(
            input.values, map: input.map,
            weight: context.slice(unit.weight, rows: output.channels, columns: inputs),
            output: output, end: unit.norm.end(channels: output.channels, activation))
        return finished(unit, sums, output, activation)
    }

    private func finished(
        _ unit: Unit, _ sums: ChannelSums, _ output: FeatureMap, _ activation: Activation
    ) -> MappedMap {
        if unit.norm.isFolded { return MappedMap(output) }
        unit.norm.finish(sums, channels: output.channels, rows: output.rows)
        return MappedMap(output, map: unit.norm.state.map(activation))
    }

    func backward(_ upstream: Upstream, _ room: GradientRoom) -> Upstream? {
        guard let tape, let dout = upstream.d else {
            preconditionFailure("backward needs a tape and a gradient")
        }
        let block = tape.layer, engine = context.engine, workspace = context.workspace
        // The gradient goes through the final activation and the sum.
        let sums = engine.sumActivatedGradient(
            dout, output: tape.output, activation: block.activation,
            a: (tape.expanded, expand.norm.state.mean),
            b: tape.shortcut.flatMap { shortcut in
                downsample.map { (shortcut.written, $0.norm.state.mean) }
            }, gradient: dout)
        expand.norm.finishGradient(sums.a, channels: block.outWidth, rows: tape.expanded.rows)
        if let downsample {
            downsample.norm.finishGradient(
                sums.b, channels: block.outWidth, rows: tape.expanded.rows)
        }
        let dfiltered = workspace.map(
            images: dout.images, size: block.outSize, channels: block.middleWidth)
        pointwiseBack(
            expand, Upstream(dout, y: tape.expanded), input: tape.filtered,
            filter.norm.state.map(block.activation), to: dfiltered,
            sums: .slope(center: filter.norm.state.mean), finishing: filter.norm)
        let dreduced = filterBack(dfiltered, tape)
        let first = Upstream(
            dreduced, y: tape.reduced, map: reduce.norm.state.map(block.activation))
        guard let shortcut = tape.shortcut, let downsample else {
            pointwiseBack(reduce, first, input: tape.x, to: dout, adds: true)
            return context.upstream(dout, at: tape.input)
        }
        let dx = room.free(besides: upstream, like: tape.x)
        pointwiseBack(reduce, first, input: tape.x, to: dx)
        let side = Upstream(dout, y: shortcut.written)
        if block.stride == 1 {
            pointwiseBack(downsample, side, input: tape.x, to: dx, adds: true)
        } else {
            let dpooled = workspace.map(
                images: dout.images, size: block.outSize, channels: block.inWidth)
            pointwiseBack(downsample, side, input: shortcut.pooled, to: dpooled)
            engine.meanPoolingGradient(
                dpooled, size: block.stride, inputGradient: dx, accumulate: true)
        }
        return context.upstream(dx, at: tape.input)
    }

    /// Returns the gradient at the 3×3 convolution's input, given `dfiltered`, the gradient at its
    /// output.
    private func filterBack(_ dfiltered: FeatureMap, _ tape: Tape) -> FeatureMap {
        let block = tape.layer, middle = block.middleWidth
        context.touch(filter.weight)
        let dreduced = context.workspace.map(
            images: dfiltered.images, size: block.inSize, channels: middle)
        let sums = context.engine.convolutionGradient(
            Upstream(dfiltered, y: tape.filtered, map: filter.norm.state.map(block.activation)),
            norm: filter.norm.state.gradient, input: tape.reduced,
            map: reduce.norm.state.map(block.activation),
            weight: context.filters(filter.weight, outputs: middle, inputs: middle),
            stride: block.stride, inputGradient: dreduced,
            sums: .slope(center: reduce.norm.state.mean),
            weightGradient: context.gradientFilters(filter.weight, outputs: middle, inputs: middle))
        reduce.norm.finishGradient(sums, channels: middle, rows: dreduced.rows)
        return dreduced
    }

    /// Writes the input gradient of a 1×1 convolution to `dinput` or, with `adds`, adds it to `dinput`. Then finishes
    /// the gradient of `norm`, if given.
    private func pointwiseBack(
        _ unit: Unit, _ upstream: Upstream, input: FeatureMap, _ map: ChannelMap = .identity,
        to dinput: FeatureMap, adds: Bool = false, sums wanted: GradientSums = .none,
        finishing norm: NormLayer? = nil
    ) {
        context.touch(unit.weight)
        let (rows, columns) = (upstream.y.channels, input.channels)
        let sums = context.engine.pointwiseGradient(
            upstream, norm: unit.norm.state.gradient, input: input, map: map,
            weight: context.slice(unit.weight, rows: rows, columns: columns),
            inputGradient: dinput, accumulate: adds, sums: wanted,
            weightGradient: context.gradientSlice(unit.weight, rows: rows, columns: columns))
        norm?.finishGradient(sums, channels: dinput.channels, rows: dinput.rows)
    }
}

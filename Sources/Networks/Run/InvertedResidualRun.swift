// An inverted residual block: expand 1x1, depthwise, squeeze-and-excite, project 1x1, identity skip.
//
// The tape stores the convolutions' outputs before their norms: the next operator normalises and
// activates while it reads, forward and backward, so no activated copy is written. The same holds
// for the block's end: the next layer applies its norm and skip.

import Tensors

/// An elastic block; widths, kernel and size come with each pass.
final class InvertedResidualRun: RunningLayer {
    private let expandWeight: ParameterLayout.Parameter?
    private let projectWeight: ParameterLayout.Parameter
    private let expandNorm: NormLayer?
    private let depthwiseNorm, projectNorm: NormLayer
    private let kernel: ElasticKernel
    private let squeeze: SqueezeExcite?
    private unowned let context: NetworkContext
    /// The tape of the last forward pass.
    private var tape: Tape?

    private struct Tape {
        let shape: Layer.InvertedResidual
        let input: LayerInput
        let expanded, filtered, projected: FeatureMap
    }

    init(_ widest: Layer.InvertedResidual, _ context: NetworkContext) {
        self.context = context
        let naming = context.weights.layout.naming, names = BlockNames(widest, naming)
        expandWeight = widest.hasExpansion ? context.parameter(names.expand.weight) : nil
        expandNorm = widest.hasExpansion ? NormLayer(names.expand.norm, context) : nil
        projectWeight = context.parameter(names.project.weight)
        depthwiseNorm = NormLayer(names.depthwise.norm, context)
        projectNorm = NormLayer(names.project.norm, context)
        kernel = ElasticKernel(
            names, sizes: naming.isSupernet ? widest.kernelSizes : [widest.kernel],
            context: context)
        squeeze = widest.seHidden == nil ? nil : SqueezeExcite(names, context: context)
    }

    func reserve(_ layer: Layer, images: Int, training: Bool) {
        guard case .invertedResidual(let block) = layer else { return }
        let backend = context.backend, middle = block.middleWidth
        if training { kernel.reserveGradients() }
        backend.reserve(.sums(channels: max(middle, block.outWidth), images: images))
        if let hidden = block.seHidden {
            backend.reserve(.dense(middle, hidden, count: images))
        }
        backend.reserve(
            .depthwise(
                size: block.inSize, channels: middle, kernel: block.kernel, stride: block.stride,
                gradient: training))
        if block.hasExpansion {
            backend.reserve(.pointwise(block.inWidth, middle, gradient: training))
        }
        backend.reserve(.pointwise(middle, block.outWidth, gradient: training))
    }

    /// The block's output. If the input is also the skip and is not plain, it is materialised on
    /// the way.
    func forward(_ input: LayerInput, _ layer: Layer, _ pass: ForwardPass) -> LayerInput {
        guard case .invertedResidual(let shape) = layer else { preconditionFailure("no block") }
        let settled =
            shape.hasSkip && input.plus != nil
            ? pass.output(
                shape.inSize, shape.inWidth, besides: input.raw, input.plus?.values) : nil
        let output = pass.output(shape.outSize, shape.outWidth, besides: input.raw, settled)
        let backend = context.backend, workspace = context.workspace
        let images = input.raw.images, middle = shape.middleWidth, folded = depthwiseNorm.isFolded
        var (expanded, map) = (input.raw, input.map)
        if let expandWeight, let expandNorm {
            expanded = workspace.map(images: images, size: shape.inSize, channels: middle)
            let sums = backend.pointwise(
                input.raw, map: input.map, plus: input.plus, settled: settled,
                weight: context.slice(expandWeight, rows: middle, columns: shape.inWidth),
                output: expanded, end: expandNorm.end(channels: middle, shape.activation))
            map = .identity
            if !folded {
                expandNorm.finish(sums, channels: middle, rows: expanded.rows)
                map = expandNorm.state.map(shape.activation)
            }
        } else {
            precondition(input.plus == nil, "a block without expansion follows one with a skip")
        }
        backend.timed("elasticKernel") {
            kernel.activate(kernel: shape.kernel, channels: middle)
        }
        let filtered = workspace.map(images: images, size: shape.outSize, channels: middle)
        let pooled = squeeze?.takePooled(images: images, channels: middle)
        let filteredSums = backend.depthwise(
            expanded, map: map, filter: kernel.filter(shape.kernel, middle), kernel: shape.kernel,
            stride: shape.stride, output: filtered,
            end: depthwiseNorm.end(channels: middle, shape.activation, mean: pooled))
        var filteredMap = ChannelMap.identity
        if !folded {
            depthwiseNorm.finish(filteredSums, channels: middle, rows: filtered.rows)
            filteredMap = depthwiseNorm.state.map(shape.activation)
            if let pooled { backend.mean(filtered, map: filteredMap, output: pooled) }
        }
        if let squeeze, let hidden = shape.seHidden {
            squeeze.forward(images: images, channels: middle, hiddenWidth: hidden)
        }
        let projectedSums = backend.pointwise(
            filtered, map: filteredMap, gate: squeeze?.gate,
            weight: context.slice(projectWeight, rows: shape.outWidth, columns: middle),
            output: output,
            end: projectNorm.end(
                channels: shape.outWidth, .identity, residual: shape.hasSkip ? input.raw : nil))
        tape =
            context.keepsTape
            ? Tape(
                shape: shape, input: input, expanded: expanded, filtered: filtered,
                projected: output) : nil
        if folded { return LayerInput(output) }
        projectNorm.finish(projectedSums, channels: shape.outWidth, rows: output.rows)
        let skip = settled.map { MappedMap($0) } ?? MappedMap(input.raw, map: input.map)
        return LayerInput(
            output, norm: projectNorm, .identity, plus: shape.hasSkip ? skip : nil)
    }

    /// The gradient at the block's input, given that at its output, from the last forward pass. The
    /// layer that made `dout` has finished the gradient of the projection's norm; this one finishes
    /// that of the input's norm. The result overwrites `dout` if there is a skip and an expansion,
    /// else the other buffer; the workspace may be rewound afterwards.
    func backward(_ upstream: Upstream, _ room: GradientRoom) -> Upstream? {
        guard let tape, let dout = upstream.d else {
            preconditionFailure("backward needs a tape and a gradient")
        }
        let shape = tape.shape, middle = shape.middleWidth, context = self.context
        let backend = context.backend, workspace = context.workspace, images = dout.images
        let dfiltered = workspace.map(images: images, size: shape.outSize, channels: middle)
        let (gate, spread, filteredSums) = projectionBackward(dout, tape, dfiltered: dfiltered)
        depthwiseNorm.finishGradient(filteredSums, channels: middle, rows: dfiltered.rows)

        let isFirst = expandNorm == nil
        let dexpanded =
            isFirst
            ? room.free(besides: dout, like: tape.input.raw)
            : workspace.map(images: images, size: shape.inSize, channels: middle)
        let dfilter = kernel.clearedGradient(kernel: shape.kernel, channels: middle)
        let sums = backend.depthwiseGradient(
            Upstream(
                dfiltered, y: tape.filtered, map: depthwiseNorm.state.map(shape.activation),
                gate: gate, spread: spread),
            norm: depthwiseNorm.state.gradient, input: tape.expanded,
            map: expandNorm?.state.map(shape.activation) ?? tape.input.map,
            filter: kernel.filter(shape.kernel, middle),
            kernel: shape.kernel, stride: shape.stride,
            // Without an expansion this is the input's gradient, and the skip's gradient goes to
            // the same norm.
            add: isFirst && shape.hasSkip ? dout : nil, inputGradient: dexpanded,
            center: (expandNorm ?? tape.input.norm)?.state.mean,
            filterGradient: dfilter)
        if let expandNorm {
            expandNorm.finishGradient(sums, channels: middle, rows: dexpanded.rows)
        } else {
            tape.input.finishGradient(sums)
        }
        backend.timed("elasticKernelGradient") {
            kernel.finishGradient(dfilter, kernel: shape.kernel, channels: middle)
        }
        // Without an expansion the depthwise gradient already includes the activation before the
        // block.
        if isFirst { return Upstream(dexpanded, y: tape.input.raw) }
        return tape.input.upstream(expansionBackward(dexpanded, dout, tape, room))
    }

    /// From the gradient at the block's output to that of the gated map, in `dfiltered`; returns
    /// the gate, the gradient through its mean (added at every position), and the sums for the
    /// depthwise norm.
    private func projectionBackward(_ dout: FeatureMap, _ tape: Tape, dfiltered: FeatureMap) -> (
        gate: Tensor?, spread: Tensor?, sums: ChannelSums
    ) {
        let shape = tape.shape, middle = shape.middleWidth, context = self.context
        let backend = context.backend, images = dout.images
        let upstream = Upstream(dout, y: tape.projected)
        context.touch(projectWeight)
        let center = depthwiseNorm.state.mean
        let five = squeeze.map { _ in context.workspace.take(5 * images * middle) }
        let sums = backend.pointwiseGradient(
            upstream, norm: projectNorm.state.gradient, input: tape.filtered,
            map: depthwiseNorm.state.map(shape.activation), gate: squeeze?.gate,
            weight: context.slice(projectWeight, rows: shape.outWidth, columns: middle),
            inputGradient: dfiltered, accumulate: false,
            sums: five.map { .gate(center: center, $0) } ?? .slope(center: center),
            weightGradient: context.gradientSlice(
                projectWeight, rows: shape.outWidth, columns: middle))
        guard let squeeze, let hidden = shape.seHidden, let five else { return (nil, nil, sums) }
        let spread = squeeze.backward(
            five.slice(0, images * middle), pixels: dfiltered.pixels, images: images,
            channels: middle, hiddenWidth: hidden)
        let gated = backend.gradientSums(
            five: five, gate: squeeze.gate, spread: spread, images: images, channels: middle)
        return (squeeze.gate, spread, gated)
    }

    /// From the gradient at the expansion's norm to that at the block's input.
    private func expansionBackward(
        _ dexpanded: FeatureMap, _ dout: FeatureMap, _ tape: Tape, _ room: GradientRoom
    ) -> FeatureMap {
        let shape = tape.shape, middle = shape.middleWidth, context = self.context
        guard let expandWeight, let expandNorm else { return dexpanded }
        context.touch(expandWeight)
        // With a skip the gradient at the output is also a gradient at the input: the product is
        // added in place.
        let dinput =
            shape.hasSkip
            ? dout : room.free(besides: dout, like: tape.input.raw)
        let sums = context.backend.pointwiseGradient(
            Upstream(dexpanded, y: tape.expanded), norm: expandNorm.state.gradient,
            input: tape.input.raw, map: tape.input.map, plus: tape.input.plus,
            weight: context.slice(expandWeight, rows: middle, columns: shape.inWidth),
            inputGradient: dinput, accumulate: shape.hasSkip, sums: tape.input.gradientSums,
            weightGradient: context.gradientSlice(
                expandWeight, rows: middle, columns: shape.inWidth))
        tape.input.finishGradient(sums)
        return dinput
    }

    /// Writes the depthwise filter of `shape`, (channels, kernel * kernel), derived by its
    /// transform matrices.
    func bakeFilter(_ shape: Layer.InvertedResidual, into target: Tensor) {
        kernel.activate(kernel: shape.kernel, channels: shape.middleWidth)
        context.backend.transpose(
            kernel.filter(shape.kernel, shape.middleWidth), rows: shape.kernel * shape.kernel,
            columns: shape.middleWidth, output: target)
    }
}

// An inverted residual block: expand 1x1, depthwise, squeeze-and-excite, project 1x1, identity skip.
//
// For the backward pass, the tape stores the outputs of the convolutions before their norms. The next operator applies
// norm and activation while it reads such an output, forward and backward, so no normalised copy is written. Likewise,
// the layer after the block applies the last norm and adds the skip.

import Tensors

/// An inverted residual block; every pass gives its widths, its kernel and its size.
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

    /// Allocates the memory for the gradient of the active filter.
    func reserveGradients() { kernel.reserveGradient() }

    /// Returns the block's output. If the block has a skip and the input is a sum still to be computed, the expansion
    /// also writes the input to memory.
    func forward(_ input: LayerInput, _ layer: Layer, _ pass: ForwardPass) -> LayerInput {
        guard case .invertedResidual(let shape) = layer else { preconditionFailure("no block") }
        let format = context.mapFormat
        let inputCopy =
            shape.hasSkip && input.plus != nil
            ? pass.output(
                shape.inSize, shape.inWidth, besides: input.raw, input.plus?.values, format: format)
            : nil
        let output = pass.output(
            shape.outSize, shape.outWidth, besides: input.raw, inputCopy, format: format)
        let engine = context.engine, workspace = context.workspace
        let images = input.raw.images, middle = shape.middleWidth, folded = depthwiseNorm.isFolded
        var (expanded, map) = (input.raw, input.map)
        if let expandWeight, let expandNorm {
            expanded = workspace.map(
                images: images, size: shape.inSize, channels: middle, format: format)
            let sums = engine.pointwise(
                input.raw, map: input.map, plus: input.plus, inputCopy: inputCopy,
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
        engine.timed("elasticKernel") {
            kernel.activate(kernel: shape.kernel, channels: middle)
        }
        let filtered = workspace.map(
            images: images, size: shape.outSize, channels: middle, format: format)
        let pooled = squeeze?.takePooled(images: images, channels: middle)
        let filteredSums = engine.depthwise(
            expanded, map: map, filter: kernel.filter(shape.kernel, middle), kernel: shape.kernel,
            stride: shape.stride, output: filtered,
            end: depthwiseNorm.end(channels: middle, shape.activation, mean: pooled))
        var filteredMap = ChannelMap.identity
        if !folded {
            depthwiseNorm.finish(filteredSums, channels: middle, rows: filtered.rows)
            filteredMap = depthwiseNorm.state.map(shape.activation)
            if let pooled { engine.mean(filtered, map: filteredMap, output: pooled) }
        }
        if let squeeze, let hidden = shape.seHidden {
            squeeze.forward(images: images, channels: middle, hiddenWidth: hidden)
        }
        let projectedSums = engine.pointwise(
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
        let skip = inputCopy.map { MappedMap($0) } ?? MappedMap(input.raw, map: input.map)
        return LayerInput(
            output, norm: projectNorm, .identity, plus: shape.hasSkip ? skip : nil)
    }

    /// Returns the gradient at the block's input, given `upstream`, the gradient at its output. The layer that computed
    /// `upstream` has finished the gradient of the projection's norm; this block finishes the gradient of the input's
    /// norm. With a skip and an expansion, the result overwrites the map of `upstream`; otherwise the result is in the
    /// other gradient buffer. The result does not lie in the workspace, so the caller may rewind the workspace.
    func backward(_ upstream: Upstream, _ room: GradientRoom) -> Upstream? {
        guard let tape, let dout = upstream.d else {
            preconditionFailure("backward needs a tape and a gradient")
        }
        let shape = tape.shape, middle = shape.middleWidth, context = self.context
        let engine = context.engine, workspace = context.workspace, images = dout.images
        let dfiltered = workspace.map(
            images: images, size: shape.outSize, channels: middle, format: tape.filtered.format)
        let (gate, meanGradient, filteredSums) = projectionBackward(
            dout, tape, dfiltered: dfiltered)
        depthwiseNorm.finishGradient(filteredSums, channels: middle, rows: dfiltered.rows)

        let isFirst = expandNorm == nil
        let dexpanded =
            isFirst
            ? room.free(besides: upstream, like: tape.input.raw)
            : workspace.map(
                images: images, size: shape.inSize, channels: middle, format: tape.filtered.format)
        let dfilter = kernel.clearedGradient(kernel: shape.kernel, channels: middle)
        let sums = engine.depthwiseGradient(
            Upstream(
                dfiltered, y: tape.filtered, map: depthwiseNorm.state.map(shape.activation),
                gate: gate, meanGradient: meanGradient),
            norm: depthwiseNorm.state.gradient, input: tape.expanded,
            map: expandNorm?.state.map(shape.activation) ?? tape.input.map,
            filter: kernel.filter(shape.kernel, middle),
            kernel: shape.kernel, stride: shape.stride,
            // Without an expansion, `dexpanded` is the gradient at the block's input, to which a skip adds `dout`.
            add: isFirst && shape.hasSkip ? dout : nil, inputGradient: dexpanded,
            center: (expandNorm ?? tape.input.norm)?.state.mean,
            filterGradient: dfilter)
        if let expandNorm {
            expandNorm.finishGradient(sums, channels: middle, rows: dexpanded.rows)
        } else {
            tape.input.finishGradient(sums)
        }
        engine.timed("elasticKernelGradient") {
            kernel.finishGradient(dfilter, kernel: shape.kernel, channels: middle)
        }
        // Without an expansion, `dexpanded` already includes the derivative of the activation before the block.
        if isFirst { return Upstream(dexpanded, y: tape.input.raw) }
        return tape.input.upstream(expansionBackward(dexpanded, upstream, tape, room))
    }

    /// Writes the gradient of the gated map to `dfiltered`, given `dout`, the gradient at the block's output. Returns
    /// the gate, the gradient of the gate's input, and the sums for the depthwise norm. The gate's input is the mean of
    /// the map, so its gradient is to be added at every position. Without squeeze-and-excite, gate and gradient are
    /// nil.
    private func projectionBackward(_ dout: FeatureMap, _ tape: Tape, dfiltered: FeatureMap) -> (
        gate: Tensor?, meanGradient: Tensor?, sums: ChannelSums
    ) {
        let shape = tape.shape, middle = shape.middleWidth, context = self.context
        let engine = context.engine, images = dout.images
        let upstream = Upstream(dout, y: tape.projected)
        context.touch(projectWeight)
        let center = depthwiseNorm.state.mean
        let gateSums = squeeze.map { _ in context.workspace.take(5 * images * middle) }
        let sums = engine.pointwiseGradient(
            upstream, norm: projectNorm.state.gradient, input: tape.filtered,
            map: depthwiseNorm.state.map(shape.activation), gate: squeeze?.gate,
            weight: context.slice(projectWeight, rows: shape.outWidth, columns: middle),
            inputGradient: dfiltered, accumulate: false,
            sums: gateSums.map { .gate(center: center, $0) } ?? .slope(center: center),
            weightGradient: context.gradientSlice(
                projectWeight, rows: shape.outWidth, columns: middle))
        guard let squeeze, let hidden = shape.seHidden, let gateSums else {
            return (nil, nil, sums)
        }
        let meanGradient = squeeze.backward(
            gateSums.slice(0, images * middle), pixels: dfiltered.pixels, images: images,
            channels: middle, hiddenWidth: hidden)
        let gated = engine.gradientSums(
            gateSums: gateSums, gate: squeeze.gate, meanGradient: meanGradient, images: images,
            channels: middle)
        return (squeeze.gate, meanGradient, gated)
    }

    /// Returns the gradient at the block's input, given `dexpanded`, the gradient at the
    /// expansion's output.
    private func expansionBackward(
        _ dexpanded: FeatureMap, _ upstream: Upstream, _ tape: Tape, _ room: GradientRoom
    ) -> FeatureMap {
        let shape = tape.shape, middle = shape.middleWidth, context = self.context
        guard let expandWeight, let expandNorm, let dout = upstream.d else { return dexpanded }
        context.touch(expandWeight)
        // With a skip, the gradient `dout` also reaches the block's input. So the gradient through the
        // expansion is added to `dout` in place.
        let dinput =
            shape.hasSkip
            ? dout : room.free(besides: upstream, like: tape.input.raw)
        let sums = context.engine.pointwiseGradient(
            Upstream(dexpanded, y: tape.expanded), norm: expandNorm.state.gradient,
            input: tape.input.raw, map: tape.input.map, plus: tape.input.plus,
            weight: context.slice(expandWeight, rows: middle, columns: shape.inWidth),
            inputGradient: dinput, accumulate: shape.hasSkip, sums: tape.input.gradientSums,
            weightGradient: context.gradientSlice(
                expandWeight, rows: middle, columns: shape.inWidth))
        tape.input.finishGradient(sums)
        return dinput
    }
}

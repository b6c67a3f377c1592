// One block of the MobileNetV3 family: expand 1x1, depthwise, squeeze-and-excite, project 1x1, identity skip.
//
// What is stored are the convolutions' outputs before their norms: whoever reads them normalises and activates on
// the way in, forward and backward, so that no activated copy is ever written. That holds for the block's end too: its
// norm and its skip are the next block's to apply.

import Tensors

/// An elastic block; widths, kernel and size come with each pass.
final class InvertedResidual {
    private let expandWeight: ParameterLayout.Parameter?
    private let projectWeight: ParameterLayout.Parameter
    private let expandNorm: NormLayer?
    private let depthwiseNorm, projectNorm: NormLayer
    private let kernel: ElasticKernel
    private let squeeze: SqueezeExcite?
    private unowned let context: NetworkContext
    /// What the last forward pass left for backward.
    private var tape: Tape?

    private struct Tape {
        let shape: NetworkShape.Block
        let input: BlockInput
        let expanded, filtered, projected: FeatureMap
    }

    init(_ widest: NetworkShape.Block, position: Int, kernelSizes: [Int], context: NetworkContext) {
        self.context = context
        let names = BlockNames(widest, position: position, context.weights.layout.naming)
        expandWeight = widest.hasExpansion ? context.parameter(names.expand.weight) : nil
        expandNorm = widest.hasExpansion ? NormLayer(names.expand.norm, context) : nil
        projectWeight = context.parameter(names.project.weight)
        depthwiseNorm = NormLayer(names.depthwise.norm, context)
        projectNorm = NormLayer(names.project.norm, context)
        kernel = ElasticKernel(
            names, sizes: widest.stage == nil ? [widest.kernel] : kernelSizes, context: context)
        squeeze = widest.seHidden == nil ? nil : SqueezeExcite(names, context: context)
    }

    /// Floats that a forward pass takes from the workspace, without its output and its settled input.
    static func forwardFloats(_ shape: NetworkShape.Block, images: Int) -> Int {
        func map(_ size: Int, _ width: Int) -> Int {
            Workspace.rounded(images * size * size * width)
        }
        var floats = map(shape.outSize, shape.middleWidth)
        if shape.hasExpansion { floats += map(shape.inSize, shape.middleWidth) }
        if let hidden = shape.seHidden {
            floats += 2 * map(1, shape.middleWidth) + 2 * map(1, hidden)
        }
        return floats
    }

    /// Floats that a backward pass takes on top.
    static func backwardFloats(_ shape: NetworkShape.Block, images: Int) -> Int {
        func map(_ size: Int, _ width: Int) -> Int {
            Workspace.rounded(images * size * size * width)
        }
        var floats = map(shape.outSize, shape.middleWidth)
        if shape.hasExpansion { floats += map(shape.inSize, shape.middleWidth) }
        if let hidden = shape.seHidden { floats += map(1, 5 * shape.middleWidth) + map(1, hidden) }
        return floats
    }

    /// Whether the input has to be written down on the way, because it is the skip and more than one map.
    static func settles(_ input: BlockInput, _ shape: NetworkShape.Block) -> Bool {
        shape.hasSkip && input.plus != nil
    }

    /// Makes room for the gradient of the active filter.
    func reserveGradients() { kernel.reserveGradients() }

    /// The block's output: its projection is written to `output`, and where `settles` says so its input to `settled`.
    func forward(
        _ input: BlockInput, _ shape: NetworkShape.Block, output: FeatureMap, settled: FeatureMap?
    ) -> BlockInput {
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
        if folded { return BlockInput(output) }
        projectNorm.finish(projectedSums, channels: shape.outWidth, rows: output.rows)
        let skip = settled.map { MappedMap($0) } ?? MappedMap(input.raw, map: input.map)
        return BlockInput(
            output, norm: projectNorm, .identity, plus: shape.hasSkip ? skip : nil)
    }

    /// The gradient at the block's input, given that at its output, from the last forward pass. The gradient of the
    /// projection's norm has been finished by whoever made `dout`, as that of the input's norm is finished here.
    ///
    /// It is written over `dout` where there is a skip and an expansion, else to `other`; the workspace may be
    /// rewound afterwards.
    func backward(_ dout: FeatureMap, other: Tensor) -> FeatureMap {
        guard let tape else {
            preconditionFailure("backward needs a forward pass that keeps its tape")
        }
        let shape = tape.shape, middle = shape.middleWidth, context = self.context
        let backend = context.backend, workspace = context.workspace, images = dout.images
        let dfiltered = workspace.map(images: images, size: shape.outSize, channels: middle)
        let (gate, spread, filteredSums) = projectionBackward(dout, tape, dfiltered: dfiltered)
        depthwiseNorm.finishGradient(filteredSums, channels: middle, rows: dfiltered.rows)

        let isFirst = expandNorm == nil
        let dexpanded =
            isFirst
            ? FeatureMap(
                other, images: images, height: shape.inSize, width: shape.inSize, channels: middle)
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
            // Without an expansion this is the input's gradient, and the skip's reaches the same norm.
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
        return expansionBackward(dexpanded, dout, tape, other: other)
    }

    /// From the gradient at the block's output to that of the gated map, in `dfiltered`; returns the gate, what each
    /// position adds through it, and the sums for the depthwise norm.
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
        _ dexpanded: FeatureMap, _ dout: FeatureMap, _ tape: Tape, other: Tensor
    ) -> FeatureMap {
        let shape = tape.shape, middle = shape.middleWidth, context = self.context
        guard let expandWeight, let expandNorm else { return dexpanded }
        context.touch(expandWeight)
        // With a skip the gradient at the output is also one at the input: the product is added to it in place.
        let dinput =
            shape.hasSkip
            ? dout
            : FeatureMap(
                other, images: dout.images, height: shape.inSize, width: shape.inSize,
                channels: shape.inWidth)
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

    /// Writes the depthwise filter of `shape`, (channels, kernel * kernel), as its transforms make it.
    func bakeFilter(_ shape: NetworkShape.Block, into target: Tensor) {
        kernel.activate(kernel: shape.kernel, channels: shape.middleWidth)
        context.backend.transpose(
            kernel.filter(shape.kernel, shape.middleWidth), rows: shape.kernel * shape.kernel,
            columns: shape.middleWidth, output: target)
    }
}

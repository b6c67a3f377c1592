// Depthwise convolutions, forward and backward.

import CKernels

extension CPUEngine {
    /// Computes output = end(depthwise(act(input * scale + shift))), where `end` is the epilogue and the padding is
    /// kernel / 2. `filter` is (kernel * kernel, channels). Returns the sums that `end` asks for.
    @discardableResult
    public func depthwise(
        _ input: FeatureMap, map: ChannelMap, filter: Tensor, kernel: Int, stride: Int,
        output: FeatureMap, end: ConvolutionEnd
    ) -> ChannelSums {
        let geometry = windows(
            "depthwise", input, output, kernel: kernel, stride: stride)
        reserve(.depthwise(geometry))
        precondition(end.residual == nil, "depthwise takes no residual")
        return withSums(
            "depthwise", flops: 2 * output.count * kernel * kernel,
            floats: input.tensor.count + output.tensor.count, channels: output.channels,
            images: input.images
        ) { thread, images, sums in
            var mine = geometry
            mine.images = Int32(images.count)
            let first = images.lowerBound
            var last = end.part(offset: 0, mean: first * output.channels, sums: sums)
            kernels.depthwise(
                mine, input.source(image: first), map.affine, filter.pointer, end.factor,
                output.target(image: first), &last, scratch[thread].base)
        }
    }

    /// Computes the gradients of `depthwise` followed by a batch norm. Adds the filter's gradient to `filterGradient`
    /// (kernel * kernel, channels). Writes the gradient with respect to input * scale + shift: inputGradient = (dx +
    /// add) * act'(input * scale + shift), where dx is the gradient through the convolution and `add` is the gradient
    /// from other paths. If `center` is given, returns the sums of `inputGradient` and of inputGradient * (input -
    /// center).
    @discardableResult
    public func depthwiseGradient(
        _ upstream: Upstream, norm: NormGradient, input: FeatureMap, map: ChannelMap,
        filter: Tensor, kernel: Int, stride: Int, add: FeatureMap? = nil,
        inputGradient: FeatureMap, center: Tensor?,
        filterGradient: Tensor
    ) -> ChannelSums {
        let geometry = windows(
            "depthwiseGradient", input, upstream.y, kernel: kernel, stride: stride)
        reserve(.depthwise(geometry, gradient: true))
        let taps = kernel * kernel
        let filters = MatrixSlice(
            filterGradient, rows: taps, columns: input.channels, stride: input.channels)
        let found = withSums(
            "depthwiseGradient", flops: 4 * upstream.y.count * kernel * kernel,
            floats: (add == nil ? 2 : 3) * input.tensor.count + 2 * upstream.y.tensor.count,
            channels: input.channels, images: input.images
        ) { thread, images, sums in
            var mine = geometry
            mine.images = Int32(images.count)
            let first = images.lowerBound
            var from = upstream.part(image: first, norm: norm)
            kernels.depthwise_gradient(
                mine, &from, input.source(image: first), map.affine, filter.pointer,
                add?.source(image: first) ?? ofa_map(),
                inputGradient.target(image: first), center?.pointer, center == nil ? nil : sums,
                partial(of: filters, thread: thread).pointer, scratch[thread].base)
        }
        addPartials(to: filters, images: input.images)
        return found
    }

    /// Returns the geometry of windows with padding kernel / 2. Traps if the sizes of the maps do
    /// not match.
    func windows(
        _ name: String, _ input: FeatureMap, _ output: FeatureMap, kernel: Int, stride: Int
    ) -> ofa_depthwise {
        precondition(
            output.height == (input.height - 1) / stride + 1
                && output.width == (input.width - 1) / stride + 1
                && output.channels == input.channels && [3, 5, 7].contains(kernel)
                && [1, 2].contains(stride),
            "\(name) \(kernel)x\(kernel) stride \(stride):"
                + " \(input.height)x\(input.width)x\(input.channels) does not give"
                + " \(output.height)x\(output.width)x\(output.channels)")
        return ofa_depthwise(
            images: Int32(input.images), height: Int32(input.height), width: Int32(input.width),
            channels: Int32(input.channels), out_height: Int32(output.height),
            out_width: Int32(output.width), kernel: Int32(kernel), stride: Int32(stride))
    }
}

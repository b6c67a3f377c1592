// Pointwise, depthwise and first convolutions, forward and backward.
//
// Pointwise: rows are cut into blocks that stay in cache; a block is normalised and activated into scratch,
// multiplied by a slice of the weights in place (leading dimension), and its sums are taken while it is hot.

import CKernels

extension Backend {
    /// output = (act(input * scale + shift) * gate) · weightᵀ. `weight` is (out, in); `gate` is (images, in).
    ///
    /// With `center` (out channels), leaves the sums of output - center and of its square for `normalise`.
    public func pointwise(
        _ input: FeatureMap, map: ChannelMap = .identity, gate: Tensor? = nil, weight: MatrixSlice,
        output: FeatureMap, center: Tensor?
    ) {
        let inputs = input.channels, outputs = output.channels, pixels = input.pixels
        check("pointwise", weight, rows: outputs, columns: inputs)
        withSums(channels: outputs, images: input.images) { thread, images, sums in
            eachBlock(images, pixels: pixels, floats: inputs + outputs, wholeImages: gate != nil) {
                image, first, rows in
                let from = input.pointer(image: image) + first * inputs
                let to = output.pointer(image: image) + first * outputs
                let ready = prepared(
                    from, rows: rows, pixels: pixels, channels: inputs, map: map,
                    gate: gate.map { $0.pointer + image * inputs }, scratch: scratch[thread].base)
                gemm(
                    false, true, rows, outputs, inputs, ready, inputs, weight.tensor.pointer,
                    weight.stride, 0, to, outputs)
                if let center {
                    kernels.moments(to, Int64(rows), Int32(outputs), center.pointer, sums)
                }
            }
        }
    }

    /// Gradients of `pointwise` followed by a batch norm: with dy = norm(g, y), adds dyᵀ · input to the weight
    /// gradient of each thread and writes (or, with `accumulate`, adds) dy · weight to `inputGradient`.
    ///
    /// `g` and `y` are (rows, out): the gradient after the norm and the norm's input. Without `norm`, dy = g.
    public func pointwiseGradient(
        _ g: FeatureMap, y: FeatureMap, norm: NormGradient?, input: FeatureMap,
        map: ChannelMap = .identity,
        gate: Tensor? = nil, weight: MatrixSlice, inputGradient: FeatureMap?, accumulate: Bool,
        weightGradient: (_ thread: Int) -> MatrixSlice
    ) {
        let inputs = input.channels, outputs = g.channels, pixels = input.pixels
        check("pointwiseGradient", weight, rows: outputs, columns: inputs)
        forEachShare(input.images) { thread, images in
            let dweight = weightGradient(thread)
            eachBlock(
                images, pixels: pixels, floats: 2 * inputs + outputs, wholeImages: gate != nil
            ) { image, first, rows in
                let scratch = scratch[thread].base
                var dy = UnsafePointer(g.pointer(image: image) + first * outputs)
                if let norm {
                    let block = scratch + rows * inputs
                    kernels.norm_gradient(
                        dy, y.pointer(image: image) + first * outputs, Int64(rows), Int32(outputs),
                        norm.map, block)
                    dy = UnsafePointer(block)
                }
                let ready = prepared(
                    input.pointer(image: image) + first * inputs, rows: rows, pixels: pixels,
                    channels: inputs,
                    map: map, gate: gate.map { $0.pointer + image * inputs }, scratch: scratch)
                gemm(
                    true, false, outputs, inputs, rows, dy, outputs, ready, inputs, 1,
                    dweight.tensor.pointer, dweight.stride)
                if let inputGradient {
                    gemm(
                        false, false, rows, inputs, outputs, dy, outputs, weight.tensor.pointer,
                        weight.stride,
                        accumulate ? 1 : 0, inputGradient.pointer(image: image) + first * inputs,
                        inputs)
                }
            }
        }
    }

    /// output = depthwise(act(input * scale + shift)), padding kernel / 2. `filter` is (kernel * kernel, channels).
    public func depthwise(
        _ input: FeatureMap, map: ChannelMap, filter: Tensor, kernel: Int, stride: Int,
        output: FeatureMap,
        center: Tensor?
    ) {
        let geometry = depthwiseGeometry(input, output, kernel: kernel, stride: stride)
        withSums(channels: output.channels, images: input.images) { thread, images, sums in
            var mine = geometry
            mine.images = Int32(images.count)
            kernels.depthwise(
                mine, input.pointer(image: images.lowerBound), map.affine, filter.pointer,
                output.pointer(image: images.lowerBound), center?.pointer,
                center == nil ? nil : sums,
                scratch[thread].base)
        }
    }

    /// Gradients of `depthwise` followed by a batch norm, with dy = norm(g, y). Adds to each thread's
    /// `filterGradient` (kernel * kernel, channels) and writes the gradient at the input's batch norm:
    /// inputGradient = dx * act'(input * scale + shift), leaving its sums about `center` for `normGradient`.
    public func depthwiseGradient(
        _ g: FeatureMap, y: FeatureMap, norm: NormGradient, input: FeatureMap, map: ChannelMap,
        filter: Tensor,
        kernel: Int, stride: Int, inputGradient: FeatureMap, center: Tensor?,
        filterGradient: (_ thread: Int) -> Tensor
    ) {
        let geometry = depthwiseGeometry(input, g, kernel: kernel, stride: stride)
        withSums(channels: input.channels, images: input.images) { thread, images, sums in
            var mine = geometry
            mine.images = Int32(images.count)
            let first = images.lowerBound
            kernels.depthwise_gradient(
                mine, g.pointer(image: first), y.pointer(image: first), norm.map,
                input.pointer(image: first),
                map.affine, filter.pointer, inputGradient.pointer(image: first), center?.pointer,
                center == nil ? nil : sums, filterGradient(thread).pointer, scratch[thread].base)
        }
    }

    /// output = dense convolution with padding kernel / 2; `weight` is (out, in * kernel * kernel), as stored.
    public func convolution(
        _ input: FeatureMap, weight: Tensor, kernel: Int, stride: Int, output: FeatureMap,
        center: Tensor?
    ) {
        let depth = input.channels * kernel * kernel, outputs = output.channels
        withSums(channels: outputs, images: input.images) { thread, images, sums in
            eachPatchBlock(input, output, kernel, stride, images, thread) {
                image, row, rows, patches in
                let count = rows * output.width
                let to = output.pointer(image: image) + row * output.width * outputs
                gemm(
                    false, true, count, outputs, depth, patches, depth, weight.pointer, depth, 0,
                    to, outputs)
                if let center {
                    kernels.moments(to, Int64(count), Int32(outputs), center.pointer, sums)
                }
            }
        }
    }

    /// Adds the weight gradient of `convolution` followed by a batch norm to each thread's array.
    public func convolutionGradient(
        _ g: FeatureMap, y: FeatureMap, norm: NormGradient, input: FeatureMap, kernel: Int,
        stride: Int,
        weightGradient: (_ thread: Int) -> Tensor
    ) {
        let depth = input.channels * kernel * kernel, outputs = g.channels
        forEachShare(input.images) { thread, images in
            let dweight = weightGradient(thread)
            eachPatchBlock(input, g, kernel, stride, images, thread) { image, row, rows, patches in
                let count = rows * g.width, first = row * g.width * outputs
                let dy = patches + count * depth
                kernels.norm_gradient(
                    g.pointer(image: image) + first, y.pointer(image: image) + first, Int64(count),
                    Int32(outputs),
                    norm.map, dy)
                gemm(
                    true, false, outputs, depth, count, dy, outputs, patches, depth, 1,
                    dweight.pointer, depth)
            }
        }
    }

    /// Makes room in every thread's scratch for passes over maps of these shapes; called before a step, never in one.
    public func reserve(depthwise input: (size: Int, channels: Int), kernel: Int, stride: Int) {
        let out = Int32((input.size - 1) / stride + 1), size = Int32(input.size)
        let geometry = ofa_depthwise(
            images: 1, height: size, width: size, channels: Int32(input.channels), out_height: out,
            out_width: out,
            kernel: Int32(kernel), stride: Int32(stride))
        reserveScratch(Int(ofa_depthwise_scratch(geometry)))
    }

    /// Makes room for pointwise blocks between maps of these widths.
    public func reserve(pointwise inputs: Int, _ outputs: Int, pixels: Int) {
        let floats = 2 * inputs + outputs
        reserveScratch(max(Self.blockRows(floats), pixels) * floats)
    }

    /// Makes room for the patches of a dense convolution.
    public func reserve(convolution inputs: Int, _ outputs: Int, kernel: Int, outputWidth: Int) {
        let floats = inputs * kernel * kernel + outputs
        reserveScratch(max(Self.blockRows(floats), outputWidth) * floats)
    }

    // MARK: - Blocks

    /// Cuts the rows of `images` into blocks. Without `wholeImages` a block may span images (rows are alike);
    /// with it, a block is part of one image or several whole ones, because each image has its own gate.
    @inline(__always)
    private func eachBlock(
        _ images: Range<Int>, pixels: Int, floats: Int, wholeImages: Bool,
        _ body: (_ image: Int, _ first: Int, _ rows: Int) -> Void
    ) {
        let most = Self.blockRows(floats)
        if wholeImages {
            let together = max(1, most / pixels)
            for image in stride(from: images.lowerBound, to: images.upperBound, by: together) {
                body(image, 0, min(together, images.upperBound - image) * pixels)
            }
            return
        }
        let rows = images.count * pixels
        for first in stride(from: 0, to: rows, by: most) {
            body(images.lowerBound, first, min(most, rows - first))
        }
    }

    /// The block itself where the map is the identity, else its normalised copy in scratch.
    @inline(__always)
    private func prepared(
        _ from: UnsafeMutablePointer<Float>, rows: Int, pixels: Int, channels: Int, map: ChannelMap,
        gate: UnsafeMutablePointer<Float>?, scratch: UnsafeMutablePointer<Float>
    ) -> UnsafePointer<Float> {
        if map.scale == nil && gate == nil { return UnsafePointer(from) }
        if let gate {
            kernels.affine(
                from, Int32(rows / pixels), Int32(pixels), Int32(channels), map.affine, gate, nil,
                scratch)
        } else {
            kernels.affine(from, 1, Int32(rows), Int32(channels), map.affine, nil, nil, scratch)
        }
        return UnsafePointer(scratch)
    }

    @inline(__always)
    private func eachPatchBlock(
        _ input: FeatureMap, _ output: FeatureMap, _ kernel: Int, _ stride: Int,
        _ images: Range<Int>, _ thread: Int,
        _ body: (_ image: Int, _ row: Int, _ rows: Int, _ patches: UnsafeMutablePointer<Float>) ->
            Void
    ) {
        let floats = (input.channels * kernel * kernel + output.channels) * output.width
        let most = max(1, Self.blockRows(floats / output.width) / output.width)
        let patches = scratch[thread].base
        for image in images {
            for row in Swift.stride(from: 0, to: output.height, by: most) {
                let rows = min(most, output.height - row)
                ofa_patches(
                    input.pointer(image: image), Int32(input.height), Int32(input.width),
                    Int32(input.channels),
                    Int32(kernel), Int32(stride), Int32(row), Int32(rows), Int32(output.width),
                    patches)
                body(image, row, rows, patches)
            }
        }
    }

    private func depthwiseGeometry(
        _ input: FeatureMap, _ output: FeatureMap, kernel: Int, stride: Int
    ) -> ofa_depthwise {
        precondition(
            output.height == (input.height - 1) / stride + 1
                && output.width == (input.width - 1) / stride + 1
                && output.channels == input.channels && [3, 5, 7].contains(kernel)
                && [1, 2].contains(stride),
            "depthwise \(kernel)x\(kernel) stride \(stride): \(input.height)x\(input.width)x\(input.channels)"
                + " does not give \(output.height)x\(output.width)x\(output.channels)")
        return ofa_depthwise(
            images: Int32(input.images), height: Int32(input.height), width: Int32(input.width),
            channels: Int32(input.channels), out_height: Int32(output.height),
            out_width: Int32(output.width),
            kernel: Int32(kernel), stride: Int32(stride))
    }

    private func check(_ name: String, _ weight: MatrixSlice, rows: Int, columns: Int) {
        precondition(
            weight.rows == rows && weight.columns == columns,
            "\(name): weight is \(weight.rows)x\(weight.columns), the maps say \(rows)x\(columns)")
    }
}

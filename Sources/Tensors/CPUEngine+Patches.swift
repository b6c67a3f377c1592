// Convolves an image by im2col and one product per block of output rows. An image has few channels, so a row of im2col
// is short although it holds the values of all taps.

import CKernels

extension CPUEngine {
    /// Computes `convolution` by im2col, for inputs with few channels such as images.
    func patchConvolution(
        _ input: FeatureMap, _ blocks: ConvolutionBlocks, weight: FilterSlice, output: FeatureMap,
        end: ConvolutionEnd
    ) -> ChannelSums {
        reserve(.patches(blocks))
        let depth = blocks.inputs * blocks.taps, outputs = blocks.outputs
        reorder(weight)
        pack(
            ordered.base, depthStride: 1, columnStride: depth, depth: depth, columns: outputs,
            factor: end.factor)
        return withSums(
            "convolution", flops: 2 * output.rows * outputs * depth,
            floats: input.tensor.count + output.tensor.count, channels: outputs,
            images: input.images
        ) { thread, images, sums in
            let all = images.count * output.pixels * outputs
            eachPatchBlock(input, output, blocks, images, thread) { image, row, rows, patches in
                let count = rows * output.width
                let offset = (image * output.pixels + row * output.width) * outputs
                var end = end.part(offset: offset, sums: sums)
                let isFloat = output.format == .float32
                let through =
                    isFloat ? output.tensor.pointer + offset : patches + count * depth
                kernels.product(
                    patches, Int64(depth), Int32(count), Int32(depth), packed.base,
                    Int32(outputs), through, Int64(outputs), &end, nil)
                if !isFloat {
                    kernels.write_out(
                        through, Int64(count * outputs), Int64(all), output.target(at: offset))
                }
            }
        }
    }

    /// Computes the weight gradient of a `convolution` of images. The images themselves need no gradient.
    func patchGradient(
        _ upstream: Upstream, norm: NormGradient?, input: FeatureMap, _ blocks: ConvolutionBlocks,
        weightGradient: FilterSlice
    ) -> ChannelSums {
        reserve(.patches(blocks, gradient: true))
        let y = upstream.y, depth = blocks.inputs * blocks.taps, outputs = blocks.outputs
        let none = withSums(
            "convolutionGradient", flops: 2 * y.rows * outputs * depth,
            floats: input.tensor.count + 2 * y.tensor.count, channels: 0, images: input.images
        ) { thread, images, _ in
            let part = partials[thread].base
            part.update(repeating: 0, count: outputs * depth)
            eachPatchBlock(input, y, blocks, images, thread) { image, row, rows, patches in
                let count = rows * y.width, dy = patches + count * depth
                var from = upstream.part(image: image, row: row * y.width, norm: norm)
                kernels.norm_gradient(&from, 1, Int32(count), Int32(outputs), dy)
                kernels.outer_product(
                    dy, Int64(outputs), Int32(outputs), patches, Int64(depth), Int32(depth),
                    Int32(count), part, Int64(depth), nil)
            }
        }
        addPartials(
            to: weightGradient, outputStride: depth, tapStride: blocks.inputs, images: input.images)
        return none
    }

    /// Copies the weights (out, in, taps) in the order of patches, (out, taps, in), to `ordered`.
    private func reorder(_ weight: FilterSlice) {
        let from = weight.tensor.pointer, to = ordered.base
        let (channels, taps) = (weight.inputs, weight.taps)
        for o in 0..<weight.outputs {
            for c in 0..<channels {
                for tap in 0..<taps {
                    to[(o * taps + tap) * channels + c] =
                        from[o * weight.outputStride + c * taps + tap]
                }
            }
        }
    }

    @inline(__always)
    private func eachPatchBlock(
        _ input: FeatureMap, _ output: FeatureMap, _ blocks: ConvolutionBlocks,
        _ images: Range<Int>, _ thread: Int,
        _ body: (_ image: Int, _ row: Int, _ rows: Int, _ patches: UnsafeMutablePointer<Float>) ->
            Void
    ) {
        let width = blocks.inputs * blocks.taps + blocks.outputs
        let most = max(1, Self.blockRows(width) / output.width)
        let patches = scratch[thread].base
        for image in images {
            for row in Swift.stride(from: 0, to: output.height, by: most) {
                let rows = min(most, output.height - row)
                ofa_patches(
                    input.pointer(image: image), Int32(input.height), Int32(input.width),
                    Int32(input.channels), Int32(blocks.kernel), Int32(blocks.stride), Int32(row),
                    Int32(rows), Int32(output.width), patches)
                body(image, row, rows, patches)
            }
        }
    }
}

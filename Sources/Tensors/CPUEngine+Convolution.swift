// Dense convolutions, forward and backward. A k x k convolution is a sum over its k * k taps (positions in the filter):
// each tap multiplies the feature map, shifted by the tap's offset, by the tap's matrix of weights. The forward pass
// normalises and activates a block of rows once. For each tap, the pixels that the tap reads are copied into
// consecutive memory and multiplied by the tap's matrix; the product is added to the sum over the earlier taps. The
// backward pass works on blocks of the input. If the stride is 2, even and odd rows and columns are handled separately.
// For each tap, the same rows of the output gradient serve both the input and the weight gradient.
//
// Copying the pixels costs little: each copied number is used in one multiply-add per output channel. A 3 x 3 kernel
// needs a ninth of the scratch that im2col would need, because the scratch holds the pixels of one tap at a time.

import CKernels

extension CPUEngine {
    /// Computes output = end(convolution(act(input * scale + shift) + plus)), where `end` is the epilogue and the
    /// padding is kernel / 2.
    ///
    /// A float32 input with fewer than `patchChannels` channels and neither `map` nor `plus`, such as an
    /// image, uses im2col. Returns the sums that `end` asks for.
    @discardableResult
    public func convolution(
        _ input: FeatureMap, map: ChannelMap = .identity, plus: MappedMap? = nil,
        weight: FilterSlice, stride: Int, output: FeatureMap, end: ConvolutionEnd
    ) -> ChannelSums {
        let blocks = ConvolutionBlocks(
            input: input, output: output, weight: weight, stride: stride, "convolution")
        if Self.readsPatches(input, map, plus) {
            return patchConvolution(input, blocks, weight: weight, output: output, end: end)
        }
        reserve(.convolution(blocks))
        let tapFloats = packTaps(weight, transposed: false, factor: end.factor)
        let cut = blocks.forward
        return withSums(
            "convolution", flops: 2 * output.rows * blocks.outputs * blocks.inputs * blocks.taps,
            floats: input.tensor.count * (plus == nil ? 1 : 2)
                + output.tensor.count * (end.residual == nil ? 1 : 2),
            channels: blocks.outputs, images: input.images
        ) { thread, images, sums in
            let all = images.count * output.pixels * blocks.outputs
            let shifted = scratch[thread].base + cut.parts.0
            blocks.each(images, cut, height: blocks.outHeight) { image, count, row, rows in
                let under = blocks.inputRows(row, rows)
                let from = (image * blocks.inHeight + under.lowerBound) * blocks.inWidth
                let ready = prepared(
                    input, at: from * blocks.inputs, rows: count * under.count * blocks.inWidth,
                    map: map, gate: nil, plus: plus, scratch: scratch[thread].base)
                let places = count * rows * blocks.outWidth
                let offset = (image * output.pixels + row * blocks.outWidth) * blocks.outputs
                let isDirect = output.format == .float32 && all <= OFA_STREAM_FLOATS
                let through =
                    isDirect ? output.tensor.pointer + offset : shifted + places * blocks.inputs
                let last = end.part(offset: offset, sums: sums)
                sumTaps(
                    blocks, ready, first: under, images: count, row: row, rows: rows,
                    shifted: shifted, tapFloats: tapFloats, end: last, to: through)
                if !isDirect {
                    kernels.write_out(
                        through, Int64(places * blocks.outputs), Int64(all),
                        output.target(at: offset))
                }
            }
        }
    }

    /// With at least this many input channels, the matrix product of a single tap is large enough to be fast without
    /// im2col.
    static let patchChannels = 16

    /// Returns whether a convolution of this input uses im2col.
    static func readsPatches(_ input: FeatureMap, _ map: ChannelMap, _ plus: MappedMap?) -> Bool {
        input.channels < patchChannels && map.scale == nil && plus == nil
            && input.format == .float32
    }

    /// Sums the taps' products for `rows` output rows of `images` images, then applies `end`.
    private func sumTaps(
        _ blocks: ConvolutionBlocks, _ ready: UnsafePointer<Float>, first: Range<Int>, images: Int,
        row: Int, rows: Int, shifted: UnsafeMutablePointer<Float>, tapFloats: Int, end: ofa_end,
        to: UnsafeMutablePointer<Float>
    ) {
        let imageFloats = first.count * blocks.inWidth * blocks.inputs
        let places = rows * blocks.outWidth
        var isFirst = true
        for index in 0..<blocks.taps {
            let (ky, kx) = blocks.tap(index), isLast = index == blocks.taps - 1
            let top = row * blocks.stride + ky - blocks.padding, left = kx - blocks.padding
            if top + (rows - 1) * blocks.stride < 0 || top >= blocks.inHeight
                || left + (blocks.outWidth - 1) * blocks.stride < 0 || left >= blocks.inWidth
            {
                continue
            }
            for image in 0..<images {
                ofa_shifted(
                    ready + image * imageFloats, Int32(first.lowerBound), Int32(blocks.inHeight),
                    Int32(blocks.inWidth), Int32(blocks.inputs), Int32(top), Int32(left),
                    Int32(blocks.stride), Int32(rows), Int32(blocks.outWidth),
                    shifted + image * places * blocks.inputs)
            }
            var last = isLast ? end : ofa_end()
            if !isFirst { last.base = UnsafePointer(to) }
            isFirst = false
            kernels.product(
                shifted, Int64(blocks.inputs), Int32(images * places), Int32(blocks.inputs),
                packed.base + (ky * blocks.kernel + kx) * tapFloats, Int32(blocks.outputs), to,
                Int64(blocks.outputs), &last, nil)
        }
    }

    /// Packs the matrices of all taps one after the other. A matrix is (inputs, outputs) or, if `transposed`, (outputs,
    /// inputs). If `factor` is given, column c of each matrix is multiplied by `factor[c]`. Returns the number of
    /// floats per tap.
    func packTaps(_ weight: FilterSlice, transposed: Bool, factor: UnsafePointer<Float>?) -> Int {
        let taps = weight.taps, kernels = self.kernels, to = packed.base
        let (depth, columns) =
            transposed ? (weight.outputs, weight.inputs) : (weight.inputs, weight.outputs)
        let (depthStride, columnStride) =
            transposed ? (weight.outputStride, taps) : (taps, weight.outputStride)
        let floats = Int(kernels.packed_floats(Int32(depth), Int32(columns)))
        let parts = depth * columns < 4096 ? 1 : threads
        func part(_ index: Int) {
            for tap in 0..<taps {
                kernels.pack(
                    weight.tensor.pointer + tap, Int64(depthStride), Int64(columnStride),
                    Int32(depth), Int32(columns), factor, Int32(columns * index / parts),
                    Int32(columns * (index + 1) / parts), to + tap * floats)
            }
        }
        timed("pack", floats: 2 * taps * depth * columns) {
            if parts == 1 { part(0) } else { pool.run(part) }
        }
        return floats
    }
}

extension ConvolutionBlocks {
    /// Returns the input rows that output rows `row` ..< `row + rows` depend on; for a whole image,
    /// all input rows.
    func inputRows(_ row: Int, _ rows: Int) -> Range<Int> {
        if rows == outHeight { return 0..<inHeight }
        return max(
            0, row * stride - padding)..<min(
                inHeight, (row + rows - 1) * stride + padding + 1)
    }

    /// Returns the output rows that depend on input rows `row` ..< `row + rows`; for a whole image,
    /// all output rows.
    func outputRows(_ row: Int, _ rows: Int) -> Range<Int> {
        if rows == inHeight { return 0..<outHeight }
        let first = max(0, row + padding - kernel + 1 + stride - 1) / stride
        return first..<max(first, min(outHeight, (row + rows - 1 + padding) / stride + 1))
    }
}

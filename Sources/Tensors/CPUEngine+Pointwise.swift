// Pointwise convolutions, forward and backward. Rows are divided into blocks that fit in cache. A block is normalised
// and activated into scratch (prologue), then multiplied by the packed slice of the weights. The epilogue (sums for a
// batch norm, or shift, activation and residual) runs while the result is in registers. In the backward pass, the input
// gradient and the weight gradient are products with the same block of the upstream gradient.

import CKernels

extension CPUEngine {
    /// Computes output = end((act(input * scale + shift) * gate + plus) · weightᵀ). `weight` is (out, in); `gate` is
    /// (images, in).
    ///
    /// With `inputCopy`, the matrix that is multiplied by the weights is also stored in `inputCopy`. That matrix is the
    /// preceding layer's finished output, so no other pass has to compute it. Returns the sums that `end` asks for.
    @discardableResult
    public func pointwise(
        _ input: FeatureMap, map: ChannelMap = .identity, gate: Tensor? = nil,
        plus: MappedMap? = nil, inputCopy: FeatureMap? = nil, weight: MatrixSlice,
        output: FeatureMap, end: ConvolutionEnd
    ) -> ChannelSums {
        let inputs = input.channels, outputs = output.channels, pixels = input.pixels
        check("pointwise", weight, rows: outputs, columns: inputs)
        reserve(.pointwise(inputs, outputs))
        pack(
            weight.tensor.pointer, depthStride: 1, columnStride: weight.stride, depth: inputs,
            columns: outputs, factor: end.factor)
        return withSums(
            "pointwise", flops: 2 * input.rows * inputs * outputs,
            floats: input.rows
                * (inputs * (1 + (plus == nil ? 0 : 1) + (inputCopy == nil ? 0 : 1))
                    + outputs * (end.residual == nil ? 1 : 2)),
            channels: outputs, images: input.images
        ) { thread, images, sums in
            let all = images.count * pixels * outputs
            eachBlock(images, pixels: pixels, floats: inputs + outputs, perImage: gate != nil) {
                image, first, rows, next in
                let from = (image * pixels + first) * inputs
                let ready = prepared(
                    input.tensor.pointer + from, rows: rows, pixels: pixels,
                    channels: inputs, map: map, gate: gate.map { $0.pointer + image * inputs },
                    plus: plus, at: from, scratch: scratch[thread].base)
                if let inputCopy {
                    kernels.write_out(
                        ready, Int64(rows * inputs), Int64(images.count * pixels * inputs),
                        inputCopy.tensor.pointer + from)
                }
                let offset = (image * pixels + first) * outputs
                var end = end.part(offset: offset, sums: sums)
                var ahead = ofa_ahead()
                if next > 0 {
                    let then = from + rows * inputs
                    ahead.at.0 = UnsafePointer(input.tensor.pointer + then)
                    ahead.at.1 = plus.map { UnsafePointer($0.values.tensor.pointer + then) }
                    ahead.floats.0 = Int64(next * inputs)
                    ahead.floats.1 = plus == nil ? 0 : Int64(next * inputs)
                    ahead.calls = 1
                }
                let to = output.tensor.pointer + offset
                let through = all > OFA_STREAM_FLOATS ? scratch[thread].base + rows * inputs : to
                kernels.product(
                    ready, Int64(inputs), Int32(rows), Int32(inputs), packed.base, Int32(outputs),
                    through, Int64(outputs), &end, &ahead)
                if through != to {
                    kernels.write_out(through, Int64(rows * outputs), Int64(all), to)
                }
            }
        }
    }

    /// Computes the gradients of `pointwise` followed by a batch norm: adds dyᵀ · input to `weightGradient`, and writes
    /// (or, with `accumulate`, adds) dy · weight to `inputGradient`. If `sums` is `slope`, returns the sums over
    /// `inputGradient`; if `sums` is `gate`, writes the five arrays of `GradientSums.gate` to the tensor in `sums`.
    @discardableResult
    public func pointwiseGradient(
        _ upstream: Upstream, norm: NormGradient?, input: FeatureMap, map: ChannelMap = .identity,
        gate: Tensor? = nil, plus: MappedMap? = nil, weight: MatrixSlice,
        inputGradient: FeatureMap, accumulate: Bool,
        sums wanted: GradientSums = .none, weightGradient: MatrixSlice
    ) -> ChannelSums {
        let inputs = input.channels, outputs = upstream.y.channels, pixels = input.pixels
        check("pointwiseGradient", weight, rows: outputs, columns: inputs)
        check("pointwiseGradient", weightGradient, rows: outputs, columns: inputs)
        reserve(.pointwise(inputs, outputs, gradient: true))
        if case .gate(_, let gateSums) = wanted { gateSums.fill(with: 0) }
        pack(
            weight.tensor.pointer, depthStride: weight.stride, columnStride: 1, depth: outputs,
            columns: inputs, factor: nil)
        let found = withSums(
            "pointwiseGradient", flops: 4 * input.rows * inputs * outputs,
            floats: input.rows
                * (inputs * ((accumulate ? 3 : 2) + (plus == nil ? 0 : 1)) + outputs * 2),
            channels: inputs, images: input.images
        ) { thread, images, sums in
            let (dweight, dweightStride) = partial(of: weightGradient, thread: thread)
            let all = images.count * pixels * inputs
            eachBlock(
                images, pixels: pixels, floats: 2 * inputs + outputs,
                perImage: gate != nil || upstream.isPerImage || wanted.isPerImage
            ) { image, first, rows, next in
                let scratch = scratch[thread].base, block = scratch + rows * inputs
                var from = upstream.part(image: image, row: first, norm: norm)
                let (blockImages, blockPixels) = Self.split(rows, pixels: pixels)
                kernels.norm_gradient(
                    &from, blockImages, blockPixels, Int32(outputs), block)
                let start = input.pointer(image: image) + first * inputs
                let ready = prepared(
                    start, rows: rows, pixels: pixels, channels: inputs, map: map,
                    gate: gate.map { $0.pointer + image * inputs }, plus: plus,
                    at: (image * pixels + first) * inputs, scratch: scratch)
                var ahead = ofa_ahead()
                if next > 0 {
                    ahead.at.0 = UnsafePointer(start + rows * inputs)
                    ahead.at.1 = from.d.map { $0 + rows * outputs }
                    ahead.at.2 = from.y + rows * outputs
                    ahead.at.3 = plus.map {
                        UnsafePointer($0.values.pointer(image: image) + (first + rows) * inputs)
                    }
                    ahead.floats = (
                        Int64(next * inputs), from.d == nil ? 0 : Int64(next * outputs),
                        Int64(next * outputs), plus == nil ? 0 : Int64(next * inputs)
                    )
                    ahead.calls = 2
                }
                kernels.outer_product(
                    block, Int64(outputs), Int32(outputs), ready, Int64(inputs), Int32(inputs),
                    Int32(rows), dweight, Int64(dweightStride), &ahead)
                let to = inputGradient.pointer(image: image) + first * inputs
                // The prepared input is not read again, so the gradient is written over it.
                let through = scratch
                var end = ofa_end()
                if accumulate { end.residual = UnsafePointer(to) }
                kernels.product(
                    block, Int64(outputs), Int32(rows), Int32(outputs), packed.base, Int32(inputs),
                    through, Int64(inputs), &end, &ahead)
                addSums(
                    wanted, of: through, y: start, rows: rows, image: image, of: input, map: map,
                    to: sums)
                kernels.write_out(through, Int64(rows * inputs), Int64(all), to)
            }
        }
        addPartials(to: weightGradient, images: input.images)
        return found
    }

    /// Adds the sums that `wanted` asks for, over a block of the input gradient, to `sums`. The block has `rows` rows
    /// of gradients `d` and of input values `y` before their map, and begins in image `image`.
    @inline(__always)
    private func addSums(
        _ wanted: GradientSums, of d: UnsafePointer<Float>, y: UnsafePointer<Float>, rows: Int,
        image: Int, of input: FeatureMap, map: ChannelMap, to sums: UnsafeMutablePointer<Double>
    ) {
        let inputs = Int32(input.channels)
        switch wanted {
        case .none: break
        case .slope(let center):
            var upstream = ofa_upstream()
            (upstream.d, upstream.y, upstream.map) = (d, y, map.affine)
            kernels.gradient_sums(&upstream, 1, Int32(rows), inputs, center.pointer, sums)
        case .gate(let center, let gateSums):
            let (images, pixels) = Self.split(rows, pixels: input.pixels)
            kernels.gate_sums(
                d, y, images, pixels, inputs, map.affine, center.pointer,
                gateSums.pointer + image * input.channels, Int64(input.images * input.channels))
        }
    }

    private func check(_ name: String, _ weight: MatrixSlice, rows: Int, columns: Int) {
        precondition(
            weight.rows == rows && weight.columns == columns,
            "\(name): weight is \(weight.rows)x\(weight.columns), the maps say \(rows)x\(columns)")
    }
}

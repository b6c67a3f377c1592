// Pointwise convolutions, forward and backward. Rows are divided into blocks that fit in cache. A block is normalised
// and activated into scratch (prologue), then multiplied by the packed slice of the weights. The epilogue (sums for a
// batch norm, or shift, activation and residual) runs while the result is in registers. In the backward pass, the input
// gradient and the weight gradient are products with the same block of the upstream gradient.
//
// If the output has 16-bit values and the instruction set multiplies such values (`CPUEngine.pairs`), the block and the
// weights are rounded to 16 bits before they are multiplied; the sums are float32.

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
        reserve(.pointwise(inputs, outputs, format: output.format))
        let pairs = end.map == nil ? products(inputs, outputs, output.format) : nil
        pack(
            weight.tensor.pointer, depthStride: 1, columnStride: weight.stride, depth: inputs,
            columns: outputs, factor: end.factor, pairs: pairs)
        let pairFloats = pairs == nil ? 0 : inputs / 2
        return withSums(
            "pointwise", flops: 2 * input.rows * inputs * outputs,
            floats: input.tensor.count + (plus?.values.tensor.count ?? 0)
                + (inputCopy?.tensor.count ?? 0)
                + output.tensor.count * (end.residual == nil ? 1 : 2),
            channels: outputs, images: input.images
        ) { thread, images, sums in
            let all = images.count * pixels * outputs
            let isDirect = output.format == .float32 && all <= OFA_STREAM_FLOATS
            eachBlock(
                images, pixels: pixels, floats: inputs + pairFloats + outputs, perImage: gate != nil
            ) { image, first, rows, next in
                let from = (image * pixels + first) * inputs, scratch = scratch[thread].base
                let ready = prepared(
                    input, at: from, rows: rows, map: map,
                    gate: gate.map { $0.pointer + image * inputs }, plus: plus, scratch: scratch)
                if let inputCopy {
                    kernels.write_out(
                        ready, Int64(rows * inputs), Int64(images.count * pixels * inputs),
                        inputCopy.target(at: from))
                }
                let offset = (image * pixels + first) * outputs
                var end = end.part(offset: offset, sums: sums)
                var ahead = ofa_ahead()
                if next > 0 {
                    let then = from + rows * inputs
                    ahead.at.0 = input.place(at: then)
                    ahead.at.1 = plus?.values.place(at: then)
                    ahead.floats.0 = Int64(input.format.floats(next * inputs))
                    ahead.floats.1 = Int64(plus?.values.format.floats(next * inputs) ?? 0)
                    ahead.calls = 1
                }
                let paired = scratch + rows * inputs
                let through =
                    isDirect ? output.tensor.pointer + offset : paired + rows * pairFloats
                if let pairs = pairs?.pointee {
                    pairs.pair_rows(ready, Int32(rows), Int32(inputs), paired, nil)
                    pairs.product(
                        paired, Int64(pairFloats), Int32(rows), Int32(pairFloats), packed.base,
                        Int32(outputs), through, Int64(outputs), &end, &ahead)
                } else {
                    kernels.product(
                        ready, Int64(inputs), Int32(rows), Int32(inputs), packed.base,
                        Int32(outputs), through, Int64(outputs), &end, &ahead)
                }
                if !isDirect {
                    kernels.write_out(
                        through, Int64(rows * outputs), Int64(all), output.target(at: offset))
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
        let y = upstream.y
        reserve(.pointwise(inputs, outputs, gradient: true, format: y.format))
        if case .gate(_, let gateSums) = wanted { gateSums.fill(with: 0) }
        let pairs = products(inputs, outputs, y.format)
        pack(
            weight.tensor.pointer, depthStride: weight.stride, columnStride: 1, depth: outputs,
            columns: inputs, factor: nil, pairs: pairs)
        let found = withSums(
            "pointwiseGradient", flops: 4 * input.rows * inputs * outputs,
            floats: input.tensor.count + inputGradient.tensor.count * (accumulate ? 2 : 1)
                + (plus?.values.tensor.count ?? 0) + 2 * y.tensor.count,
            channels: inputs, images: input.images
        ) { thread, images, sums in
            let dweight = partial(of: weightGradient, thread: thread)
            let all = images.count * pixels * inputs
            eachBlock(
                images, pixels: pixels, floats: 2 * inputs + (pairs == nil ? 1 : 2) * outputs,
                perImage: gate != nil || upstream.isPerImage || wanted.isPerImage
            ) { image, first, rows, next in
                let scratch = scratch[thread].base, block = scratch + rows * inputs
                var from = upstream.part(image: image, row: first, norm: norm)
                let (blockImages, blockPixels) = Self.split(rows, pixels: pixels)
                kernels.norm_gradient(
                    &from, blockImages, blockPixels, Int32(outputs), block)
                let at = (image * pixels + first) * inputs
                let ready = prepared(
                    input, at: at, rows: rows, map: map,
                    gate: gate.map { $0.pointer + image * inputs }, plus: plus, scratch: scratch)
                var ahead = self.ahead(
                    input, upstream, plus, row: image * pixels + first + rows, rows: next)
                // The prepared input is not read again, so the gradient is written over it.
                let through = scratch
                var end = ofa_end()
                if accumulate && inputGradient.format == .float32 {
                    end.residual = UnsafePointer(inputGradient.tensor.pointer + at)
                }
                multiplyBack(
                    pairs, block, ready, rows: rows, inputs, outputs, pairs: block + rows * outputs,
                    to: through, dweight, &end, &ahead)
                if accumulate && inputGradient.format != .float32 {
                    kernels.affine(
                        ofa_map(through), 1, Int32(rows), Int32(inputs),
                        ChannelMap.identity.affine, nil, inputGradient.source(at: at), through)
                }
                addSums(
                    wanted, of: through, y: input.source(at: at), rows: rows, image: image,
                    of: input, map: map, to: sums)
                kernels.write_out(
                    through, Int64(rows * inputs), Int64(all), inputGradient.target(at: at))
            }
        }
        addPartials(to: weightGradient, images: input.images)
        return found
    }

    /// Returns the arrays that `pointwiseGradient` reads for `rows` rows from row number `row` of the maps on.
    @inline(__always)
    private func ahead(
        _ input: FeatureMap, _ upstream: Upstream, _ plus: MappedMap?, row: Int, rows: Int
    ) -> ofa_ahead {
        var ahead = ofa_ahead()
        guard rows > 0 else { return ahead }
        let (inputs, outputs, y) = (input.channels, upstream.y.channels, upstream.y)
        ahead.at.0 = input.place(at: row * inputs)
        ahead.at.1 = upstream.d?.place(at: row * outputs)
        ahead.at.2 = y.place(at: row * outputs)
        ahead.at.3 = plus?.values.place(at: row * inputs)
        ahead.floats = (
            Int64(input.format.floats(rows * inputs)),
            Int64(upstream.d?.format.floats(rows * outputs) ?? 0),
            Int64(y.format.floats(rows * outputs)),
            Int64(plus?.values.format.floats(rows * inputs) ?? 0)
        )
        ahead.calls = 2
        return ahead
    }

    /// Returns the products of 16-bit values if a convolution between so many channels uses them: if its output has
    /// 16-bit values, the instruction set multiplies such values, and the channels can be paired.
    private func products(_ inputs: Int, _ outputs: Int, _ format: MapFormat)
        -> UnsafePointer<ofa_pairs>?
    {
        format == .bfloat16 && inputs % 2 == 0 && outputs % 2 == 0 ? pairs : nil
    }

    /// Adds blockᵀ · ready to `dweight`, then computes to = end(block · packed). `block` is (rows, outputs), `ready`
    /// (rows, inputs); `to` may be the memory of `ready`. With `products`, both products are of 16-bit values, whose
    /// pairs are written to the memory at `pairs`.
    @inline(__always)
    private func multiplyBack(
        _ products: UnsafePointer<ofa_pairs>?, _ block: UnsafePointer<Float>,
        _ ready: UnsafePointer<Float>, rows: Int, _ inputs: Int, _ outputs: Int,
        pairs: UnsafeMutablePointer<Float>, to: UnsafeMutablePointer<Float>,
        _ dweight: (pointer: UnsafeMutablePointer<Float>, stride: Int), _ end: inout ofa_end,
        _ ahead: inout ofa_ahead
    ) {
        let (count, m, n) = (Int32(rows), Int32(outputs), Int32(inputs))
        guard let products = products?.pointee else {
            kernels.outer_product(
                block, Int64(outputs), m, ready, Int64(inputs), n, count, dweight.pointer,
                Int64(dweight.stride), &ahead)
            kernels.product(
                block, Int64(outputs), count, m, packed.base, n, to, Int64(inputs), &end, &ahead)
            return
        }
        let half = (rows + 1) / 2
        let across = pairs, down = across + rows * outputs / 2, other = down + half * outputs
        products.pair_rows(block, count, m, across, down)
        products.pair_rows(ready, count, n, nil, other)
        products.outer_product(
            down, Int64(outputs), m, other, Int64(inputs), n, Int32(half), dweight.pointer,
            Int64(dweight.stride), &ahead)
        products.product(
            across, Int64(outputs / 2), count, m / 2, packed.base, n, to, Int64(inputs), &end,
            &ahead)
    }

    /// Adds the sums that `wanted` asks for, over a block of the input gradient, to `sums`. The block has `rows` rows
    /// of gradients `d` and of input values `y` before their map, and begins in image `image`.
    @inline(__always)
    private func addSums(
        _ wanted: GradientSums, of d: UnsafePointer<Float>, y: ofa_map, rows: Int,
        image: Int, of input: FeatureMap, map: ChannelMap, to sums: UnsafeMutablePointer<Double>
    ) {
        let inputs = Int32(input.channels)
        switch wanted {
        case .none: break
        case .slope(let center):
            var upstream = ofa_upstream()
            (upstream.d, upstream.y, upstream.map) = (ofa_map(d), y, map.affine)
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

// The gradients of dense convolutions. The heading of CPUEngine+Convolution.swift describes the method.

import CKernels

extension CPUEngine {
    /// Computes the gradients of `convolution` followed by a batch norm: adds the weights' gradient to
    /// `weightGradient`, and writes the input's gradient plus `add` to `inputGradient`. Returns the sums over
    /// `inputGradient` that `sums` asks for.
    ///
    /// `inputGradient` may be the same memory as `add`, but not as `upstream.d`: the input's gradient at a position
    /// depends on d at neighbouring positions. If `inputGradient` is nil, only the weights get a gradient, as in a
    /// first layer.
    @discardableResult
    public func convolutionGradient(
        _ upstream: Upstream, norm: NormGradient?, input: FeatureMap, map: ChannelMap = .identity,
        plus: MappedMap? = nil, weight: FilterSlice, stride: Int, inputGradient: FeatureMap?,
        add: FeatureMap? = nil, sums wanted: GradientSums = .none, weightGradient: FilterSlice
    ) -> ChannelSums {
        let blocks = ConvolutionBlocks(
            input: input, output: upstream.y, weight: weight, stride: stride, "convolutionGradient")
        if inputGradient == nil && Self.readsPatches(input, map, plus) {
            return patchGradient(
                upstream, norm: norm, input: input, blocks, weightGradient: weightGradient)
        }
        reserve(.convolution(blocks, gradient: true))
        let tapFloats =
            inputGradient == nil ? 0 : packTaps(weight, transposed: true, factor: nil)
        let cut = blocks.backward, floats = blocks.taps * blocks.inputs * blocks.outputs
        let found = withSums(
            "convolutionGradient",
            flops: (inputGradient == nil ? 2 : 4) * upstream.y.rows * floats,
            floats: input.tensor.count * (inputGradient == nil ? 1 : 2) + 2
                * upstream.y.tensor.count,
            channels: blocks.inputs, images: input.images
        ) { thread, images, sums in
            let part = partials[thread].base
            part.update(repeating: 0, count: floats)
            let all = images.count * input.pixels * blocks.inputs
            blocks.each(images, cut, height: blocks.inHeight) { image, count, row, rows in
                let block = GradientBlock(
                    blocks, cut, scratch[thread].base, image: image, images: count, row: row,
                    rows: rows)
                block.fill(self, upstream, norm)
                let from = (image * input.pixels + row * blocks.inWidth) * blocks.inputs
                let ready = prepared(
                    input, at: from, rows: block.places, map: map, gate: nil, plus: plus,
                    scratch: block.input)
                for y in 0..<stride {
                    for x in 0..<stride {
                        block.sumParity(
                            self, y, x, ready, tapFloats: inputGradient == nil ? nil : tapFloats,
                            weightGradient: part)
                    }
                }
                guard let inputGradient else { return }
                finish(
                    block, input.source(at: from), map, add: add?.source(at: from), wanted, sums)
                kernels.write_out(
                    block.gradient, Int64(block.places * blocks.inputs), Int64(all),
                    inputGradient.target(at: from))
            }
        }
        addPartials(
            to: weightGradient, outputStride: blocks.inputs,
            tapStride: blocks.outputs * blocks.inputs, images: input.images)
        return found
    }

    /// Adds `add`, the input's gradient from other paths, to the block's input gradient. Then adds to `sums` the sums
    /// that `wanted` asks for; the norm before the convolution needs these sums.
    private func finish(
        _ block: GradientBlock, _ input: ofa_map, _ map: ChannelMap,
        add: ofa_map?, _ wanted: GradientSums, _ sums: UnsafeMutablePointer<Double>
    ) {
        let rows = Int32(block.places), channels = Int32(block.blocks.inputs)
        if let add {
            kernels.affine(
                ofa_map(block.gradient), 1, rows, channels, ChannelMap.identity.affine, nil, add,
                block.gradient)
        }
        switch wanted {
        case .none: break
        case .slope(let center):
            var got = ofa_upstream()
            (got.d, got.y, got.map) = (ofa_map(block.gradient), input, map.affine)
            kernels.gradient_sums(&got, 1, rows, channels, center.pointer, sums)
        case .gate:
            preconditionFailure("a dense convolution's input has no gate")
        }
    }
}

/// One block of input rows, and the block's arrays in a thread's scratch.
private struct GradientBlock {
    let blocks: ConvolutionBlocks
    let image, images, row, rows: Int
    /// The prepared input, the input gradient, the output gradient that the input gradient depends
    /// on, and one tap's part of the output gradient.
    let input, gradient, output, shifted: UnsafeMutablePointer<Float>
    /// The prepared input at the positions of one parity (equal row and column modulo the stride), followed by the
    /// input gradient at these positions.
    let alikeInput: UnsafeMutablePointer<Float>
    let reaching: Range<Int>

    init(
        _ blocks: ConvolutionBlocks, _ cut: ConvolutionBlocks.Cut,
        _ scratch: UnsafeMutablePointer<Float>, image: Int, images: Int, row: Int, rows: Int
    ) {
        self.blocks = blocks
        (self.image, self.images, self.row, self.rows) = (image, images, row, rows)
        input = scratch
        gradient = input + cut.parts.0
        output = gradient + cut.parts.1
        shifted = output + cut.parts.2
        alikeInput = shifted + cut.parts.3
        reaching = blocks.outputRows(row, rows)
    }

    var places: Int { images * rows * blocks.inWidth }

    /// Computes the gradient at the convolution's output in the output rows `reaching`, which depend on this block of
    /// input rows.
    func fill(_ engine: CPUEngine, _ upstream: Upstream, _ norm: NormGradient?) {
        var from = upstream.part(
            image: image, row: reaching.lowerBound * blocks.outWidth, norm: norm)
        engine.kernels.norm_gradient(
            &from, Int32(images), Int32(reaching.count * blocks.outWidth), Int32(blocks.outputs),
            output)
    }

    /// Handles the taps that connect input positions (stride * a + y, stride * b + x) with outputs. Adds to these taps'
    /// parts of `weightGradient` (tap, out, in). Unless `tapFloats` is nil, writes the input gradient at those
    /// positions.
    func sumParity(
        _ engine: CPUEngine, _ y: Int, _ x: Int, _ ready: UnsafePointer<Float>, tapFloats: Int?,
        weightGradient: UnsafeMutablePointer<Float>
    ) {
        let stride = blocks.stride, pad = blocks.padding, inputs = blocks.inputs
        let tall = (rows - y + stride - 1) / stride,
            wide = (blocks.inWidth - x + stride - 1) / stride
        guard tall > 0 && wide > 0 else { return }
        let alike = tall * wide
        let from = stride == 1 ? ready : gather(ready, y, x, tall, wide)
        let to = stride == 1 ? gradient : alikeInput + images * alike * inputs
        var isFirst = true
        for ky in 0..<blocks.kernel where (y + pad - ky) % stride == 0 {
            for kx in 0..<blocks.kernel where (x + pad - kx) % stride == 0 {
                let top = row / stride + (y + pad - ky) / stride, left = (x + pad - kx) / stride
                if top + tall <= 0 || top >= blocks.outHeight || left + wide <= 0
                    || left >= blocks.outWidth
                {
                    continue
                }
                shift(top: top, left: left, tall, wide)
                let tap = ky * blocks.kernel + kx
                engine.kernels.outer_product(
                    shifted, Int64(blocks.outputs), Int32(blocks.outputs), from, Int64(inputs),
                    Int32(inputs), Int32(images * alike),
                    weightGradient + tap * blocks.outputs * inputs, Int64(inputs), nil)
                guard let tapFloats else { continue }
                var end = ofa_end()
                if !isFirst { end.base = UnsafePointer(to) }
                isFirst = false
                engine.kernels.product(
                    shifted, Int64(blocks.outputs), Int32(images * alike), Int32(blocks.outputs),
                    engine.packed.base + tap * tapFloats, Int32(inputs), to, Int64(inputs), &end,
                    nil)
            }
        }
        guard tapFloats != nil else { return }
        if isFirst { to.update(repeating: 0, count: images * alike * inputs) }
        if stride > 1 { scatter(to, y, x, tall, wide) }
    }

    /// Copies one tap's part of the output gradient into consecutive rows.
    private func shift(top: Int, left: Int, _ tall: Int, _ wide: Int) {
        let imageFloats = reaching.count * blocks.outWidth * blocks.outputs
        for image in 0..<images {
            ofa_shifted(
                output + image * imageFloats, Int32(reaching.lowerBound), Int32(blocks.outHeight),
                Int32(blocks.outWidth), Int32(blocks.outputs), Int32(top), Int32(left), 1,
                Int32(tall), Int32(wide), shifted + image * tall * wide * blocks.outputs)
        }
    }

    /// Gathers the prepared input at the positions of parity (y, x).
    private func gather(
        _ ready: UnsafePointer<Float>, _ y: Int, _ x: Int, _ tall: Int, _ wide: Int
    ) -> UnsafePointer<Float> {
        let imageFloats = rows * blocks.inWidth * blocks.inputs
        for image in 0..<images {
            ofa_shifted(
                ready + image * imageFloats, Int32(row), Int32(blocks.inHeight),
                Int32(blocks.inWidth), Int32(blocks.inputs), Int32(row + y), Int32(x),
                Int32(blocks.stride), Int32(tall), Int32(wide),
                alikeInput + image * tall * wide * blocks.inputs)
        }
        return UnsafePointer(alikeInput)
    }

    /// Scatters the input gradient to the positions of parity (y, x).
    private func scatter(
        _ from: UnsafePointer<Float>, _ y: Int, _ x: Int, _ tall: Int, _ wide: Int
    ) {
        let imageFloats = rows * blocks.inWidth * blocks.inputs
        for image in 0..<images {
            ofa_unshifted(
                from + image * tall * wide * blocks.inputs, Int32(blocks.inWidth),
                Int32(blocks.inputs), Int32(y), Int32(x), Int32(blocks.stride), Int32(tall),
                Int32(wide), gradient + image * imageFloats)
        }
    }
}

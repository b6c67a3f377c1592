// Pointwise, depthwise and first convolutions, forward and backward.
//
// Pointwise: rows are cut into blocks that stay in cache; a block is normalised and activated into scratch,
// multiplied by the packed slice of the weights, and what follows (sums for a batch norm, or shift, activation and
// residual) is done while the result is in registers. Backward, a block of the upstream gradient serves both products.

import CKernels

/// What follows a convolution, done to its output while that is at hand.
public struct ConvolutionEnd {
    /// The norm folded in: its scale multiplies the weights; nil leaves the output raw.
    let map: ChannelMap?
    let residual: FeatureMap?
    let mean: Tensor?
    let center: Tensor?

    /// Raw output; with `center` (channels), leaves the sums of output - center and of its square for `normalise`.
    public static func statistics(center: Tensor?) -> ConvolutionEnd {
        ConvolutionEnd(map: nil, residual: nil, mean: nil, center: center)
    }

    /// act(norm(output)) + residual, for norms whose map is known before; a depthwise convolution also writes each
    /// image's `mean` (images, channels) and takes no residual.
    public static func folded(_ map: ChannelMap, residual: FeatureMap? = nil, mean: Tensor? = nil)
        -> ConvolutionEnd
    {
        ConvolutionEnd(map: map, residual: residual, mean: mean, center: nil)
    }

    var factor: UnsafePointer<Float>? { map?.scale.map { UnsafePointer($0.pointer) } }

    /// The C form for the part of the output that starts `offset` floats into it.
    func part(offset: Int, mean meanOffset: Int = 0, sums: UnsafeMutablePointer<Double>?) -> ofa_end
    {
        ofa_end(
            shift: map?.shift.map { UnsafePointer($0.pointer) },
            activation: map?.activation.code ?? 0,
            residual: residual.map { UnsafePointer($0.tensor.pointer + offset) },
            center: center.map { UnsafePointer($0.pointer) },
            sums: center == nil ? nil : sums,
            mean: mean.map { $0.pointer + meanOffset })
    }
}

/// The gradient that arrives at a convolution's output y, through gate, activation and batch norm:
/// g = (d * gate + spread) * act'(y * scale + shift), dy = a * g + b * y + c.
public struct Upstream {
    /// The gradient after the activation; nil reads as 0.
    public let d: FeatureMap?
    /// The convolution's raw output.
    public let y: FeatureMap
    /// The norm's map and the activation after it; the identity where nothing was applied.
    public let map: ChannelMap
    /// What multiplies and what adds to `d`, (images, channels) each.
    public let gate, spread: Tensor?

    /// Names the parts.
    public init(
        _ d: FeatureMap?, y: FeatureMap, map: ChannelMap = .identity, gate: Tensor? = nil,
        spread: Tensor? = nil
    ) {
        self.d = d
        self.y = y
        self.map = map
        self.gate = gate
        self.spread = spread
    }

    /// The C form for the rows that start at `row` of image `image`; dy = g without `norm`.
    func part(image: Int, row: Int = 0, norm: NormGradient? = nil) -> ofa_upstream {
        let offset = row * y.channels
        return ofa_upstream(
            d: d.map { UnsafePointer($0.pointer(image: image) + offset) },
            y: UnsafePointer(y.pointer(image: image) + offset),
            gate: gate.map { UnsafePointer($0.pointer + image * y.channels) },
            spread: spread.map { UnsafePointer($0.pointer + image * y.channels) },
            map: map.affine,
            norm: norm?.map ?? ofa_norm_gradient(a: nil, b: nil, c: nil))
    }

    /// Whether each image has numbers of its own.
    var isPerImage: Bool { gate != nil || spread != nil }
}

/// A feature map that is read as act(values * scale + shift).
public struct MappedMap {
    /// The values before the map.
    public let values: FeatureMap
    /// What is applied to them.
    public let map: ChannelMap

    /// Names both.
    public init(_ values: FeatureMap, map: ChannelMap = .identity) {
        self.values = values
        self.map = map
    }
}

/// What a pointwise gradient finds out about the gradient it writes, for the norm before it.
public enum GradientSums {
    /// Nothing.
    case none
    /// The sums that `gradientSums` would leave, with act' of the input's map.
    case slope(center: Tensor)
    /// The five arrays (5, images, channels) of the kernel `gate_sums`, for an input that was gated.
    case gate(center: Tensor, Tensor)

    /// Whether each image has sums of its own.
    var isPerImage: Bool { if case .gate = self { true } else { false } }
}

extension Backend {
    /// output = end((act(input * scale + shift) * gate + plus) · weightᵀ). `weight` is (out, in); `gate` is (images, in).
    ///
    /// With `settled`, what is multiplied is also written there: an end of the layer before that costs no pass.
    public func pointwise(
        _ input: FeatureMap, map: ChannelMap = .identity, gate: Tensor? = nil,
        plus: MappedMap? = nil, settled: FeatureMap? = nil, weight: MatrixSlice,
        output: FeatureMap, end: ConvolutionEnd
    ) {
        let inputs = input.channels, outputs = output.channels, pixels = input.pixels
        check("pointwise", weight, rows: outputs, columns: inputs)
        pack(
            weight.tensor.pointer, depthStride: 1, columnStride: weight.stride, depth: inputs,
            columns: outputs, factor: end.factor)
        withSums(
            "pointwise", flops: 2 * input.rows * inputs * outputs,
            floats: input.rows
                * (inputs * (1 + (plus == nil ? 0 : 1) + (settled == nil ? 0 : 1))
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
                if let settled {
                    kernels.write_out(
                        ready, Int64(rows * inputs), Int64(images.count * pixels * inputs),
                        settled.tensor.pointer + from)
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

    /// Gradients of `pointwise` followed by a batch norm: adds dyᵀ · input to the weight gradient of each thread and
    /// writes (or, with `accumulate`, adds) dy · weight to `inputGradient`, taking `sums` of it.
    public func pointwiseGradient(
        _ upstream: Upstream, norm: NormGradient?, input: FeatureMap, map: ChannelMap = .identity,
        gate: Tensor? = nil, plus: MappedMap? = nil, weight: MatrixSlice,
        inputGradient: FeatureMap, accumulate: Bool,
        sums wanted: GradientSums = .none, weightGradient: (_ thread: Int) -> MatrixSlice
    ) {
        let inputs = input.channels, outputs = upstream.y.channels, pixels = input.pixels
        check("pointwiseGradient", weight, rows: outputs, columns: inputs)
        if case .gate(_, let five) = wanted { five.fill(with: 0) }
        pack(
            weight.tensor.pointer, depthStride: weight.stride, columnStride: 1, depth: outputs,
            columns: inputs, factor: nil)
        withSums(
            "pointwiseGradient", flops: 4 * input.rows * inputs * outputs,
            floats: input.rows
                * (inputs * ((accumulate ? 3 : 2) + (plus == nil ? 0 : 1)) + outputs * 2),
            channels: inputs, images: input.images
        ) { thread, images, sums in
            let dweight = weightGradient(thread)
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
                    Int32(rows), dweight.tensor.pointer, Int64(dweight.stride), &ahead)
                let to = inputGradient.pointer(image: image) + first * inputs
                // The prepared input has served: its room takes the result.
                let through = scratch
                var end = ofa_end()
                if accumulate { end.residual = UnsafePointer(to) }
                kernels.product(
                    block, Int64(outputs), Int32(rows), Int32(outputs), packed.base, Int32(inputs),
                    through, Int64(inputs), &end, &ahead)
                switch wanted {
                case .none: break
                case .slope(let center):
                    var got = ofa_upstream()
                    (got.d, got.y, got.map) = (
                        UnsafePointer(through), UnsafePointer(start), map.affine
                    )
                    kernels.gradient_sums(
                        &got, 1, Int32(rows), Int32(inputs), center.pointer, sums)
                case .gate(let center, let five):
                    kernels.gate_sums(
                        through, start, blockImages, blockPixels, Int32(inputs), map.affine,
                        center.pointer, five.pointer + image * inputs,
                        Int64(input.images * inputs))
                }
                kernels.write_out(through, Int64(rows * inputs), Int64(all), to)
            }
        }
    }

    /// output = end(depthwise(act(input * scale + shift))), padding kernel / 2. `filter` is (kernel * kernel, channels).
    public func depthwise(
        _ input: FeatureMap, map: ChannelMap, filter: Tensor, kernel: Int, stride: Int,
        output: FeatureMap, end: ConvolutionEnd
    ) {
        let geometry = depthwiseGeometry(input, output, kernel: kernel, stride: stride)
        precondition(end.residual == nil, "depthwise takes no residual")
        withSums(
            "depthwise", flops: 2 * output.tensor.count * kernel * kernel,
            floats: input.tensor.count + output.tensor.count, channels: output.channels,
            images: input.images
        ) { thread, images, sums in
            var mine = geometry
            mine.images = Int32(images.count)
            let first = images.lowerBound
            var last = end.part(offset: 0, mean: first * output.channels, sums: sums)
            kernels.depthwise(
                mine, input.pointer(image: first), map.affine, filter.pointer, end.factor,
                output.pointer(image: first), &last, scratch[thread].base)
        }
    }

    /// Gradients of `depthwise` followed by a batch norm. Adds to each thread's `filterGradient` (kernel * kernel,
    /// channels) and writes the gradient at the input's batch norm: inputGradient = (dx + add) * act'(input * scale +
    /// shift), leaving its sums about `center` for `normGradient`. `add` is what reaches the input another way.
    public func depthwiseGradient(
        _ upstream: Upstream, norm: NormGradient, input: FeatureMap, map: ChannelMap,
        filter: Tensor, kernel: Int, stride: Int, add: FeatureMap? = nil,
        inputGradient: FeatureMap, center: Tensor?,
        filterGradient: (_ thread: Int) -> Tensor
    ) {
        let geometry = depthwiseGeometry(input, upstream.y, kernel: kernel, stride: stride)
        withSums(
            "depthwiseGradient", flops: 4 * upstream.y.tensor.count * kernel * kernel,
            floats: (add == nil ? 2 : 3) * input.tensor.count + 2 * upstream.y.tensor.count,
            channels: input.channels, images: input.images
        ) { thread, images, sums in
            var mine = geometry
            mine.images = Int32(images.count)
            let first = images.lowerBound
            var from = upstream.part(image: first, norm: norm)
            kernels.depthwise_gradient(
                mine, &from, input.pointer(image: first), map.affine, filter.pointer,
                add.map { UnsafePointer($0.pointer(image: first)) },
                inputGradient.pointer(image: first), center?.pointer, center == nil ? nil : sums,
                filterGradient(thread).pointer, scratch[thread].base)
        }
    }

    /// output = end(dense convolution), padding kernel / 2; `weight` is (out, in, kernel, kernel), as stored.
    public func convolution(
        _ input: FeatureMap, weight: Tensor, kernel: Int, stride: Int, output: FeatureMap,
        end: ConvolutionEnd
    ) {
        let depth = input.channels * kernel * kernel, outputs = output.channels
        reorder(weight, outputs: outputs, channels: input.channels, taps: kernel * kernel)
        pack(
            ordered.base, depthStride: 1, columnStride: depth, depth: depth, columns: outputs,
            factor: end.factor)
        withSums(
            "convolution", flops: 2 * output.rows * outputs * depth,
            floats: input.tensor.count + output.tensor.count, channels: outputs,
            images: input.images
        ) { thread, images, sums in
            eachPatchBlock(input, output, kernel, stride, images, thread) {
                image, row, rows, patches in
                let offset = (image * output.pixels + row * output.width) * outputs
                var end = end.part(offset: offset, sums: sums)
                kernels.product(
                    patches, Int64(depth), Int32(rows * output.width), Int32(depth), packed.base,
                    Int32(outputs), output.tensor.pointer + offset, Int64(outputs), &end, nil)
            }
        }
    }

    /// Adds the weight gradient of `convolution` followed by a batch norm to each thread's array.
    public func convolutionGradient(
        _ upstream: Upstream, norm: NormGradient, input: FeatureMap, kernel: Int, stride: Int,
        weightGradient: (_ thread: Int) -> Tensor
    ) {
        let y = upstream.y, taps = kernel * kernel
        let depth = input.channels * taps, outputs = y.channels
        forEachShare(
            "convolutionGradient", flops: 2 * y.rows * outputs * depth,
            floats: input.tensor.count + 2 * y.tensor.count, input.images
        ) { thread, images in
            let total = scratch[thread].base
            total.update(repeating: 0, count: outputs * depth)
            eachPatchBlock(input, y, kernel, stride, images, thread, after: outputs * depth) {
                image, row, rows, patches in
                let count = rows * y.width, dy = patches + count * depth
                var from = upstream.part(image: image, row: row * y.width, norm: norm)
                kernels.norm_gradient(&from, 1, Int32(count), Int32(outputs), dy)
                kernels.outer_product(
                    dy, Int64(outputs), Int32(outputs), patches, Int64(depth), Int32(depth),
                    Int32(count), total, Int64(depth), nil)
            }
            // From the order of patches, (out, tap, in), to that of the weights, (out, in, tap).
            let to = weightGradient(thread).pointer
            for o in 0..<outputs {
                for tap in 0..<taps {
                    for c in 0..<input.channels {
                        to[(o * input.channels + c) * taps + tap] +=
                            total[o * depth + tap * input.channels + c]
                    }
                }
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
    public func reserve(pointwise inputs: Int, _ outputs: Int) {
        let floats = 2 * inputs + outputs
        reserveScratch(Self.blockRows(floats) * floats)
        reservePacked(inputs, outputs)
        reservePacked(outputs, inputs)
    }

    /// Makes room for the patches of a dense convolution.
    public func reserve(convolution inputs: Int, _ outputs: Int, kernel: Int, outputWidth: Int) {
        let depth = inputs * kernel * kernel, floats = depth + outputs
        reserveScratch(outputs * depth + max(Self.blockRows(floats), outputWidth) * floats)
        reservePacked(depth, outputs)
        if ordered.count < outputs * depth { ordered = Storage(count: outputs * depth) }
    }

    /// The weights (out, in, taps) in the order of patches, (out, taps, in).
    private func reorder(_ weight: Tensor, outputs: Int, channels: Int, taps: Int) {
        let from = weight.pointer, to = ordered.base
        for o in 0..<outputs {
            for c in 0..<channels {
                for tap in 0..<taps {
                    to[(o * taps + tap) * channels + c] = from[(o * channels + c) * taps + tap]
                }
            }
        }
    }

    // MARK: - Blocks

    /// A block of whole images, or a part of one.
    private static func split(_ rows: Int, pixels: Int) -> (images: Int32, pixels: Int32) {
        rows % pixels == 0 ? (Int32(rows / pixels), Int32(pixels)) : (1, Int32(rows))
    }

    /// Cuts the rows of `images` into blocks. A block may span images (rows are alike); with `perImage`, it is a part
    /// of one image or several whole ones, because each image has its own gate. `next` is how many rows the block
    /// after this one has, which follows it in memory.
    @inline(__always)
    private func eachBlock(
        _ images: Range<Int>, pixels: Int, floats: Int, perImage: Bool,
        _ body: (_ image: Int, _ first: Int, _ rows: Int, _ next: Int) -> Void
    ) {
        let most = Self.blockRows(floats)
        if perImage && most < pixels {
            let pieces = (pixels + most - 1) / most
            for image in images {
                for piece in 0..<pieces {
                    let first = pixels * piece / pieces, end = pixels * (piece + 1) / pieces
                    let isLast = piece == pieces - 1 && image == images.upperBound - 1
                    body(image, first, end - first, isLast ? 0 : pixels / pieces)
                }
            }
            return
        }
        let rows = images.count * pixels, step = perImage ? most / pixels * pixels : most
        for first in stride(from: 0, to: rows, by: step) {
            let count = min(step, rows - first), next = min(step, rows - first - count)
            let image = perImage ? first / pixels : 0
            body(images.lowerBound + image, first - image * pixels, count, next)
        }
    }

    /// The block itself where it is read as it is, else what is read, in scratch; `at` is its place in its map.
    @inline(__always)
    private func prepared(
        _ from: UnsafeMutablePointer<Float>, rows: Int, pixels: Int, channels: Int, map: ChannelMap,
        gate: UnsafeMutablePointer<Float>?, plus: MappedMap?, at: Int,
        scratch: UnsafeMutablePointer<Float>
    ) -> UnsafePointer<Float> {
        if map.scale == nil && gate == nil && plus == nil { return UnsafePointer(from) }
        let (images, pixels) = gate == nil ? (1, Int32(rows)) : Self.split(rows, pixels: pixels)
        var added: UnsafeMutablePointer<Float>?
        if let plus {
            added = plus.values.tensor.pointer + at
            if plus.map.scale != nil {
                kernels.affine(
                    added, 1, Int32(rows), Int32(channels), plus.map.affine, nil, nil, scratch)
                added = scratch
            }
        }
        kernels.affine(from, images, pixels, Int32(channels), map.affine, gate, added, scratch)
        return UnsafePointer(scratch)
    }

    @inline(__always)
    private func eachPatchBlock(
        _ input: FeatureMap, _ output: FeatureMap, _ kernel: Int, _ stride: Int,
        _ images: Range<Int>, _ thread: Int, after floats: Int = 0,
        _ body: (_ image: Int, _ row: Int, _ rows: Int, _ patches: UnsafeMutablePointer<Float>) ->
            Void
    ) {
        let width = input.channels * kernel * kernel + output.channels
        let most = max(1, Self.blockRows(width) / output.width)
        let patches = scratch[thread].base + floats
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

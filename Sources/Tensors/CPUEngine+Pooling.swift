// Max and mean pooling, and the activated sum of two maps, forward and backward.

import CKernels

extension CPUEngine {
    /// Computes the maximum of act(input * scale + shift) over kernel x kernel windows, padding kernel / 2.
    public func maxPooling(
        _ input: FeatureMap, map: ChannelMap = .identity, kernel: Int = 3, stride: Int = 2,
        output: FeatureMap
    ) {
        let geometry = windows(
            "maxPooling", input, output, kernel: kernel, stride: stride)
        forEachShare("maxPooling", floats: input.tensor.count + output.tensor.count, input.images) {
            _, images in
            var mine = geometry
            mine.images = Int32(images.count)
            let first = images.lowerBound
            kernels.max_pool(
                mine, input.pointer(image: first), map.affine, output.pointer(image: first))
        }
    }

    /// Writes the input gradient of `maxPooling`; if `sums` is `slope`, returns the sums over this gradient. An
    /// output's gradient goes to the first maximum of the output's window in row-major order, as in PyTorch.
    @discardableResult
    public func maxPoolingGradient(
        _ d: FeatureMap, input: FeatureMap, map: ChannelMap = .identity, kernel: Int = 3,
        stride: Int = 2, inputGradient: FeatureMap, sums wanted: GradientSums = .none
    ) -> ChannelSums {
        let geometry = windows(
            "maxPoolingGradient", input, d, kernel: kernel, stride: stride)
        return withSums(
            "maxPoolingGradient", floats: 2 * input.tensor.count + d.tensor.count,
            channels: input.channels, images: input.images
        ) { _, images, sums in
            var mine = geometry
            mine.images = 1
            for image in images {
                let (x, dx) = (input.pointer(image: image), inputGradient.pointer(image: image))
                kernels.max_pool_gradient(mine, x, map.affine, d.pointer(image: image), dx)
                guard case .slope(let center) = wanted else { continue }
                var got = ofa_upstream()
                (got.d, got.y, got.map) = (ofa_map(dx), ofa_map(x), map.affine)
                kernels.gradient_sums(
                    &got, 1, Int32(input.pixels), Int32(input.channels), center.pointer, sums)
            }
        }
    }

    /// Computes the mean of act(input * scale + shift) over adjacent size x size windows; a window that crosses the
    /// border averages only the pixels inside the map.
    public func meanPooling(
        _ input: FeatureMap, map: ChannelMap = .identity, size: Int, output: FeatureMap
    ) {
        checkMeans("meanPooling", input, output, size)
        forEachShare("meanPooling", floats: input.tensor.count + output.tensor.count, input.images)
        { _, images in
            let first = images.lowerBound
            kernels.mean_pool(
                input.pointer(image: first), Int32(images.count), Int32(input.height),
                Int32(input.width), Int32(input.channels), Int32(size), map.affine,
                output.pointer(image: first))
        }
    }

    /// Writes (or, with `accumulate`, adds) the input gradient of `meanPooling`.
    public func meanPoolingGradient(
        _ d: FeatureMap, size: Int, inputGradient: FeatureMap, accumulate: Bool
    ) {
        checkMeans("meanPoolingGradient", inputGradient, d, size)
        forEachShare(
            "meanPoolingGradient",
            floats: inputGradient.tensor.count * (accumulate ? 2 : 1) + d.tensor.count, d.images
        ) { _, images in
            let first = images.lowerBound
            kernels.mean_pool_gradient(
                d.pointer(image: first), Int32(images.count), Int32(inputGradient.height),
                Int32(inputGradient.width), Int32(d.channels), Int32(size), accumulate ? 1 : 0,
                inputGradient.pointer(image: first))
        }
    }

    private func checkMeans(_ name: String, _ large: FeatureMap, _ small: FeatureMap, _ size: Int) {
        precondition(
            size >= 1 && small.height == (large.height + size - 1) / size
                && small.width == (large.width + size - 1) / size
                && small.channels == large.channels && small.images == large.images,
            "\(name) \(size)x\(size): \(large.height)x\(large.width)x\(large.channels) does not go"
                + " with \(small.height)x\(small.width)x\(small.channels)")
    }

    /// Computes output = act(a + b), where each of `a` and `b` is read through its own channel map.
    public func sumActivated(
        _ a: MappedMap, _ b: MappedMap, activation: Activation, output: FeatureMap
    ) {
        forEachShare("sumActivated", floats: 3 * output.tensor.count, output.images) { _, images in
            let first = images.lowerBound
            kernels.sum_activated(
                a.values.pointer(image: first), a.map.affine, b.values.pointer(image: first),
                b.map.affine, Int64(images.count * output.pixels), Int32(output.channels),
                activation.code, output.pointer(image: first))
        }
    }

    /// Computes gradient = d * act'(output), which is the gradient of both terms of `sumActivated`; `gradient` may be
    /// `d`. If a term has a norm, its argument `a` or `b` gives the norm's input and mean, and the method returns this
    /// term's sums for `normGradient`. The channel maps of the terms must have no activation. Traps on h_swish, whose
    /// derivative does not follow from the output.
    @discardableResult
    public func sumActivatedGradient(
        _ d: FeatureMap, output: FeatureMap, activation: Activation,
        a: (raw: FeatureMap, center: Tensor)?, b: (raw: FeatureMap, center: Tensor)?,
        gradient: FeatureMap
    ) -> (a: ChannelSums, b: ChannelSums) {
        precondition(activation != .hSwish, "h_swish's slope does not follow from its value")
        let channels = d.channels
        let found = withSums(
            "sumActivatedGradient",
            floats: (3 + (a == nil ? 0 : 1) + (b == nil ? 0 : 1)) * d.tensor.count,
            channels: 2 * channels, images: d.images
        ) { _, images, sums in
            let first = images.lowerBound
            var sides = ofa_sum_sides()
            sides.raw.0 = a.map { UnsafePointer($0.raw.pointer(image: first)) }
            sides.raw.1 = b.map { UnsafePointer($0.raw.pointer(image: first)) }
            sides.center.0 = a.map { UnsafePointer($0.center.pointer) }
            sides.center.1 = b.map { UnsafePointer($0.center.pointer) }
            sides.sums = (sums, sums + 2 * channels)
            kernels.sum_activated_gradient(
                d.pointer(image: first), output.pointer(image: first), activation.code, &sides,
                Int64(images.count * d.pixels), Int32(channels), gradient.pointer(image: first))
        }
        return (
            found.part(offset: 0, channels: channels),
            found.part(offset: 2 * channels, channels: channels)
        )
    }
}

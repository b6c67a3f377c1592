// Channel-wise passes over feature maps: normalise, pool, gate, and their gradients.

import CKernels

extension Backend {
    /// output = act(input * scale + shift) + residual.
    public func affine(
        _ input: FeatureMap, map: ChannelMap, residual: FeatureMap?, output: FeatureMap
    ) {
        forEachShare(
            "affine", floats: input.tensor.count * (residual == nil ? 2 : 3), input.images
        ) { _, images in
            let first = images.lowerBound
            kernels.affine(
                input.pointer(image: first), Int32(images.count), Int32(input.pixels),
                Int32(input.channels),
                map.affine, nil, residual?.pointer(image: first), output.pointer(image: first))
        }
    }

    /// output (images, channels) = mean over positions of act(input * scale + shift).
    public func mean(_ input: FeatureMap, map: ChannelMap, output: Tensor) {
        forEachShare("mean", floats: input.tensor.count, input.images) { _, images in
            let first = images.lowerBound
            kernels.mean(
                input.pointer(image: first), Int32(images.count), Int32(input.pixels),
                Int32(input.channels),
                map.affine, output.pointer + first * input.channels)
        }
    }

    /// The sums of the upstream's g and of g * (y - center), the input of `normGradient`.
    public func gradientSums(_ upstream: Upstream, center: Tensor) -> ChannelSums {
        let y = upstream.y
        return withSums(
            "gradientSums", floats: y.tensor.count * (upstream.d == nil ? 1 : 2),
            channels: y.channels, images: y.images
        ) { _, images, sums in
            var from = upstream.part(image: images.lowerBound)
            kernels.gradient_sums(
                &from, Int32(images.count), Int32(y.pixels), Int32(y.channels), center.pointer, sums
            )
        }
    }

    /// The sums of `gradientSums(_:center:)` from the five arrays of `GradientSums.gate`: per
    /// channel, over images, gate * (d * act') + spread * act'.
    public func gradientSums(five: Tensor, gate: Tensor, spread: Tensor, images: Int, channels: Int)
        -> ChannelSums
    {
        let part = images * channels
        return withSums("gradientSums", floats: 7 * part, channels: channels, images: images) {
            _, images, sums in
            let first = images.lowerBound * channels
            ofa_gate_totals(
                five.pointer + first, gate.pointer + first, spread.pointer + first,
                Int32(images.count), Int32(channels), Int64(part), sums)
        }
    }
}

// Passes over feature maps that normalise and activate, average over positions, or sum gradients
// for a batch norm.

import CKernels

extension CPUEngine {
    /// Computes output = act(input * scale + shift) + residual. The output has format float32, and may be the residual.
    public func affine(
        _ input: FeatureMap, map: ChannelMap, residual: FeatureMap?, output: FeatureMap
    ) {
        forEachShare(
            "affine", floats: input.tensor.count * (residual == nil ? 2 : 3), input.images
        ) { _, images in
            let first = images.lowerBound
            kernels.affine(
                input.source(image: first), Int32(images.count), Int32(input.pixels),
                Int32(input.channels),
                map.affine, nil, residual?.source(image: first) ?? ofa_map(),
                output.pointer(image: first))
        }
    }

    /// Computes output (images, channels) = mean over positions of act(input * scale + shift).
    public func mean(_ input: FeatureMap, map: ChannelMap, output: Tensor) {
        forEachShare("mean", floats: input.tensor.count, input.images) { _, images in
            let first = images.lowerBound
            kernels.mean(
                input.source(image: first), Int32(images.count), Int32(input.pixels),
                Int32(input.channels),
                map.affine, output.pointer + first * input.channels)
        }
    }

    /// Returns the sums of g and of g * (y - center) over `upstream`, where g and y are those of `Upstream`.
    /// `normGradient` takes these sums.
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

    /// Returns the sums that `gradientSums(_:center:)` would return for g = gate * (d * act') + meanGradient * act'.
    /// `gateSums` are the five arrays of `GradientSums.gate`.
    public func gradientSums(
        gateSums: Tensor, gate: Tensor, meanGradient: Tensor, images: Int, channels: Int
    )
        -> ChannelSums
    {
        let part = images * channels
        return withSums("gradientSums", floats: 7 * part, channels: channels, images: images) {
            _, images, sums in
            let first = images.lowerBound * channels
            ofa_gate_totals(
                gateSums.pointer + first, gate.pointer + first, meanGradient.pointer + first,
                Int32(images.count), Int32(channels), Int64(part), sums)
        }
    }
}

// Passes over feature maps that multiply nothing but channels: normalise, pool, gate, and their gradients.

import CKernels

extension Backend {
    /// output = act(input * scale + shift) + residual.
    public func affine(
        _ input: FeatureMap, map: ChannelMap, residual: FeatureMap?, output: FeatureMap
    ) {
        forEachShare(input.images) { _, images in
            let first = images.lowerBound
            kernels.affine(
                input.pointer(image: first), Int32(images.count), Int32(input.pixels),
                Int32(input.channels),
                map.affine, nil, residual?.pointer(image: first), output.pointer(image: first))
        }
    }

    /// output (images, channels) = mean over positions of act(input * scale + shift).
    public func mean(_ input: FeatureMap, map: ChannelMap, output: Tensor) {
        forEachShare(input.images) { _, images in
            let first = images.lowerBound
            kernels.mean(
                input.pointer(image: first), Int32(images.count), Int32(input.pixels),
                Int32(input.channels),
                map.affine, output.pointer + first * input.channels)
        }
    }

    /// The gradient at a batch norm's output: g = (d * gate + spread) * act'(y * scale + shift), leaving sum g and
    /// sum g * (y - center) for `normGradient`. d nil reads as 0; gate and spread are (images, channels).
    public func activationGradient(
        _ d: FeatureMap?, y: FeatureMap, map: ChannelMap, gate: Tensor? = nil,
        spread: Tensor? = nil,
        center: Tensor?, output: FeatureMap
    ) {
        withSums(channels: y.channels, images: y.images) { _, images, sums in
            let first = images.lowerBound
            kernels.gradient(
                d?.pointer(image: first), y.pointer(image: first), Int32(images.count),
                Int32(y.pixels),
                Int32(y.channels), map.affine,
                gate.map { UnsafePointer($0.pointer + first * y.channels) },
                spread.map { UnsafePointer($0.pointer + first * y.channels) }, center?.pointer,
                output.pointer(image: first), center == nil ? nil : sums)
        }
    }

    /// output (images, channels) = sum over positions of d * act(y * scale + shift): the gradient of a gate.
    public func gateGradient(_ d: FeatureMap, y: FeatureMap, map: ChannelMap, output: Tensor) {
        forEachShare(y.images) { _, images in
            let first = images.lowerBound
            kernels.gate_gradient(
                d.pointer(image: first), y.pointer(image: first), Int32(images.count),
                Int32(y.pixels),
                Int32(y.channels), map.affine, output.pointer + first * y.channels)
        }
    }

    /// a += b, value by value.
    public func add(_ b: FeatureMap, to a: FeatureMap) {
        affine(b, map: .identity, residual: a, output: a)
    }
}

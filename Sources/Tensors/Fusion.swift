// Fused prologues (`ChannelMap`, `MappedMap`, `Upstream`) and epilogues (`ConvolutionEnd`) of
// operators, so that normalising, activating, gating and adding need no passes of their own.

import CKernels

/// The epilogue of a convolution, applied to its output while that is in registers or cache.
public struct ConvolutionEnd {
    /// The norm folded in: its scale multiplies the weights; nil leaves the output raw.
    let map: ChannelMap?
    let residual: FeatureMap?
    let mean: Tensor?
    let center: Tensor?

    /// Raw output; with `center` (channels), computes the sums of output - center and of its square
    /// for `normalise`.
    public static func statistics(center: Tensor?) -> ConvolutionEnd {
        ConvolutionEnd(map: nil, residual: nil, mean: nil, center: center)
    }

    /// act(norm(output)) + residual, for norms whose map is already known; a depthwise convolution
    /// also writes each image's `mean` (images, channels) and takes no residual.
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
            base: nil, shift: map?.shift.map { UnsafePointer($0.pointer) },
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
    /// The norm's map and the activation after it; the identity if there is none.
    public let map: ChannelMap
    /// A factor of `d` and a gradient through the mean over positions, added at every position;
    /// (images, channels) each.
    public let gate, spread: Tensor?

    /// `gate` and `spread` are (images, channels).
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

    /// Whether factors differ between images.
    var isPerImage: Bool { gate != nil || spread != nil }
}

/// A feature map to be read as act(values * scale + shift).
public struct MappedMap {
    /// The values before the map.
    public let values: FeatureMap
    /// The map applied to them.
    public let map: ChannelMap

    /// `map` is the identity unless given.
    public init(_ values: FeatureMap, map: ChannelMap = .identity) {
        self.values = values
        self.map = map
    }
}

/// The sums that a pointwise gradient computes over the gradient it writes, for the norm before it.
public enum GradientSums {
    /// Nothing.
    case none
    /// The sums of `gradientSums`, with act' of the input's map.
    case slope(center: Tensor)
    /// The five arrays (5, images, channels) of the kernel `gate_sums`, for a gated input.
    case gate(center: Tensor, Tensor)

    /// Whether sums are per image.
    var isPerImage: Bool { if case .gate = self { true } else { false } }
}

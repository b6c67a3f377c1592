// Prologues (`ChannelMap`, `MappedMap`, `Upstream`) and epilogues (`ConvolutionEnd`) that operators apply while they
// read or write maps, so that normalising, activating, gating and adding need no passes of their own.

import CKernels

/// The epilogue of a convolution, applied to the output while the output is in registers or cache.
public struct ConvolutionEnd {
    /// The map of the folded batch norm, whose scale multiplies the weights; nil if no norm or activation is applied to
    /// the output.
    let map: ChannelMap?
    let residual: FeatureMap?
    let mean: Tensor?
    let center: Tensor?

    /// Leaves the output as it is; with `center` (channels), computes the sums of output - center and of (output -
    /// center)² for `normalise`.
    public static func statistics(center: Tensor?) -> ConvolutionEnd {
        ConvolutionEnd(map: nil, residual: nil, mean: nil, center: center)
    }

    /// Computes act(norm(output)) + residual, for norms whose map is known before the convolution runs. A depthwise
    /// convolution also writes `mean` (images, channels), if given, and takes no residual.
    public static func folded(_ map: ChannelMap, residual: FeatureMap? = nil, mean: Tensor? = nil)
        -> ConvolutionEnd
    {
        ConvolutionEnd(map: map, residual: residual, mean: mean, center: nil)
    }

    var factor: UnsafePointer<Float>? { map?.scale.map { UnsafePointer($0.pointer) } }

    /// Returns the C struct for the part of the output that starts at float `offset`.
    func part(offset: Int, mean meanOffset: Int = 0, sums: UnsafeMutablePointer<Double>?) -> ofa_end
    {
        ofa_end(
            base: nil, shift: map?.shift.map { UnsafePointer($0.pointer) },
            activation: map?.activation.code ?? 0,
            residual: residual.map { UnsafePointer($0.pointer(image: 0) + offset) },
            center: center.map { UnsafePointer($0.pointer) },
            sums: center == nil ? nil : sums,
            mean: mean.map { $0.pointer + meanOffset })
    }
}

/// The gradient that arrives at a convolution's output y, through gate, activation and batch norm:
/// g = (d * gate + meanGradient) * act'(y * scale + shift), dy = a * g + b * y + c.
public struct Upstream {
    /// The gradient after the activation and the gate; nil stands for 0.
    public let d: FeatureMap?
    /// The convolution's raw output.
    public let y: FeatureMap
    /// The map of the batch norm and the activation after it; the identity if there is no norm.
    public let map: ChannelMap
    /// `gate` is a factor of `d`; `meanGradient`, the gradient through the mean over positions, is
    /// added at every position. Both are (images, channels).
    public let gate, meanGradient: Tensor?

    /// Takes the parts of the gradient; `gate` and `meanGradient` are (images, channels).
    public init(
        _ d: FeatureMap?, y: FeatureMap, map: ChannelMap = .identity, gate: Tensor? = nil,
        meanGradient: Tensor? = nil
    ) {
        self.d = d
        self.y = y
        self.map = map
        self.gate = gate
        self.meanGradient = meanGradient
    }

    /// Returns the C struct for the rows that start at `row` of image `image`; without `norm`, dy = g.
    func part(image: Int, row: Int = 0, norm: NormGradient? = nil) -> ofa_upstream {
        let offset = (image * y.pixels + row) * y.channels
        return ofa_upstream(
            d: d?.source(at: offset) ?? ofa_map(), y: y.source(at: offset),
            gate: gate.map { UnsafePointer($0.pointer + image * y.channels) },
            mean_gradient: meanGradient.map { UnsafePointer($0.pointer + image * y.channels) },
            map: map.affine,
            norm: norm?.map ?? ofa_norm_gradient(a: nil, b: nil, c: nil))
    }

    /// Whether g depends on the image through `gate` or `meanGradient`.
    var isPerImage: Bool { gate != nil || meanGradient != nil }
}

/// A feature map to be read as act(values * scale + shift).
public struct MappedMap {
    /// The values before the map.
    public let values: FeatureMap
    /// The map applied to `values`.
    public let map: ChannelMap

    /// Takes the values and the map, by default the identity.
    public init(_ values: FeatureMap, map: ChannelMap = .identity) {
        self.values = values
        self.map = map
    }
}

/// The sums that an operator computes over the input gradient that it writes, for the gradient of the preceding norm.
public enum GradientSums {
    /// No sums.
    case none
    /// The sums of g and of g * (input - center), where g is the input gradient times act' of the
    /// input's map.
    case slope(center: Tensor)
    /// The five sums per image and channel that the C kernel `gate_sums` computes for a gated input; written to the
    /// tensor (5, images, channels).
    case gate(center: Tensor, Tensor)

    /// Whether the sums are computed for each image separately.
    var isPerImage: Bool { if case .gate = self { true } else { false } }
}

// The value passed from one layer to the next: a feature map. Its norm and the addition of its skip may be pending:
// then the next layer applies the norm and adds the skip while it reads the feature map, forward and backward. So the
// end of most blocks needs no pass over memory of its own.

import Tensors

/// A layer's input, act(norm(raw)) + plus; after the mean pooling, `raw` is a feature map of 1×1.
struct LayerInput {
    /// The output of the previous layer, before its norm if the norm is pending.
    let raw: FeatureMap
    /// The pending norm and activation; the identity if none is pending.
    let map: ChannelMap
    /// The pending norm, whose gradient the next layer finishes; nil if none is pending.
    let norm: NormLayer?
    /// The pending skip of the previous layer; nil if none is pending.
    let plus: MappedMap?
    /// Whether the previous layer accepts an upstream gradient that consists of a `meanGradient` alone, without a map
    /// `d`.
    var takesPooledGradient = false
    /// Whether several subnets read this input. Then `SharedStart` finishes the norm's gradient, from
    /// the sum of the subnets' gradients.
    private(set) var isShared = false

    /// Takes a feature map with neither a norm nor a skip pending.
    init(_ written: FeatureMap) {
        (raw, map, norm, plus) = (written, .identity, nil, nil)
    }

    /// Takes the output of a layer before its `norm` and `activation`, and the layer's skip.
    init(_ raw: FeatureMap, norm: NormLayer, _ activation: Activation, plus: MappedMap? = nil) {
        (self.raw, map, self.norm, self.plus) = (raw, norm.state.map(activation), norm, plus)
    }

    /// Whether neither a norm nor a skip is pending.
    var isPlain: Bool { norm == nil && plus == nil }

    /// The sums that `finishGradient` needs. The operator that computes the gradient at this input must compute these
    /// sums too.
    var gradientSums: GradientSums {
        guard let norm, !isShared else { return .none }
        return .slope(center: norm.state.mean)
    }

    /// This input, marked as shared by several subnets.
    var shared: LayerInput {
        var result = self
        result.isShared = true
        result.takesPooledGradient = false
        return result
    }

    /// Finishes the pending norm's gradient from `sums`, which the operator computed with the gradient at this input.
    /// Does nothing if the input is shared or no norm is pending.
    func finishGradient(_ sums: ChannelSums) {
        guard !isShared else { return }
        norm?.finishGradient(sums, channels: raw.channels, rows: raw.rows)
    }

    /// Returns the gradient `d` at this input as an upstream for the previous layer.
    func upstream(_ d: FeatureMap) -> Upstream {
        map.activation == .identity ? Upstream(d, y: raw) : Upstream(d, y: raw, map: map)
    }
}

/// Buffers of one feature map each, used in turn: a layer writes to a buffer that contains none of the maps it reads.
final class TurnBuffers {
    private let buffers: [Workspace]

    /// Makes `count` buffers in the memory of `engine`; each grows to the largest map that it has
    /// to hold.
    init(_ count: Int, _ engine: any Engine) {
        buffers = (0..<count).map { _ in Workspace(engine) }
    }

    /// Empties and returns the first buffer that contains neither `one` nor `two`.
    func free(besides one: Tensor?, _ two: Tensor?) -> Workspace {
        for buffer in buffers where !buffer.lent(one) && !buffer.lent(two) {
            buffer.reset()
            return buffer
        }
        preconditionFailure("all \(buffers.count) buffers are in use")
    }

    /// The sum of the buffers' peaks, in floats.
    var peak: Int { buffers.reduce(0) { $0 + $1.peak } }

    /// Grows each buffer to the largest peak among `other`'s buffers, because the buffer in which a map lies depends on
    /// how many layers ran before.
    func reserve(as other: TurnBuffers) {
        let most = other.buffers.reduce(0) { max($0, $1.peak) }
        for buffer in buffers { buffer.reset(room: most) }
    }
}

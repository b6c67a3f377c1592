// The value passed from one layer to the next: a raw map with a pending norm and skip. The next
// layer normalises and adds while it reads, forward and backward, so the end of a block needs no
// pass of its own.

import Tensors

/// A layer's input, act(norm(raw)) + plus; 1×1 maps after the pooling.
struct LayerInput {
    /// The raw output of the previous layer.
    let raw: FeatureMap
    /// The pending map; the identity if the previous layer applied it.
    let map: ChannelMap
    /// The norm of that map if it uses batch statistics: the next layer finishes its gradient.
    let norm: NormLayer?
    /// The skip connection of the previous layer, if it has one.
    let plus: MappedMap?
    /// Whether the previous layer accepts a gradient that is constant over positions without a map.
    var takesPooledGradient = false

    /// A plain map, with nothing pending.
    init(_ written: FeatureMap) {
        (raw, map, norm, plus) = (written, .identity, nil, nil)
    }

    /// The raw output before `norm`, and the layer's skip.
    init(_ raw: FeatureMap, norm: NormLayer, _ activation: Activation, plus: MappedMap? = nil) {
        (self.raw, map, self.norm, self.plus) = (raw, norm.state.map(activation), norm, plus)
    }

    /// Whether nothing is pending.
    var isPlain: Bool { norm == nil && plus == nil }

    /// The sums that a gradient at this input must compute for `finishGradient`.
    var gradientSums: GradientSums {
        norm.map { .slope(center: $0.state.mean) } ?? .none
    }

    /// Finishes the norm's gradient from the sums of a gradient at this input.
    func finishGradient(_ sums: ChannelSums) {
        norm?.finishGradient(sums, channels: raw.channels, rows: raw.rows)
    }

    /// The gradient `d` at this input as an upstream for the previous layer.
    func upstream(_ d: FeatureMap) -> Upstream {
        map.activation == .identity ? Upstream(d, y: raw) : Upstream(d, y: raw, map: map)
    }
}

/// Three rotating buffers for passes without a tape: while a layer runs, its input and the previous
/// layer's skip are in use, and one is free.
struct Turns {
    private let buffers: (Tensor, Tensor, Tensor)

    /// Allocates three buffers of `floats` each.
    init(_ workspace: Workspace, floats: Int) {
        buffers = (workspace.take(floats), workspace.take(floats), workspace.take(floats))
    }

    /// The first buffer that holds neither map.
    func free(besides one: FeatureMap?, _ two: FeatureMap?) -> Tensor {
        func isFree(_ buffer: Tensor) -> Bool {
            one?.tensor.offset != buffer.offset && two?.tensor.offset != buffer.offset
        }
        return isFree(buffers.0) ? buffers.0 : isFree(buffers.1) ? buffers.1 : buffers.2
    }
}

// What one layer hands to the next: a raw map, and what its reader does to it. The end of a block, norm and skip, is
// never a pass of its own: the next block's expansion normalises and adds while it reads, forward and backward.

import Tensors

/// A layer's input, act(norm(raw)) + plus.
struct BlockInput {
    /// What the layer before wrote.
    let raw: FeatureMap
    /// What is applied to it; the identity where the layer before did so.
    let map: ChannelMap
    /// The norm whose map that is, if its batch statistics are in use: who reads finishes its gradient.
    let norm: NormLayer?
    /// The skip past the layer before, if it has one.
    let plus: MappedMap?

    /// A map that is read as it is.
    init(_ settled: FeatureMap) {
        (raw, map, norm, plus) = (settled, .identity, nil, nil)
    }

    /// The raw output before `norm`, and the skip past the layer.
    init(_ raw: FeatureMap, norm: NormLayer, _ activation: Activation, plus: MappedMap?) {
        (self.raw, map, self.norm, self.plus) = (raw, norm.state.map(activation), norm, plus)
    }

    /// The sums that a gradient at this input leaves for `finishGradient`.
    var gradientSums: GradientSums {
        norm.map { .slope(center: $0.state.mean) } ?? .none
    }

    /// Finishes the gradient of the norm from the sums that a gradient at this input has taken.
    func finishGradient(_ sums: ChannelSums) {
        norm?.finishGradient(sums, channels: raw.channels, rows: raw.rows)
    }
}

/// Three buffers that take turns where nothing is kept for a backward pass: while a block runs, its input and the skip
/// past the layer before are in use, and one is free.
struct Turns {
    private let buffers: (Tensor, Tensor, Tensor)

    /// Takes three buffers of `floats` each.
    init(_ workspace: Workspace, floats: Int) {
        buffers = (workspace.take(floats), workspace.take(floats), workspace.take(floats))
    }

    /// The first buffer that neither map lies in.
    func free(besides one: FeatureMap?, _ two: FeatureMap?) -> Tensor {
        func isFree(_ buffer: Tensor) -> Bool {
            one?.tensor.offset != buffer.offset && two?.tensor.offset != buffer.offset
        }
        return isFree(buffers.0) ? buffers.0 : isFree(buffers.1) ? buffers.1 : buffers.2
    }
}

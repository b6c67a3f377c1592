// The filter of one elastic depthwise layer. Each smaller filter is the centre of the next larger filter; if the space
// has transform matrices, this centre is multiplied by a matrix that all channels share. The active filter is stored as
// (kernel * kernel, channels) for the depthwise operators.

import Tensors

/// Derives the active filter from the stored filter, and propagates the active filter's gradient
/// back.
final class ElasticKernel {
    private let weight: ParameterLayout.Parameter
    private let steps: [(larger: Int, smaller: Int, matrix: ParameterLayout.Parameter)]
    private let sizes: [Int]
    private unowned let context: NetworkContext
    private let stored: Int
    /// `crops`: for each smaller kernel size, the cropped filter before it is multiplied by a transform matrix. `work`:
    /// two temporaries.
    private let crops: [Storage]
    private let work: [Storage]
    /// The active filter; `gradient` is its gradient, nil until training starts.
    private let active: Storage
    private var gradient: Storage?

    init(_ names: BlockNames, sizes: [Int], context: NetworkContext) {
        self.context = context
        let weight = context.parameter(names.depthwise.weight), largest = weight.shape[2]
        self.weight = weight
        stored = largest
        self.sizes = sizes.filter { $0 <= largest }.sorted(by: >)
        steps = names.transforms.map { larger, smaller in
            (larger, smaller, context.parameter(names.transform(larger, smaller)))
        }
        let count = weight.count
        crops = self.sizes.map { _ in context.engine.storage(count) }
        work = [context.engine.storage(count), context.engine.storage(count)]
        active = context.engine.storage(count)
    }

    /// Returns the transform to kernels of size `smaller`; nil if there is none, or if transforms are switched off.
    private func step(to smaller: Int) -> (
        larger: Int, smaller: Int, matrix: ParameterLayout.Parameter
    )? {
        context.usesKernelTransform ? steps.first { $0.smaller == smaller } : nil
    }

    /// Returns the active filter (kernel * kernel, channels), which `activate` has derived.
    func filter(_ kernel: Int, _ channels: Int) -> Tensor {
        active.all.slice(0, kernel * kernel * channels)
    }

    /// Derives the filter of the first `channels` channels at size `kernel`.
    func activate(kernel: Int, channels: Int) {
        var current = context.tensor(weight)
        var size = stored
        for (index, smaller) in sizes.dropFirst().enumerated() where smaller >= kernel {
            let side = smaller * smaller
            let crop = crops[index].all.slice(0, side * channels)
            context.engine.cropFilters(
                current, channels: channels, from: size, to: smaller, output: crop)
            current = crop
            if let step = step(to: smaller) {
                let made = work[index % 2].all.slice(0, side * channels)
                context.engine.multiply(
                    MatrixSlice(crop, rows: channels, columns: side, stride: side),
                    MatrixSlice(
                        context.tensor(step.matrix), rows: side, columns: side, stride: side),
                    transposeSecond: true,
                    into: MatrixSlice(made, rows: channels, columns: side, stride: side))
                current = made
            }
            size = smaller
        }
        context.engine.transpose(
            current, rows: channels, columns: kernel * kernel, output: active.all)
    }

    /// Returns zeroed memory for the gradient of the active filter.
    func clearedGradient(kernel: Int, channels: Int) -> Tensor {
        let storage = gradient ?? context.engine.storage(weight.count)
        gradient = storage
        let active = storage.all.slice(0, kernel * kernel * channels)
        context.engine.fill(active, with: 0)
        return active
    }

    /// Allocates the memory for the gradient of the active filter.
    func reserveGradient() {
        if gradient == nil { gradient = context.engine.storage(weight.count) }
    }

    /// Propagates `total`, the active filter's gradient, back: adds to the gradients of the stored filter and of the
    /// matrices.
    func finishGradient(_ total: Tensor, kernel: Int, channels: Int) {
        let taps = kernel * kernel, engine = context.engine
        context.touch(weight)
        var d = work[0].all.slice(0, taps * channels)
        var next = 1
        engine.transpose(total, rows: taps, columns: channels, output: d)
        for index in sizes.dropFirst().indices.reversed() where sizes[index] >= kernel {
            let smaller = sizes[index], larger = sizes[index - 1], side = smaller * smaller
            if let step = step(to: smaller) {
                let crop = crops[index - 1].all.slice(0, side * channels)
                context.touch(step.matrix)
                let rows = MatrixSlice(d, rows: channels, columns: side, stride: side)
                engine.multiply(
                    rows, MatrixSlice(crop, rows: channels, columns: side, stride: side),
                    transposeFirst: true,
                    accumulate: true,
                    into: MatrixSlice(
                        context.gradient(step.matrix), rows: side, columns: side, stride: side))
                // The crop is no longer needed, so the gradient at the crop is written over it.
                engine.multiply(
                    rows,
                    MatrixSlice(
                        context.tensor(step.matrix), rows: side, columns: side, stride: side),
                    into: MatrixSlice(crop, rows: channels, columns: side, stride: side))
                d = crop
            }
            let grown = work[next].all.slice(0, larger * larger * channels)
            engine.padFilters(d, channels: channels, from: larger, to: smaller, output: grown)
            d = grown
            next = 1 - next
        }
        engine.add(d, to: context.gradient(weight).slice(0, d.count))
    }
}

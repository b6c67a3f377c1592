// The filter of one elastic depthwise layer: for each kernel size below the largest, the centre of the next larger
// filter times a matrix shared by all channels. Stored as (kernel * kernel, channels) for the
// depthwise operators.

import Tensors

/// Derives the active filter from the stored one, and propagates its gradient back.
final class ElasticKernel {
    private let weight: ParameterLayout.Parameter
    private let steps: [(larger: Int, smaller: Int, matrix: ParameterLayout.Parameter)]
    private let sizes: [Int]
    private unowned let context: NetworkContext
    private let stored: Int
    /// The cropped filters before each matrix, one per step down, and two temporaries.
    private let crops: [Storage]
    private let work: [Storage]
    /// The active filter, and its gradient once training starts.
    private let active: Storage
    private var gradients = Storage(count: 0)

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
        crops = self.sizes.map { _ in Storage(count: count) }
        work = [Storage(count: count), Storage(count: count)]
        active = Storage(count: count)
    }

    /// The active filter (kernel * kernel, channels) after `activate`.
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
            context.backend.cropFilters(
                current, channels: channels, from: size, to: smaller, output: crop)
            current = crop
            if let step = steps.first(where: { $0.smaller == smaller }) {
                let made = work[index % 2].all.slice(0, side * channels)
                context.backend.multiply(
                    MatrixSlice(crop, rows: channels, columns: side, stride: side),
                    MatrixSlice(
                        context.tensor(step.matrix), rows: side, columns: side, stride: side),
                    transposeSecond: true,
                    into: MatrixSlice(made, rows: channels, columns: side, stride: side))
                current = made
            }
            size = smaller
        }
        context.backend.transpose(
            current, rows: channels, columns: kernel * kernel, output: active.all)
    }

    /// Allocates the gradient of the active filter.
    func reserveGradients() {
        if gradients.count < weight.count { gradients = Storage(count: weight.count) }
    }

    /// A zeroed gradient of the active filter.
    func clearedGradient(kernel: Int, channels: Int) -> Tensor {
        reserveGradients()
        let gradient = gradients.all.slice(0, kernel * kernel * channels)
        gradient.fill(with: 0)
        return gradient
    }

    /// Adds the active filter's gradient, through the matrices, to the stored filter's and the matrices' gradients.
    func finishGradient(_ total: Tensor, kernel: Int, channels: Int) {
        let taps = kernel * kernel, backend = context.backend
        context.touch(weight)
        var d = work[0].all.slice(0, taps * channels)
        var next = 1
        backend.transpose(total, rows: taps, columns: channels, output: d)
        for index in sizes.dropFirst().indices.reversed() where sizes[index] >= kernel {
            let smaller = sizes[index], larger = sizes[index - 1], side = smaller * smaller
            if let step = steps.first(where: { $0.smaller == smaller }) {
                let crop = crops[index - 1].all.slice(0, side * channels)
                context.touch(step.matrix)
                let rows = MatrixSlice(d, rows: channels, columns: side, stride: side)
                backend.multiply(
                    rows, MatrixSlice(crop, rows: channels, columns: side, stride: side),
                    transposeFirst: true,
                    accumulate: true,
                    into: MatrixSlice(
                        context.gradient(step.matrix), rows: side, columns: side, stride: side))
                // The crop is no longer needed: its memory takes the gradient at the crop.
                backend.multiply(
                    rows,
                    MatrixSlice(
                        context.tensor(step.matrix), rows: side, columns: side, stride: side),
                    into: MatrixSlice(crop, rows: channels, columns: side, stride: side))
                d = crop
            }
            let grown = work[next].all.slice(0, larger * larger * channels)
            backend.padFilters(d, channels: channels, from: larger, to: smaller, output: grown)
            d = grown
            next = 1 - next
        }
        backend.add(d, to: context.gradient(weight).slice(0, d.count))
    }
}

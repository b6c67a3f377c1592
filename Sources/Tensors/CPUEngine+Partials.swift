// Weight gradients: each thread sums over its share of the images. At the end of the operator, the partial sums of the
// threads are added to the gradient in thread order. So all threads share one array of gradients, and each further
// thread needs memory only for the weights of the largest layer.

import CKernels

extension CPUEngine {
    /// Returns the memory of thread `thread`'s partial weight gradient: `gradient` itself for
    /// thread 0, zeroed memory for the other threads.
    func partial(of gradient: MatrixSlice, thread: Int) -> (
        pointer: UnsafeMutablePointer<Float>, stride: Int
    ) {
        if thread == 0 { return (gradient.tensor.pointer, gradient.stride) }
        let own = partials[thread].base
        own.update(repeating: 0, count: gradient.rows * gradient.columns)
        return (own, gradient.columns)
    }

    /// Adds to `gradient` the partial sums of all threads but thread 0; skips threads without a share of the `images`
    /// images.
    func addPartials(to gradient: MatrixSlice, images: Int) {
        guard threads > 1 else { return }
        let columns = gradient.columns
        eachPart(of: gradient.rows, floats: gradient.rows * columns) { rows in
            for thread in 1..<threads where !pool.share(of: images, thread: thread).isEmpty {
                let from = partials[thread].base
                for row in rows {
                    let to = gradient.tensor.pointer + row * gradient.stride
                    kernels.affine(
                        ofa_map(from + row * columns), 1, 1, Int32(columns),
                        ChannelMap.identity.affine, nil, ofa_map(to), to)
                }
            }
        }
    }

    /// Adds the partial sums of all threads to `gradient`. In the partial sums, tap t of output o
    /// starts at float o * outputStride + t * tapStride.
    func addPartials(to gradient: FilterSlice, outputStride: Int, tapStride: Int, images: Int) {
        let taps = gradient.taps, inputs = gradient.inputs
        eachPart(of: gradient.outputs, floats: gradient.outputs * inputs * taps) { outputs in
            for thread in 0..<threads where !pool.share(of: images, thread: thread).isEmpty {
                for output in outputs {
                    let to = gradient.tensor.pointer + output * gradient.outputStride
                    let from = partials[thread].base + output * outputStride
                    for tap in 0..<taps {
                        for input in 0..<inputs {
                            to[input * taps + tap] += from[tap * tapStride + input]
                        }
                    }
                }
            }
        }
    }

    /// Runs `body` with all `count` rows, or divides the rows among the threads if there is enough
    /// work to wake the threads.
    private func eachPart(of count: Int, floats: Int, _ body: (Range<Int>) -> Void) {
        timed("addPartials", floats: (threads + 1) * floats) {
            if threads == 1 || floats < 4096 { return body(0..<count) }
            pool.run { body(pool.share(of: count, thread: $0)) }
        }
    }
}

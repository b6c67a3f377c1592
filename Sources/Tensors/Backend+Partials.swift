// Weight gradients: each thread sums over its images, and the parts are added to the gradient in thread order as soon as
// the operator has ended. So there is one arena of gradients, however many threads there are; a thread takes no more
// than the largest weight on top.

import CKernels

extension Backend {
    /// Where thread `thread` adds its part of a weight gradient: the first in place, the others from zero in memory of
    /// their own.
    func partial(of gradient: MatrixSlice, thread: Int) -> (
        pointer: UnsafeMutablePointer<Float>, stride: Int
    ) {
        if thread == 0 { return (gradient.tensor.pointer, gradient.stride) }
        let own = partials[thread].base
        own.update(repeating: 0, count: gradient.rows * gradient.columns)
        return (own, gradient.columns)
    }

    /// Adds what the other threads, as far as they had any of `images`, have summed.
    func addPartials(to gradient: MatrixSlice, images: Int) {
        guard threads > 1 else { return }
        let columns = gradient.columns
        eachPart(of: gradient.rows, floats: gradient.rows * columns) { rows in
            for thread in 1..<threads where !pool.share(of: images, thread: thread).isEmpty {
                let from = partials[thread].base
                for row in rows {
                    let to = gradient.tensor.pointer + row * gradient.stride
                    kernels.affine(
                        from + row * columns, 1, 1, Int32(columns), ChannelMap.identity.affine,
                        nil, to, to)
                }
            }
        }
    }

    /// Adds what every thread has summed of filters, where output o's tap t begins at o * outputStride + t * tapStride.
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

    /// Runs `body` with all of `count` rows, or with a part on each thread if they are worth waking them.
    private func eachPart(of count: Int, floats: Int, _ body: (Range<Int>) -> Void) {
        timed("addPartials", floats: (threads + 1) * floats) {
            if threads == 1 || floats < 4096 { return body(0..<count) }
            pool.run { body(pool.share(of: count, thread: $0)) }
        }
    }
}

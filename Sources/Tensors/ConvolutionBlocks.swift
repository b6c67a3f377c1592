// The blocking of dense convolutions: blocks whose maps should fit in the second-level cache, and
// the layout of a block's arrays in scratch.

import CKernels

/// A view of a convolution's stored weights (out, in, kernel, kernel): those of the first output and input channels.
public struct FilterSlice {
    /// The stored weights; the first float belongs to the first output, input and tap.
    public let tensor: Tensor
    /// The numbers of active output and input channels, the side of a filter, and the number of stored input channels.
    public let outputs, inputs, kernel, storedInputs: Int

    /// Takes the first `outputs` outputs and `inputs` inputs of weights with `storedInputs` inputs.
    public init(_ tensor: Tensor, outputs: Int, inputs: Int, kernel: Int, storedInputs: Int) {
        precondition(
            inputs <= storedInputs
                && outputs * storedInputs * kernel * kernel <= tensor.count,
            "filters \(outputs)x\(inputs) of \(storedInputs), \(kernel)x\(kernel), lie outside"
                + " \(tensor.count) floats")
        self.tensor = tensor
        self.outputs = outputs
        self.inputs = inputs
        self.kernel = kernel
        self.storedInputs = storedInputs
    }

    var taps: Int { kernel * kernel }
    /// Floats between the filters of consecutive outputs.
    var outputStride: Int { storedInputs * taps }
}

/// The sizes and blocking of one dense convolution with padding kernel / 2.
struct ConvolutionBlocks {
    let kernel, stride, inHeight, inWidth, inputs, outHeight, outWidth, outputs: Int

    init(
        input: FeatureMap, output: FeatureMap, weight: FilterSlice, stride: Int, _ name: String
    ) {
        kernel = weight.kernel
        self.stride = stride
        (inHeight, inWidth, inputs) = (input.height, input.width, input.channels)
        (outHeight, outWidth, outputs) = (output.height, output.width, output.channels)
        precondition(
            outHeight == (inHeight - 1) / stride + 1 && outWidth == (inWidth - 1) / stride + 1
                && weight.inputs == inputs && weight.outputs == outputs && kernel % 2 == 1
                && stride >= 1 && stride <= max(1, kernel - 1) && input.images == output.images,
            "\(name) \(kernel)x\(kernel) stride \(stride), weight \(weight.outputs)x\(weight.inputs):"
                + " \(inHeight)x\(inWidth)x\(inputs) does not go with"
                + " \(outHeight)x\(outWidth)x\(outputs)")
    }

    /// Takes the sizes of a convolution of maps of `size` x `size` pixels.
    init(size: Int, inputs: Int, outputs: Int, kernel: Int, stride: Int) {
        (self.kernel, self.stride, self.inputs, self.outputs) = (kernel, stride, inputs, outputs)
        (inHeight, inWidth) = (size, size)
        (outHeight, outWidth) = ((size - 1) / stride + 1, (size - 1) / stride + 1)
    }

    /// Takes the sizes of a convolution of maps of `height` x `width` pixels.
    init(height: Int, width: Int, inputs: Int, outputs: Int, kernel: Int, stride: Int) {
        (self.kernel, self.stride, self.inputs, self.outputs) = (kernel, stride, inputs, outputs)
        (inHeight, inWidth) = (height, width)
        (outHeight, outWidth) = ((height - 1) / stride + 1, (width - 1) / stride + 1)
    }

    var padding: Int { kernel / 2 }
    /// Columns of the zero-padded map that the outputs read.
    var paddedWidth: Int { (outWidth - 1) * stride + kernel }
    var taps: Int { kernel * kernel }

    /// The numbers of images and rows of a block, and the floats of the block's arrays in scratch.
    struct Cut {
        let images, rows: Int
        let parts: (Int, Int, Int, Int, Int)
        var floats: Int { parts.0 + parts.1 + parts.2 + parts.3 + parts.4 }
    }

    /// Positions per block: a multiple of 16 from 192 to 2,048. With fewer positions, reading the weights would
    /// dominate.
    private var positions: Int {
        min(2048, max(192, CPUEngine.blockFloats / (inputs + outputs) / 16 * 16))
    }

    private func cut(_ height: Int, _ width: Int, step: Int) -> (images: Int, rows: Int) {
        let pixels = height * width
        if pixels <= positions { return (positions / pixels, height) }
        return (1, min(height, max(1, positions / width / step) * step))
    }

    /// Blocks of output rows. The arrays hold the prepared input, one tap's part of that input, and
    /// the result.
    var forward: Cut {
        let (images, rows) = cut(outHeight, outWidth, step: 1)
        let under = min(inHeight, (rows - 1) * stride + kernel)
        let places = images * rows * outWidth
        return Cut(
            images: images, rows: rows,
            parts: (images * under * inWidth * inputs, places * inputs, places * outputs, 0, 0))
    }

    /// Blocks of input rows. The arrays hold the prepared input, the input gradient, the output gradient that the input
    /// gradient depends on, one tap's part of the output gradient and, if the stride is not 1, input and input gradient
    /// at the positions of one parity (equal row and column modulo the stride).
    var backward: Cut {
        let (images, rows) = cut(inHeight, inWidth, step: stride)
        let places = images * rows * inWidth
        let reaching = min(outHeight, (rows + kernel) / stride + 2)
        let alike = images * ((rows + stride - 1) / stride) * ((inWidth + stride - 1) / stride)
        return Cut(
            images: images, rows: rows,
            parts: (
                places * inputs, places * inputs, images * reaching * outWidth * outputs,
                alike * outputs, stride == 1 ? 0 : 2 * alike * inputs
            ))
    }

    /// Returns tap `index` in filter order, except that the central tap is last. A sum skips taps outside the map, but
    /// the central tap lies inside the map for every position, so the last product of a sum is never skipped.
    func tap(_ index: Int) -> (y: Int, x: Int) {
        let middle = taps / 2, last = taps - 1
        let tap = index == last ? middle : index < middle ? index : index + 1
        return (tap / kernel, tap % kernel)
    }

    /// Calls `body` for every block of `cut` over `images`, whose maps have `height` rows.
    @inline(__always)
    func each(
        _ images: Range<Int>, _ cut: Cut, height: Int,
        _ body: (_ image: Int, _ images: Int, _ row: Int, _ rows: Int) -> Void
    ) {
        for image in Swift.stride(from: images.lowerBound, to: images.upperBound, by: cut.images) {
            let count = min(cut.images, images.upperBound - image)
            for row in Swift.stride(from: 0, to: height, by: cut.rows) {
                body(image, count, row, min(cut.rows, height - row))
            }
        }
    }
}

// The operators of a compiled pass that do little work: dense layers, pooling and the sum of a bottleneck block.

import CKernels

/// output = act(input · weights + bias) over the features of a few images.
final class DenseStep: CompiledStep {
    /// The function after the product.
    enum End {
        /// An activation that the kernels have.
        case activation(Activation)
        /// relu6(x + 3) / 6, the gate of squeeze-and-excite.
        case hardSigmoid
    }

    let name: StaticString = "dense"
    private let table: UnsafePointer<ofa_kernels>
    private let input, output, packed, bias: PassPlace
    /// The input is the sum of `parts` arrays (images, inputs).
    private let parts: Int
    private let images, inputs, outputs: Int
    private let end: End
    private let columnCuts: [Int]

    /// Images, features of input and output, and the number of arrays whose sum is the input.
    struct Shape {
        let images, inputs, outputs, parts: Int
    }

    init(
        _ shape: Shape, threads: Int, table: UnsafePointer<ofa_kernels>, input: PassPlace,
        packed: PassPlace, bias: PassPlace, end: End, output: PassPlace
    ) {
        self.table = table
        (self.input, self.output, self.packed, self.bias) = (input, output, packed, bias)
        (images, inputs, outputs, parts) = (
            shape.images, shape.inputs, shape.outputs, shape.parts
        )
        self.end = end
        let isShared = inputs * outputs >= StepCut.soloWeights
        columnCuts = StepCut.panels(
            outputs, parts: isShared && threads > 1 ? 2 * threads : 1, table.pointee)
    }

    var items: Int { columnCuts.count - 1 }
    var macs: Int { images * inputs * outputs }
    var weightFloats: Int { inputs * outputs + outputs }
    var mapFloats: Int { images * (parts * inputs + outputs) }

    func run(_ item: Int, _ scratch: UnsafeMutablePointer<Float>) {
        let first = columnCuts[item], count = columnCuts[item + 1] - first
        let from = whole(scratch), weights = packed.pointer + inputs * first
        let shift = UnsafePointer(bias.pointer + first)
        let activation =
            if case .activation(let kind) = end { kind.code } else { Activation.identity.code }
        // A product of several rows reads the weights once; it needs rows enough to fill its tiles.
        if images < 4 {
            for image in 0..<images {
                table.pointee.gemv(
                    from + image * inputs, Int32(inputs), weights, Int32(count), shift, activation,
                    output.pointer + image * outputs + first)
            }
        } else {
            var last = ofa_end()
            (last.shift, last.activation) = (shift, activation)
            table.pointee.product(
                from, Int64(inputs), Int32(images), Int32(inputs), weights, Int32(count),
                output.pointer + first, Int64(outputs), &last, nil)
        }
        guard case .hardSigmoid = end else { return }
        for image in 0..<images {
            let values = output.pointer + image * outputs + first
            for i in 0..<count { values[i] = min(max(values[i] + 3, 0), 6) / 6 }
        }
    }

    /// Returns the input, whose parts are added up in `scratch` if there are several.
    private func whole(_ scratch: UnsafeMutablePointer<Float>) -> UnsafePointer<Float> {
        let count = images * inputs, from = input.pointer
        if parts == 1 { return UnsafePointer(from) }
        for i in 0..<count {
            var sum = from[i]
            for part in 1..<parts { sum += from[part * count + i] }
            scratch[i] = sum
        }
        return UnsafePointer(scratch)
    }
}

/// Operators over whole maps that read each value once: pooling, and act(a + b).
final class MapStep: CompiledStep {
    /// The operator.
    enum Operation {
        /// The mean of each channel.
        case mean
        /// The maximum over windows of this geometry.
        case maximum(ofa_depthwise)
        /// The mean over adjacent windows of `size` x `size` pixels.
        case windowMean(size: Int)
        /// act(input + other).
        case sum(PassPlace, Activation)
    }

    private let table: UnsafePointer<ofa_kernels>
    private let input, output: PassPlace
    private let operation: Operation
    private let height, width, channels, outPixels: Int
    let items: Int

    init(
        _ operation: Operation, images: Int, height: Int, width: Int, channels: Int, outPixels: Int,
        table: UnsafePointer<ofa_kernels>, input: PassPlace, output: PassPlace
    ) {
        self.table = table
        (self.input, self.output, self.operation) = (input, output, operation)
        (items, self.height, self.width) = (images, height, width)
        (self.channels, self.outPixels) = (channels, outPixels)
    }

    var name: StaticString {
        switch operation {
        case .mean: "mean"
        case .maximum: "maxPooling"
        case .windowMean: "meanPooling"
        case .sum: "sumActivated"
        }
    }
    var macs: Int { 0 }
    var weightFloats: Int { 0 }
    var mapFloats: Int {
        if case .sum = operation { return 3 * items * channels * outPixels }
        return items * channels * (height * width + outPixels)
    }

    func run(_ item: Int, _ scratch: UnsafeMutablePointer<Float>) {
        let floats = height * width * channels
        let x = input.pointer + item * floats, y = output.pointer + item * outPixels * channels
        let (h, w, c) = (Int32(height), Int32(width), Int32(channels))
        switch operation {
        case .mean: table.pointee.mean(ofa_map(x), 1, h * w, c, ofa_affine(), y)
        case .maximum(let windows): table.pointee.max_pool(windows, x, ofa_affine(), y)
        case .windowMean(let size):
            table.pointee.mean_pool(x, 1, h, w, c, Int32(size), ofa_affine(), y)
        case .sum(let other, let activation):
            table.pointee.sum_activated(
                x, ofa_affine(), other.pointer + item * floats, ofa_affine(), Int64(h * w), c,
                activation.code, y)
        }
    }
}

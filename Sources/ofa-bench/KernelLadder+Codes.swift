// The rungs of `ofa-bench kernels` for operators on codes of eight bits. Each runs in a pass of its own, between the
// quantisation of the images and a small linear layer, which are not counted.
import Tensors

extension KernelLadder {
    /// Times a convolution of 1×1, with its h-swish, and the depthwise convolution after it.
    func codeExpansion(
        _ size: Int, _ inputs: Int, _ channels: Int, _ kernel: Int, _ stride: Int
    ) -> [Found] {
        let name = "\(size) px, \(inputs) to \(channels), kernel \(kernel), stride \(stride), codes"
        return onCodes("expand depthwise", name, size, inputs) { builder, x in
            builder.expansion(
                x, expand: weights(inputs, channels, .hSwish),
                weights(kernel * kernel, channels, .hSwish), kernel: kernel, stride: stride)
        }
    }

    /// Times the linear layer with the logits of one image, whatever the number of images of the other rungs.
    func codeRow(_ inputs: Int, _ outputs: Int) -> [Found] {
        let builder = CodePassBuilder(engine, images: 1)
        let x = builder.input(size: 1, channels: inputs, meaning)
        let pass = builder.finish(x, logits: weights(inputs, outputs))
        let features = FeatureMap(
            values(inputs), images: 1, height: 1, width: 1, channels: inputs)
        return [
            fastest("dense", "1 row, \(inputs) to \(outputs), codes") { _ = pass.run(features) }
        ]
    }

    /// Times a convolution with its h-swish.
    func codes(_ size: Int, _ inputs: Int, _ outputs: Int, _ kernel: Int, _ stride: Int) -> [Found]
    {
        let layer = weights(kernel * kernel * inputs, outputs, .hSwish)
        let name = "\(size) px, \(inputs) to \(outputs), kernel \(kernel), stride \(stride), codes"
        return onCodes(kernel == 1 ? "pointwise" : "convolution", name, size, inputs) {
            builder, x in
            kernel == 1
                ? builder.product(x, layer)
                : builder.convolution(
                    x, layer, kernel: kernel, stride: stride, padding: kernel / 2)
        }
    }

    /// Times the sum of two maps.
    func codeSum(_ size: Int, _ channels: Int) -> [Found] {
        onCodes("sum", "\(size) px, \(channels), codes", size, channels) { builder, x in
            builder.sum(x, x, Quantisation(scale: 0.02, zero: 128))
        }
    }

    /// Times the operator `name` that `add` adds to a pass.
    private func onCodes(
        _ name: String, _ shape: String, _ size: Int, _ inputs: Int,
        _ add: (CodePassBuilder, PlannedCodes) -> PlannedCodes
    ) -> [Found] {
        let builder = CodePassBuilder(engine, images: images)
        let y = add(builder, builder.input(size: size, channels: inputs, meaning))
        let pass = builder.finish(
            builder.mean(y, meaning), logits: weights(y.channels, 2))
        let images = map(size, inputs)
        return [fastest(name, shape) { _ = pass.run(images) }]
    }

    /// The meaning of all maps' codes.
    private var meaning: Quantisation { Quantisation(scale: 0.01, zero: 128) }

    /// Returns the integers of a layer whose sums have `depth` weights.
    private func weights(_ depth: Int, _ outputs: Int, _ function: CodeFunction? = nil)
        -> CodeWeights
    {
        CodeWeights(
            values: (0..<depth * outputs).map { Int8($0 * 37 % 255 - 127) },
            scales: Array(repeating: 0.001, count: outputs),
            bias: Array(repeating: 5, count: outputs), sums: meaning,
            function: function.map { ($0, meaning) })
    }
}

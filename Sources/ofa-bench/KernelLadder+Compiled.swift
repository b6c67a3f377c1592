// The rungs of `ofa-bench kernels` for the operators of compiled passes. Each runs as the only operator of a pass.
import Tensors

extension KernelLadder {
    /// Times an expansion with its depthwise convolution and its mean, as before squeeze-and-excite.
    func expansion(_ size: Int, _ inputs: Int, _ channels: Int, _ kernel: Int, _ stride: Int)
        -> [Found]
    {
        let builder = PassBuilder(engine, images: images)
        let x = builder.input(height: size, width: size, channels: inputs)
        let (map, _) = builder.expansion(
            x, expand: (filters(inputs, channels, kernel: 1), norm(channels)),
            PassBuilder.Depthwise(
                filters: [Float](repeating: 0.01, count: channels * kernel * kernel),
                kernel: kernel, stride: stride, norm: norm(channels)),
            activation: .hSwish, mean: true)
        let name = "\(size) px, \(inputs) to \(channels), kernel \(kernel), stride \(stride)"
        return [fastest("expandDepthwise", name, builder.finish(map), self.map(size, inputs))]
    }

    /// Times a dense layer of one image, whatever the number of images of the other rungs.
    func row(_ inputs: Int, _ outputs: Int) -> [Found] {
        let builder = PassBuilder(engine, images: 1)
        let x = builder.input(height: 1, width: 1, channels: inputs)
        let y = builder.dense(
            x, weight: matrix(outputs, inputs), bias: values(outputs), activation: .relu)
        let features = FeatureMap(
            values(inputs), images: 1, height: 1, width: 1, channels: inputs)
        return [
            fastest("dense", "1 row, \(inputs) to \(outputs)", builder.finish(y), features)
        ]
    }

    /// Times a convolution with a folded norm.
    func compiled(_ size: Int, _ inputs: Int, _ outputs: Int, _ kernel: Int, _ stride: Int)
        -> [Found]
    {
        let builder = PassBuilder(engine, images: images)
        let x = builder.input(height: size, width: size, channels: inputs)
        let y = builder.convolution(
            x, weight: filters(inputs, outputs, kernel: kernel), norm: norm(outputs),
            stride: stride, activation: .hSwish)
        return [
            fastest(
                kernel == 1 ? "pointwise" : "convolution",
                "\(size) px, \(inputs) to \(outputs), kernel \(kernel), stride \(stride), compiled",
                builder.finish(y), map(size, inputs))
        ]
    }

    /// Times the operator `name` of a pass.
    private func fastest(_ name: String, _ shape: String, _ pass: CompiledPass, _ x: FeatureMap)
        -> Found
    {
        let clock = PassClock(countsProcessorTime: false), costs = pass.costs
        var best = Double.infinity, macs = 0
        for _ in 0..<runs {
            _ = pass.profiled(x, clock)
            for (cost, ms) in zip(costs, clock.milliseconds) where cost.name == name && ms < best {
                (best, macs) = (ms, cost.macs)
            }
        }
        return Found(
            name: "\(name) \(shape)", unit: "GFLOP/s", rate: 2e-6 * Double(macs) / best, ms: best)
    }

    private func filters(_ inputs: Int, _ outputs: Int, kernel: Int) -> FilterSlice {
        FilterSlice(
            values(inputs * outputs * kernel * kernel), outputs: outputs, inputs: inputs,
            kernel: kernel, storedInputs: inputs)
    }

    private func norm(_ channels: Int) -> FoldedNorm {
        let ones = Tensor([Float](repeating: 1, count: channels))
        return FoldedNorm(
            NormParameters(
                gamma: ones, beta: values(channels), runningMean: values(channels),
                runningVariance: ones), channels: channels, epsilon: 1e-5)
    }
}

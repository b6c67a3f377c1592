// TinySpace: a search space with every kind of layer whose passes take microseconds.
import Networks
import Tensors

extension SearchSpace {
    /// Two stages (the second with stride 2 and squeeze-and-excite), one or two layers each, images of 8 or 10 pixels
    /// with `channels` channels.
    public static func tiny(
        channels: Int = 1, classes: Int = 5, activation: Activation = .relu, transform: Bool = true
    ) -> SearchSpace {
        SearchSpace(
            name: "tiny", inputChannels: channels,
            stem: ConvDefinition(width: 8, stride: 1, activation: .hSwish),
            firstBlockWidth: 8,
            stages: [
                Stage(width: 8, stride: 1, activation: activation, squeezeExcite: false),
                Stage(width: 16, stride: 2, activation: .hSwish, squeezeExcite: true),
            ],
            kernelSizes: [3, 5, 7], expandRatios: [2, 3, 4], depths: [1, 2], resolutions: [8, 10],
            finalExpandWidth: 24,
            featureMixWidth: 16, classes: classes, kernelTransform: transform)
    }
}

extension Weights {
    /// Keeps every activation away from its kinks, so that finite differences are valid: norms
    /// scale little; before a ReLU, every other channel is shifted far above 0 and the rest far
    /// below.
    public func smooth() {
        for parameter in layout.parameters {
            let tensor = view(parameter)
            if parameter.role == .norm, parameter.name.hasSuffix(".weight") {
                for i in 0..<tensor.count { tensor[i] *= 0.4 }
            }
            let isBeforeReLU =
                parameter.name == "blocks.0.conv.depth_conv.bn.bias"
                || parameter.name.hasSuffix("reduce.bias")
            if isBeforeReLU { for i in 0..<tensor.count { tensor[i] += i % 2 == 0 ? 2.5 : -2.5 } }
        }
    }

    /// Perturbs every parameter, so that norms, transforms and biases are not at their initial
    /// values.
    public func shake(seed: UInt64 = 3) {
        for (index, parameter) in layout.parameters.enumerated() {
            var stream = RandomStream(seed: seed, index)
            let tensor = view(parameter)
            for i in 0..<tensor.count {
                tensor[i] += 0.2 * stream.normal() * (parameter.role == .transform ? 0.5 : 1)
            }
        }
        for (index, statistic) in layout.statistics.enumerated() {
            var stream = RandomStream(seed: seed, index, 1)
            let tensor = view(statistic)
            for i in 0..<tensor.count { tensor[i] += 0.4 * stream.uniform() }
        }
    }
}

// TinySpace: a search space of the MobileNetV3 family, so small that a pass through a network takes microseconds.
import Networks
import Tensors

extension SearchSpace {
    /// Returns a space of two stages with one or two layers each. The second stage has stride 2 and squeeze-and-excite.
    /// Images are 8 or 10 pixels wide and have `channels` channels.
    public static func tiny(
        channels: Int = 1, classes: Int = 5, activation: Activation = .relu, transform: Bool = true
    ) -> SearchSpace {
        func stage(_ width: Int, stride: Int, _ activation: Activation, squeezeExcite: Bool)
            -> LayerDefinition
        {
            .invertedResiduals(
                LayerDefinition.InvertedResiduals(
                    width: .constant(width), stride: stride, activation: activation,
                    squeezeExcite: squeezeExcite, kernelSizes: [3, 5, 7], expandRatios: [2, 3, 4],
                    depths: [1, 2]))
        }
        var layers = mobileNetV3(
            stem: 8, first: 8,
            stages: [
                stage(8, stride: 1, activation, squeezeExcite: false),
                stage(16, stride: 2, .hSwish, squeezeExcite: true),
            ], last: 24, mix: 16)
        if case .convolution(var stem) = layers[0] {
            stem.stride = 1
            layers[0] = .convolution(stem)
        }
        return SearchSpace(
            name: "tiny", inputChannels: channels, classes: classes, resolutions: [8, 10],
            layers: layers, kernelTransform: transform)
    }
}

extension Weights {
    /// Keeps the inputs of activations away from kinks, so that finite differences are valid. Shrinks the scales of
    /// norms. Shifts every second channel before a ReLU far above 0, and the other channels far below 0.
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

    /// Perturbs every parameter and running statistic, so that norms, transforms and biases are not
    /// at their initial values.
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

// EnumerableSpace: a space small enough to enumerate, which the tests of Devices and Search share.
import Networks
import Tensors

/// A space small enough to enumerate: two stages, two kernel sizes, two expand ratios, depth 1 or 2, two image sizes.
public let tinySpace: SearchSpace = {
    func stage(_ width: Int, stride: Int, _ activation: Activation, squeezeExcite: Bool)
        -> LayerDefinition
    {
        .invertedResiduals(
            LayerDefinition.InvertedResiduals(
                width: .constant(width), stride: stride, activation: activation,
                squeezeExcite: squeezeExcite, kernelSizes: [3, 5], expandRatios: [3, 6],
                depths: [1, 2]))
    }
    return SearchSpace(
        name: "tiny", inputChannels: 1, classes: 10, resolutions: [16, 24],
        layers: SearchSpace.mobileNetV3(
            stem: 8, first: 8,
            stages: [
                stage(16, stride: 2, .relu, squeezeExcite: false),
                stage(24, stride: 1, .hSwish, squeezeExcite: true),
            ], last: 64, mix: 64))
}()

/// Every network of the tiny space once, in canonical form.
public let tinyNetworks: [SubnetConfig] = {
    let genes: [(Int, Double)] = [3, 5].flatMap { kernel in [(kernel, 3), (kernel, 6)] }
    var all: [SubnetConfig] = []
    var seen: Set<SubnetConfig> = []
    for resolution in tinySpace.resolutions {
        for code in 0..<4 * 4 * 4 * 4 * 4 {
            let layers = (0..<4).map { genes[code >> (2 * $0) & 3] }
            let config = SubnetConfig(
                kernelSizes: layers.map { $0.0 }, expandRatios: layers.map { $0.1 },
                depths: [1 + code >> 8 & 1, 1 + code >> 9 & 1], resolution: resolution)
            let network = tinySpace.canonical(config)
            if seen.insert(network).inserted { all.append(network) }
        }
    }
    return all
}()

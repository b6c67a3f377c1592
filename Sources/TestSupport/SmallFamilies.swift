// Small spaces of the other families, which tests share; their networks can be enumerated.
import Networks

/// ProxylessNAS with one kernel size and two ratios: 15,552 networks of each image size.
public let smallProxyless = SearchSpace.proxyless(
    name: "small-proxyless", widthMultiplier: 0.25, inputChannels: 1, classes: 10,
    kernelSizes: [3], expandRatios: [3, 6], depths: [1, 2], resolutions: [32, 48])

/// ResNet50 of two stages, with two ratios and two widths: 4,608 networks of each image size.
public let smallResNet = SearchSpace.resNet50(
    name: "small-resnet", inputChannels: 1, classes: 10, stem: 32, widths: [32, 48],
    multipliers: [0.5, 1], expandRatios: [0.25, 0.5], depths: [0, 1], resolutions: [32, 48])

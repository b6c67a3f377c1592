// Search spaces of ProxylessNAS and ResNet50 for tests, small enough to enumerate their networks.
import Networks

/// ProxylessNAS with one kernel size and two expand ratios: 15,552 networks for each image size.
public let smallProxyless = SearchSpace.proxyless(
    name: "small-proxyless", widthMultiplier: 0.25, inputChannels: 1, classes: 10,
    kernelSizes: [3], expandRatios: [3, 6], depths: [1, 2], resolutions: [32, 48])

/// ResNet50 of two stages, with two expand ratios and two widths: 4,608 networks for each image size.
public let smallResNet = SearchSpace.resNet50(
    name: "small-resnet", inputChannels: 1, classes: 10, stem: 32, widths: [32, 48],
    multipliers: [0.5, 1], expandRatios: [0.25, 0.5], depths: [0, 1], resolutions: [32, 48])

// Search spaces of the published families, so small that a pass through a network takes microseconds.
import Networks

extension SearchSpace {
    /// ProxylessNAS with few and narrow layers, for grey images of 16 or 20 pixels.
    public static let tinyProxyless = SearchSpace.proxyless(
        name: "tiny-proxyless", widthMultiplier: 0.1, inputChannels: 1, classes: 5,
        kernelSizes: [3, 5], expandRatios: [2, 3], depths: [1, 2], resolutions: [16, 20])

    /// ResNet50 with few and narrow blocks, for grey images of 32 or 38 pixels; 38 gives feature maps of odd size.
    public static let tinyResNet = SearchSpace.resNet50(
        name: "tiny-resnet", inputChannels: 1, classes: 5, stem: 24, widths: [24, 32, 40, 48],
        multipliers: [0.65, 1], expandRatios: [0.25, 0.5], depths: [0, 1], resolutions: [32, 38])

    /// A small space of each family.
    public static let tinyFamilies: [SearchSpace] = [.tiny(), .tinyProxyless, .tinyResNet]
}

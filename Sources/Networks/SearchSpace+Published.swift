// The search spaces that have a name: the published MobileNetV3 family and the small one of the
// demo.

import Intake

extension SearchSpace {
    /// The MobileNetV3 family with the five elastic stages of the paper, scaled by
    /// `widthMultiplier`.
    ///
    /// Base widths 16, 16, then 24, 40, 80, 112, 160, then 960 and 1280; each times the multiplier,
    /// made divisible by 8.
    /// Source: Cai et al., ICLR 2020, and the MobileNetV3-Large layout it starts from (Howard et
    /// al., 2019).
    public static func mobileNetV3(
        name: String, widthMultiplier: Double, inputChannels: Int = 3, classes: Int = 1000,
        kernelSizes: [Int] = [3, 5, 7], expandRatios: [Int] = [3, 4, 6], depths: [Int] = [2, 3, 4],
        resolutions: [Int] = Array(stride(from: 128, through: 224, by: 4)),
        kernelTransform: Bool = true
    ) -> SearchSpace {
        func width(_ base: Int) -> Int { makeDivisible(Double(base) * widthMultiplier) }
        return SearchSpace(
            name: name, inputChannels: inputChannels,
            stem: ConvDefinition(width: width(16), stride: 2, activation: .hSwish),
            firstBlockWidth: width(16),
            stages: [
                Stage(width: width(24), stride: 2, activation: .relu, squeezeExcite: false),
                Stage(width: width(40), stride: 2, activation: .relu, squeezeExcite: true),
                Stage(width: width(80), stride: 2, activation: .hSwish, squeezeExcite: false),
                Stage(width: width(112), stride: 1, activation: .hSwish, squeezeExcite: true),
                Stage(width: width(160), stride: 2, activation: .hSwish, squeezeExcite: true),
            ],
            kernelSizes: kernelSizes, expandRatios: expandRatios, depths: depths,
            resolutions: resolutions, finalExpandWidth: width(960), featureMixWidth: width(1280),
            classes: classes, kernelTransform: kernelTransform)
    }

    /// The coupled space of CompOFA over the MobileNetV3 family: 243 networks, so that a search can be checked by
    /// enumeration.
    ///
    /// Depth 2, 3, 4 goes with ratio 3, 4, 6; kernels are those of MobileNetV3-Large, by stage.
    public static func compOFA(name: String, parent: String, widthMultiplier: Double) -> SearchSpace
    {
        var space = mobileNetV3(name: name, widthMultiplier: widthMultiplier)
        space.coupling = Coupling(
            kernelSizes: [3, 5, 3, 3, 5], expandRatios: [3, 4, 6], parent: parent)
        return space
    }

    /// The small space of the demo, for 28×28 grey images of ten classes.
    public static let fashion = SearchSpace(
        name: "fashion-mbv3", inputChannels: 1,
        stem: ConvDefinition(width: 16, stride: 2, activation: .hSwish), firstBlockWidth: 16,
        stages: [
            Stage(width: 16, stride: 1, activation: .relu, squeezeExcite: false),
            Stage(width: 32, stride: 2, activation: .relu, squeezeExcite: true),
            Stage(width: 64, stride: 2, activation: .hSwish, squeezeExcite: true),
        ],
        kernelSizes: [3, 5, 7], expandRatios: [3, 4, 6], depths: [2, 3], resolutions: [20, 24, 28],
        finalExpandWidth: 256, featureMixWidth: 256, classes: 10, kernelTransform: true)

    /// Every space that has a name, in the order `ofa space list` shows them.
    public static let published: [SearchSpace] = [
        .mobileNetV3(name: "ofa-mbv3-w1.0", widthMultiplier: 1.0),
        .mobileNetV3(name: "ofa-mbv3-w1.2", widthMultiplier: 1.2),
        .compOFA(name: "compofa-mbv3-w1.0", parent: "ofa-mbv3-w1.0", widthMultiplier: 1.0),
        .compOFA(name: "compofa-mbv3-w1.2", parent: "ofa-mbv3-w1.2", widthMultiplier: 1.2),
        .fashion,
    ]

    /// The published space of this name; throws `unknownSpace` listing the names there are.
    public static func named(_ name: String) throws -> SearchSpace {
        guard let space = published.first(where: { $0.name == name }) else {
            let names = published.map(\.name)
            throw NetworkError(
                .unknownSpace, "no search space is named \(Shown.excerpt(name))",
                remedy: NearestName.remedy(name, known: names))
        }
        return space
    }
}

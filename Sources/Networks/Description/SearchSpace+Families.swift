// The named families: MobileNetV3, ProxylessNAS and ResNet50 as published, CompOFA's coupled space,
// and the small space of the demo. A family is a list of layers with image sizes and, for CompOFA, a
// coupling of genes.

import Intake
import Tensors

extension SearchSpace {
    /// The image sizes of the published training: 128 to 224 in steps of 4.
    public static let trainingSizes = Array(stride(from: 128, through: 224, by: 4))

    /// Returns the MobileNetV3 family with the five elastic stages of the paper, scaled by `widthMultiplier`.
    ///
    /// The base widths are 16, 16, then 24, 40, 80, 112, 160, then 960 and 1280; each is multiplied by
    /// `widthMultiplier` and made divisible by 8. Source: Cai et al., ICLR 2020, and the MobileNetV3-Large layout from
    /// which the paper starts (Howard et al., 2019).
    public static func mobileNetV3(
        name: String, widthMultiplier: Double, inputChannels: Int = 3, classes: Int = 1000,
        kernelSizes: [Int] = [3, 5, 7], expandRatios: [Double] = [3, 4, 6],
        depths: [Int] = [2, 3, 4], resolutions: [Int] = trainingSizes, kernelTransform: Bool = true
    ) -> SearchSpace {
        func width(_ base: Int) -> Int { makeDivisible(Double(base) * widthMultiplier) }
        func stage(_ base: Int, stride: Int, _ activation: Activation, squeezeExcite: Bool)
            -> LayerDefinition
        {
            .invertedResiduals(
                LayerDefinition.InvertedResiduals(
                    width: .constant(width(base)), stride: stride, activation: activation,
                    squeezeExcite: squeezeExcite, kernelSizes: kernelSizes,
                    expandRatios: expandRatios, depths: depths))
        }
        return SearchSpace(
            name: name, inputChannels: inputChannels, classes: classes, resolutions: resolutions,
            layers: mobileNetV3(
                stem: width(16), first: width(16),
                stages: [
                    stage(24, stride: 2, .relu, squeezeExcite: false),
                    stage(40, stride: 2, .relu, squeezeExcite: true),
                    stage(80, stride: 2, .hSwish, squeezeExcite: false),
                    stage(112, stride: 1, .hSwish, squeezeExcite: true),
                    stage(160, stride: 2, .hSwish, squeezeExcite: true),
                ], last: width(960), mix: width(1280)), kernelTransform: kernelTransform)
    }

    /// Returns all layers of a network of the MobileNetV3 family: the stem, the first block, `stages`, a 1×1
    /// convolution, pooling, a 1×1 convolution on the pooled features ("feature mix"), and the classifier.
    public static func mobileNetV3(
        stem: Int, first: Int, stages: [LayerDefinition], last: Int, mix: Int
    ) -> [LayerDefinition] {
        [
            .convolution(
                LayerDefinition.Convolution(
                    name: "first_conv", width: .constant(stem), kernel: 3, stride: 2,
                    activation: .hSwish, key: "Conv")),
            .invertedResiduals(.fixed(width: first, activation: .relu)),
        ] + stages + [
            .convolution(
                LayerDefinition.Convolution(
                    name: "final_expand_layer", width: .constant(last), kernel: 1,
                    activation: .hSwish, key: "Conv_1")),
            .meanPooling(LayerDefinition.MeanPooling(key: "AvgPool2D")),
            .dense(
                LayerDefinition.Dense(
                    name: "feature_mix_layer", width: mix, hasBias: false, activation: .hSwish,
                    isConvolution: true, hasDropout: false, key: "Conv_2")),
            .dense(.classifier()),
        ]
    }

    /// Returns the coupled space of CompOFA over the MobileNetV3 family: 243 networks per image size, so that a search
    /// can be checked by enumeration.
    ///
    /// Stages of depth 2, 3 and 4 have ratio 3, 4 and 6, respectively; each stage's kernel size is that of
    /// MobileNetV3-Large.
    public static func compOFA(name: String, parent: String, widthMultiplier: Double) -> SearchSpace
    {
        var space = mobileNetV3(name: name, widthMultiplier: widthMultiplier)
        space.coupling = Coupling(
            kernelSizes: [3, 5, 3, 3, 5], expandRatios: [3, 4, 6], parent: parent)
        return space
    }

    /// Returns the ProxylessNAS family: six elastic stages, of which the last has a single block, with ReLU6 and
    /// without squeeze-and-excite.
    ///
    /// The base widths are 32, 16, then 24, 40, 80, 96, 192, 320, then 1280; each is multiplied by `widthMultiplier`
    /// and made divisible by 8. Source: `ofa_proxyless.py` of the reference code (Cai et al., ICLR 2020); published
    /// with multiplier 1.3.
    public static func proxyless(
        name: String, widthMultiplier: Double, inputChannels: Int = 3, classes: Int = 1000,
        kernelSizes: [Int] = [3, 5, 7], expandRatios: [Double] = [3, 4, 6],
        depths: [Int] = [2, 3, 4], resolutions: [Int] = trainingSizes, kernelTransform: Bool = true
    ) -> SearchSpace {
        func width(_ base: Int) -> Int { makeDivisible(Double(base) * widthMultiplier) }
        func convolution(_ name: String, _ base: Int, kernel: Int, stride: Int, key: String)
            -> LayerDefinition
        {
            .convolution(
                LayerDefinition.Convolution(
                    name: name, width: .constant(width(base)), kernel: kernel, stride: stride,
                    activation: .relu6, key: key))
        }
        let stages = [(24, 2), (40, 2), (80, 2), (96, 1), (192, 2), (320, 1)]
        return SearchSpace(
            name: name, inputChannels: inputChannels, classes: classes, resolutions: resolutions,
            layers: [
                convolution("first_conv", 32, kernel: 3, stride: 2, key: "Conv"),
                .invertedResiduals(
                    .fixed(
                        width: width(16), activation: .relu6, hasSkip: false, keysNameRatio: true)),
            ]
                + stages.enumerated().map { number, stage in
                    .invertedResiduals(
                        LayerDefinition.InvertedResiduals(
                            width: .constant(width(stage.0)), stride: stage.1, activation: .relu6,
                            kernelSizes: kernelSizes, expandRatios: expandRatios,
                            depths: number == stages.count - 1 ? [1] : depths, keysNameRatio: true))
                } + [
                    convolution("feature_mix_layer", 1280, kernel: 1, stride: 1, key: "Conv_1"),
                    .meanPooling(LayerDefinition.MeanPooling(key: nil)), .dense(.classifier()),
                ], normEpsilon: 1e-3, kernelTransform: kernelTransform)
    }

    /// Returns the ResNet50 family: bottleneck blocks whose number, middle widths and output widths are genes.
    ///
    /// The base widths are 64 (stem) and 256, 512, 1024, 2048; a width gene chooses one of `multipliers`. The first
    /// layers of the stem have half the stem's width. Source: `ofa_resnets.py` of the reference code (Cai et al., ICLR
    /// 2020).
    public static func resNet50(
        name: String, inputChannels: Int = 3, classes: Int = 1000, stem: Int = 64,
        widths: [Int] = [256, 512, 1024, 2048], multipliers: [Double] = [0.65, 0.8, 1.0],
        expandRatios: [Double] = [0.2, 0.25, 0.35], depths: [Int] = [0, 1, 2],
        resolutions: [Int] = trainingSizes
    ) -> SearchSpace {
        func choices(_ base: Int) -> [Int] { multipliers.map { makeDivisible(Double(base) * $0) } }
        func convolution(_ place: Int, stride: Int, _ width: Width) -> LayerDefinition {
            .convolution(
                LayerDefinition.Convolution(
                    name: "input_stem.\(place)", width: width, kernel: 3, stride: stride,
                    activation: .relu, isElastic: true, key: "Conv_\(place)"))
        }
        let stems = choices(stem), baseDepths = [2, 2, 4, 2]
        return SearchSpace(
            name: name, inputChannels: inputChannels, classes: classes, resolutions: resolutions,
            layers: [
                convolution(
                    0, stride: 2, .gene(0, choices: stems.map { makeDivisible(Double($0 / 2)) })),
                .residualConvolution(
                    LayerDefinition.ResidualConvolution(
                        name: "input_stem.1", activation: .relu,
                        depths: depths.count > 1 ? [0, depths.last ?? 0] : depths)),
                convolution(2, stride: 1, .gene(1, choices: stems)), .maxPooling(.init()),
            ]
                + widths.enumerated().map { number, base in
                    .bottlenecks(
                        LayerDefinition.Bottlenecks(
                            width: .gene(2 + number, choices: choices(base)),
                            stride: number == 0 ? 1 : 2, expandRatios: expandRatios,
                            baseDepth: number < baseDepths.count ? baseDepths[number] : 2,
                            depths: depths))
                } + [
                    .meanPooling(LayerDefinition.MeanPooling(key: "AvgPool2D")),
                    .dense(.classifier(isElastic: true)),
                ], kernelTransform: false)
    }

    /// The small space of the demo, for 28×28 grey images of ten classes.
    public static let fashion: SearchSpace = {
        func stage(_ width: Int, stride: Int, _ activation: Activation, squeezeExcite: Bool)
            -> LayerDefinition
        {
            .invertedResiduals(
                LayerDefinition.InvertedResiduals(
                    width: .constant(width), stride: stride, activation: activation,
                    squeezeExcite: squeezeExcite, kernelSizes: [3, 5, 7], expandRatios: [3, 4, 6],
                    depths: [2, 3]))
        }
        return SearchSpace(
            name: "fashion-mbv3", inputChannels: 1, classes: 10, resolutions: [20, 24, 28],
            layers: mobileNetV3(
                stem: 16, first: 16,
                stages: [
                    stage(16, stride: 1, .relu, squeezeExcite: false),
                    stage(32, stride: 2, .relu, squeezeExcite: true),
                    stage(64, stride: 2, .hSwish, squeezeExcite: true),
                ], last: 256, mix: 256))
    }()

    /// All named spaces, in the order of `ofa space list`.
    public static let published: [SearchSpace] = [
        .mobileNetV3(name: "ofa-mbv3-w1.0", widthMultiplier: 1.0),
        .mobileNetV3(name: "ofa-mbv3-w1.2", widthMultiplier: 1.2),
        .compOFA(name: "compofa-mbv3-w1.0", parent: "ofa-mbv3-w1.0", widthMultiplier: 1.0),
        .compOFA(name: "compofa-mbv3-w1.2", parent: "ofa-mbv3-w1.2", widthMultiplier: 1.2),
        .proxyless(name: "ofa-proxyless-w1.3", widthMultiplier: 1.3),
        .resNet50(name: "ofa-resnet50"),
        .fashion,
    ]

    /// Returns the published space called `name`. Errors: `unknownSpace`, listing all names.
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

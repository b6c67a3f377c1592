// Encodes networks as features for a predictor: one-hot kernel size and expand ratio of every layer, zeros for skipped
// layers, one-hot resolution. Depth needs no features of its own, because it follows from the zeros. An optional layer
// of the stem has two one-hot features, for skipped and for run. A width gene has a one-hot feature for each of its
// values.
//
// The order is: kernels, optional layers, widths, ratios, resolutions. The reference's encoders (arch_encoder.py:
// MobileNetV3 and ProxylessNAS, ResNet50) put the resolutions first; the rest of their order is the same.
import Networks

/// Turns networks of one search space into features.
public struct ArchitectureEncoder: Hashable, Sendable {
    /// The space, whose lists of choices determine the features.
    public let space: SearchSpace
    /// Resolutions in the order of their features; empty if the resolution is not encoded.
    public let resolutions: [Int]
    /// Number of features.
    public let featureCount: Int

    /// The index of the first feature for each layer's kernels, each layer's ratios, each stage's optional layer, and
    /// each width gene.
    private let kernels, ratios, optionals, widths: [Int]
    private let stageOf: [Int]

    /// Lays out the features of `space`, with `resolutions` (by default the space's).
    public init(_ space: SearchSpace, resolutions: [Int]? = nil) {
        self.space = space
        self.resolutions = resolutions ?? space.resolutions
        let stageOf = space.stages.indices.flatMap { stage in
            space.stages[stage].places.map { _ in stage }
        }
        self.stageOf = stageOf
        var count = 0
        func place(_ features: Int) -> Int {
            defer { count += features }
            return count
        }
        kernels = stageOf.map { place(space.stages[$0].kernelSizes.count) }
        optionals = space.stages.map { place($0.places.isEmpty ? 2 : 0) }
        widths = space.widthGenes.map { place($0.count) }
        ratios = stageOf.map { place(space.stages[$0].expandRatios.count) }
        featureCount = count + self.resolutions.count
    }

    /// Returns the encoder of the published predictors. It has resolutions 112…224 in steps of 16, so 128 features for
    /// ofa-mbv3-w1.2.
    public static func published(_ space: SearchSpace) -> ArchitectureEncoder {
        ArchitectureEncoder(space, resolutions: Array(stride(from: 112, through: 224, by: 16)))
    }

    /// Returns the feature of a layer's kernel size; nil if the size has no feature.
    func feature(kernel: Int, of layer: Int) -> Int? {
        space.stages[stageOf[layer]].kernelSizes.firstIndex(of: kernel).map { kernels[layer] + $0 }
    }

    /// Returns the feature of a layer's expand ratio; nil if the ratio has no feature.
    func feature(ratio: Double, of layer: Int) -> Int? {
        space.stages[stageOf[layer]].expandRatios.firstIndex(of: ratio).map { ratios[layer] + $0 }
    }

    /// Returns the feature of an optional layer that runs (`depth` is not 0) or is skipped; nil for a stage that is no
    /// optional layer.
    func feature(depth: Int, of stage: Int) -> Int? {
        space.stages[stage].places.isEmpty ? optionals[stage] + (depth > 0 ? 1 : 0) : nil
    }

    /// Returns the feature of a width gene's value; nil if the value has no feature.
    func feature(width: Int, of gene: Int) -> Int? {
        space.widthGenes[gene].indices.contains(width) ? widths[gene] + width : nil
    }

    /// Returns the feature of a resolution; nil if the resolution has no feature.
    func feature(resolution: Int) -> Int? {
        resolutions.firstIndex(of: resolution).map { featureCount - resolutions.count + $0 }
    }

    /// Returns the indices of the features of `config` that are 1.
    ///
    /// Errors: `outsideDomain` for a gene or resolution without a feature, which the message names, and for a network
    /// of another space.
    public func ones(_ config: SubnetConfig) throws -> [Int] {
        guard config.depths.count == space.stages.count,
            config.kernelSizes.count == space.kernelGeneCount,
            config.expandRatios.count == space.layerCount,
            config.widths.count == space.widthGenes.count
        else {
            throw SearchError(
                .outsideDomain,
                "a network of \(config.depths.count) stages and \(config.expandRatios.count) layers "
                    + "is not one of space \(space.name)")
        }
        var ones: [Int] = []
        for (number, stage) in space.stages.enumerated() {
            for layer in stage.places.prefix(max(0, stage.active(config.depths[number]))) {
                if !stage.kernelSizes.isEmpty {
                    let kernel = config.kernelSizes[layer]
                    ones.append(
                        try known(
                            feature(kernel: kernel, of: layer), "ks[\(layer)]", "\(kernel)",
                            SearchSpace.listed(stage.kernelSizes)))
                }
                let ratio = config.expandRatios[layer]
                ones.append(
                    try known(
                        feature(ratio: ratio, of: layer), "e[\(layer)]", SearchSpace.text(ratio),
                        SearchSpace.listed(stage.expandRatios)))
            }
            if let optional = feature(depth: config.depths[number], of: number) {
                ones.append(optional)
            }
        }
        for (gene, width) in config.widths.enumerated() {
            ones.append(
                try known(
                    feature(width: width, of: gene), "w[\(gene)]", "\(width)",
                    SearchSpace.listed(Array(space.widthGenes[gene].indices))))
        }
        guard !resolutions.isEmpty else { return ones }
        ones.append(
            try known(
                feature(resolution: config.resolution), "r", "\(config.resolution)",
                SearchSpace.listed(resolutions)))
        return ones
    }

    /// Returns the features of `configs`, one row per network. Errors as for `ones`.
    func features(_ configs: [SubnetConfig]) throws -> Matrix {
        var matrix = Matrix(rows: configs.count, columns: featureCount)
        for (row, config) in configs.enumerated() {
            for one in try ones(config) { matrix.values[row * featureCount + one] = 1 }
        }
        return matrix
    }

    private func known(
        _ feature: Int?, _ gene: @autoclosure () -> String, _ value: @autoclosure () -> String,
        _ known: @autoclosure () -> String
    ) throws -> Int {
        if let feature { return feature }
        throw SearchError(
            .outsideDomain, "\(gene()) is \(value()); the predictor knows \(known())")
    }
}

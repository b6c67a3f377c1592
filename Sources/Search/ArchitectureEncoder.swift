// Networks as numbers for a predictor: one-hot kernel size and expand ratio of every layer, zeros
// for skipped layers, one-hot resolution. Depth needs no numbers of its own: it is where the zeros
// are.
import Networks

/// Turns networks of one search space into features.
public struct ArchitectureEncoder: Codable, Hashable, Sendable {
    /// The search space's name.
    public private(set) var space: String
    /// Kernel sizes in the order of their features.
    public let kernelSizes: [Int]
    /// Expand ratios in the order of their features.
    public let expandRatios: [Int]
    /// Number of elastic stages.
    public let stageCount: Int
    /// Layers of a stage at full depth.
    public let maxDepth: Int
    /// Resolutions in the order of their features; empty where no feature tells the resolution.
    public let resolutions: [Int]

    /// The features of `space`, with those resolutions or all of the space's.
    public init(_ space: SearchSpace, resolutions: [Int]? = nil) {
        self.space = space.name
        kernelSizes = space.kernelSizes
        expandRatios = space.expandRatios
        stageCount = space.stages.count
        maxDepth = space.maxDepth
        self.resolutions = resolutions ?? space.resolutions
    }

    /// The layout of the published predictors: resolutions 112…224 in steps of 16, so 128 features
    /// for w1.2.
    public static func published(_ space: SearchSpace) -> ArchitectureEncoder {
        ArchitectureEncoder(space, resolutions: Array(stride(from: 112, through: 224, by: 16)))
    }

    /// The same features under another space's name.
    func renamed(_ name: String) -> ArchitectureEncoder {
        var copy = self
        copy.space = name
        return copy
    }

    /// Whether it has a feature for everything that `other` has one for.
    func covers(_ other: ArchitectureEncoder) -> Bool {
        func holds(_ values: [Int], _ others: [Int]) -> Bool { others.allSatisfy(values.contains) }
        return space == other.space && stageCount == other.stageCount && maxDepth == other.maxDepth
            && holds(kernelSizes, other.kernelSizes) && holds(expandRatios, other.expandRatios)
            && holds(resolutions, other.resolutions)
    }

    /// Layers of all stages at full depth.
    public var layerCount: Int { stageCount * maxDepth }

    /// Number of features: kernels, then expand ratios, then resolutions.
    public var featureCount: Int {
        layerCount * (kernelSizes.count + expandRatios.count) + resolutions.count
    }

    /// Whether the counts are those of a real space; read from a file they may be anything.
    var hasPlausibleSizes: Bool {
        (1...64).contains(stageCount) && (1...64).contains(maxDepth)
            && [kernelSizes, expandRatios].allSatisfy { (1...4096).contains($0.count) }
            && resolutions.count <= 4096
    }

    /// The places of the ones among the features of `config`.
    ///
    /// Errors: `outsideDomain` naming the gene or resolution that has no feature.
    public func ones(_ config: SubnetConfig) throws -> [Int] {
        guard config.depths.count == stageCount, config.kernelSizes.count == layerCount,
            config.expandRatios.count == layerCount
        else {
            throw SearchError(
                .outsideDomain,
                "a network of \(config.depths.count) stages and \(config.kernelSizes.count) layers "
                    + "is not one of space \(space)")
        }
        var ones: [Int] = []
        let expandStart = layerCount * kernelSizes.count
        for layer in 0..<layerCount where layer % maxDepth < config.depths[layer / maxDepth] {
            let kernel = try place(config.kernelSizes[layer], kernelSizes, "ks[\(layer)]")
            let ratio = try place(config.expandRatios[layer], expandRatios, "e[\(layer)]")
            ones.append(layer * kernelSizes.count + kernel)
            ones.append(expandStart + layer * expandRatios.count + ratio)
        }
        guard !resolutions.isEmpty else { return ones }
        let size = try place(config.resolution, resolutions, "r")
        ones.append(expandStart + layerCount * expandRatios.count + size)
        return ones
    }

    /// The features of every network, a row each; throws as `ones`.
    func features(_ configs: [SubnetConfig]) throws -> Matrix {
        var matrix = Matrix(rows: configs.count, columns: featureCount)
        for (row, config) in configs.enumerated() {
            for one in try ones(config) { matrix.values[row * featureCount + one] = 1 }
        }
        return matrix
    }

    private func place(_ value: Int, _ values: [Int], _ gene: String) throws -> Int {
        guard let place = values.firstIndex(of: value) else {
            let known = values.map(String.init).joined(separator: ", ")
            throw SearchError(.outsideDomain, "\(gene) is \(value); the predictor knows \(known)")
        }
        return place
    }
}

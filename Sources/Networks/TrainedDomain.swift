// What a supernet was trained for. Weights exist for every gene of the space, whether or not a phase has ever
// used them: a network of untrained genes runs and answers nonsense. So a supernet carries the genes and image
// sizes of its phases, and sampling, search and cutting stay within them.

/// The genes and image sizes at which a supernet's networks were trained, each list ascending.
public struct TrainedDomain: Codable, Hashable, Sendable {
    /// Kernel sizes, expand ratios and depths that some phase drew.
    public var kernelSizes, expandRatios, depths: [Int]
    /// Image sizes that some phase drew.
    public var resolutions: [Int]

    /// A domain of these values, in any order.
    public init(kernelSizes: [Int], expandRatios: [Int], depths: [Int], resolutions: [Int]) {
        self.kernelSizes = Set(kernelSizes).sorted()
        self.expandRatios = Set(expandRatios).sorted()
        self.depths = Set(depths).sorted()
        self.resolutions = Set(resolutions).sorted()
    }

    /// Everything that `space` allows.
    public init(_ space: SearchSpace) {
        self.init(
            kernelSizes: space.kernelSizes, expandRatios: space.expandRatios,
            depths: space.depths, resolutions: space.resolutions)
    }

    /// What either was trained for.
    public func union(_ other: TrainedDomain) -> TrainedDomain {
        TrainedDomain(
            kernelSizes: kernelSizes + other.kernelSizes,
            expandRatios: expandRatios + other.expandRatios, depths: depths + other.depths,
            resolutions: resolutions + other.resolutions)
    }

    /// What lies outside, such as `ks[3] is 5, trained were 7`; nil for a network within.
    public func outside(_ config: SubnetConfig) -> String? {
        func outside(_ gene: @autoclosure () -> String, _ value: Int, _ known: [Int]) -> String? {
            known.contains(value)
                ? nil : "\(gene()) is \(value), trained were \(SearchSpace.listed(known))"
        }
        for layer in config.kernelSizes.indices where config.isActive(layer: layer) {
            if let gene = outside("ks[\(layer)]", config.kernelSizes[layer], kernelSizes)
                ?? outside("e[\(layer)]", config.expandRatios[layer], expandRatios)
            {
                return gene
            }
        }
        for (stage, depth) in config.depths.enumerated() {
            if let gene = outside("d[\(stage)]", depth, depths) { return gene }
        }
        return outside("r", config.resolution, resolutions)
    }

    /// In words: `kernel sizes 3, 5, 7, expand ratios 6, depths 3, image sizes 20, 24, 28`.
    public var words: String {
        "kernel sizes \(SearchSpace.listed(kernelSizes)), expand ratios \(SearchSpace.listed(expandRatios)),"
            + " depths \(SearchSpace.listed(depths)), image sizes \(SearchSpace.listed(resolutions))"
    }
}

extension SearchSpace {
    /// The space with only what lies in `domain`; layers keep their places in the gene lists, so that its
    /// networks are networks of the whole space.
    ///
    /// Errors: `invalidGene` where nothing is left of a list.
    public func restricted(to domain: TrainedDomain) throws -> SearchSpace {
        var space = self
        space.resolutions = resolutions.filter(domain.resolutions.contains)
        space.kernelSizes = kernelSizes.filter(domain.kernelSizes.contains)
        space.expandRatios = expandRatios.filter(domain.expandRatios.contains)
        let places = depths.indices.filter { domain.depths.contains(depths[$0]) }
        space.depths = places.map { depths[$0] }
        space.coupling?.expandRatios = places.compactMap { coupling?.expandRatios[$0] }
        space.layersPerStage = space.depths.last == maxDepth ? nil : maxDepth
        let lists = [space.kernelSizes, space.expandRatios, space.depths, space.resolutions]
        guard lists.allSatisfy({ !$0.isEmpty }) else {
            throw NetworkError(
                .invalidGene, "space \(name) has no network within \(domain.words)")
        }
        return space
    }

    /// How many networks there are at all image sizes together, at most `UInt128.max`.
    public var networkCount: UInt128 {
        do {
            let genes = UInt128(try architectureCount) ?? .max
            let (count, overflow) = genes.multipliedReportingOverflow(
                by: UInt128(resolutions.count))
            return overflow ? .max : count
        } catch {
            return .max
        }
    }
}

// The trained domain of a supernet. Weights exist for every gene of the space, trained or not, and
// networks with untrained genes run but predict at random. So a supernet records the genes and
// image sizes of its phases, and sampling, search and extraction stay within them.

/// The genes and image sizes at which a supernet's networks were trained, each list ascending.
public struct TrainedDomain: Codable, Hashable, Sendable {
    /// Trained kernel sizes; empty in families without kernel genes.
    public var kernelSizes: [Int]
    /// Trained expand ratios.
    public var expandRatios: [Double]
    /// Trained values of depth genes.
    public var depths: [Int]
    /// Trained values of width genes; empty in families of constant widths.
    public var widths: [Int]
    /// Trained image sizes.
    public var resolutions: [Int]

    /// The values may be in any order.
    public init(
        kernelSizes: [Int], expandRatios: [Double], depths: [Int], widths: [Int] = [],
        resolutions: [Int]
    ) {
        self.kernelSizes = Set(kernelSizes).sorted()
        self.expandRatios = Set(expandRatios).sorted()
        self.depths = Set(depths).sorted()
        self.widths = Set(widths).sorted()
        self.resolutions = Set(resolutions).sorted()
    }

    /// Everything that `space` allows.
    public init(_ space: SearchSpace) {
        self.init(
            kernelSizes: space.kernelSizes, expandRatios: space.expandRatios,
            depths: space.depths, widths: space.widthGenes.flatMap(\.indices),
            resolutions: space.resolutions)
    }

    private enum CodingKeys: String, CodingKey {
        case kernelSizes, expandRatios, depths, widths, resolutions
    }

    /// Decodes a stored domain; a missing `widths` means none.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            kernelSizes: try values.decode([Int].self, forKey: .kernelSizes),
            expandRatios: try values.decode([Double].self, forKey: .expandRatios),
            depths: try values.decode([Int].self, forKey: .depths),
            widths: try values.decodeIfPresent([Int].self, forKey: .widths) ?? [],
            resolutions: try values.decode([Int].self, forKey: .resolutions))
    }

    /// The union of both domains, list by list.
    public func union(_ other: TrainedDomain) -> TrainedDomain {
        TrainedDomain(
            kernelSizes: kernelSizes + other.kernelSizes,
            expandRatios: expandRatios + other.expandRatios, depths: depths + other.depths,
            widths: widths + other.widths, resolutions: resolutions + other.resolutions)
    }

    /// The first gene outside the domain, such as `ks[3] is 5, trained were 7`; nil if the network
    /// of `space` is inside. A gene with a single choice is always inside.
    public func outside(_ config: SubnetConfig, in space: SearchSpace) -> String? {
        func said(_ gene: String, _ value: String, _ known: String) -> String {
            "\(gene) is \(value), trained were \(known)"
        }
        for (number, stage) in space.stages.enumerated() {
            for layer in stage.places.prefix(stage.active(config.depths[number])) {
                if stage.kernelSizes.count > 1, !kernelSizes.contains(config.kernelSizes[layer]) {
                    return said(
                        "ks[\(layer)]", "\(config.kernelSizes[layer])",
                        SearchSpace.listed(kernelSizes))
                }
                let ratio = config.expandRatios[layer]
                if stage.expandRatios.count > 1, !expandRatios.contains(ratio) {
                    return said(
                        "e[\(layer)]", SearchSpace.text(ratio), SearchSpace.listed(expandRatios))
                }
            }
        }
        for (number, stage) in space.stages.enumerated()
        where stage.depths.count > 1 && !depths.contains(config.depths[number]) {
            return said("d[\(number)]", "\(config.depths[number])", SearchSpace.listed(depths))
        }
        for (place, width) in config.widths.enumerated() where !widths.contains(width) {
            return said("w[\(place)]", "\(width)", SearchSpace.listed(widths))
        }
        return resolutions.contains(config.resolution)
            ? nil : said("r", "\(config.resolution)", SearchSpace.listed(resolutions))
    }

    /// For messages: `kernel sizes 3, 5, 7, expand ratios 6, depths 3, image sizes 20, 24, 28`.
    public var words: String {
        let parts = [
            ("kernel sizes", SearchSpace.listed(kernelSizes)),
            ("expand ratios", SearchSpace.listed(expandRatios)),
            ("depths", SearchSpace.listed(depths)), ("widths", SearchSpace.listed(widths)),
            ("image sizes", SearchSpace.listed(resolutions)),
        ]
        return parts.filter { !$0.1.isEmpty }.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
    }
}

extension SearchSpace {
    /// The space restricted to the choices in `domain`. Layers keep their indices in the gene
    /// lists, so its networks are networks of the whole space. Lists of one choice are kept; since
    /// `w` holds indices, width choices are restricted by `openWidths`. Errors: `invalidGene` if a
    /// list would be empty.
    public func restricted(to domain: TrainedDomain) throws -> SearchSpace {
        func kept<Value: Equatable>(_ values: [Value], _ known: [Value]) -> [Value] {
            values.count == 1 ? values : values.filter(known.contains)
        }
        var space = self
        space.resolutions = resolutions.filter(domain.resolutions.contains)
        space.layers = layers.map { layer in
            switch layer {
            case .residualConvolution(var layer):
                layer.depths = kept(layer.depths, domain.depths)
                return .residualConvolution(layer)
            case .invertedResiduals(var stage) where stage.isElastic:
                stage.kernelSizes = kept(stage.kernelSizes, domain.kernelSizes)
                stage.expandRatios = kept(stage.expandRatios, domain.expandRatios)
                stage.depths = kept(stage.depths, domain.depths)
                return .invertedResiduals(stage)
            case .bottlenecks(var stage):
                stage.expandRatios = kept(stage.expandRatios, domain.expandRatios)
                stage.depths = kept(stage.depths, domain.depths)
                return .bottlenecks(stage)
            default: return layer
            }
        }
        if !widthGenes.isEmpty { space.openWidths = domain.widths }
        if var coupling = space.coupling, let stage = stages.first {
            coupling.expandRatios = stage.depths.indices.filter {
                domain.depths.contains(stage.depths[$0])
            }.map { coupling.expandRatios[$0] }
            space.coupling = coupling
        }
        let isEmpty = zip(stages, space.stages).contains { before, after in
            (!before.kernelSizes.isEmpty && after.kernelSizes.isEmpty) || after.depths.isEmpty
                || (!before.expandRatios.isEmpty && after.expandRatios.isEmpty)
        }
        guard !isEmpty, !space.resolutions.isEmpty else {
            throw NetworkError(
                .invalidGene, "space \(name) has no network within \(domain.words)")
        }
        return space
    }
}

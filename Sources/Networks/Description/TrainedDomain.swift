// The trained domain of a supernet. A supernet has weights for every gene of its space, trained or not; networks with
// untrained genes run, but their predictions are useless. So a supernet records the genes and image sizes of its
// training phases, and sampling, search and extraction use only these.

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

    /// Takes the values in any order.
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

    /// Takes all genes and image sizes that `space` allows.
    public init(_ space: SearchSpace) {
        self.init(
            kernelSizes: space.kernelSizes, expandRatios: space.expandRatios,
            depths: space.depths, widths: space.widthGenes.flatMap(\.indices),
            resolutions: space.resolutions)
    }

    /// Takes the genes and image sizes that occur in `configs`, networks of `space`; genes of skipped layers do not count.
    /// Errors: `invalidGene` if there is no network.
    public init(covering configs: [SubnetConfig], of space: SearchSpace) throws {
        var domain = TrainedDomain(
            kernelSizes: [], expandRatios: [], depths: [], resolutions: configs.map(\.resolution))
        for config in configs {
            for (number, stage) in space.stages.enumerated() {
                domain.depths.append(config.depths[number])
                for layer in stage.places.prefix(stage.active(config.depths[number])) {
                    if !stage.kernelSizes.isEmpty {
                        domain.kernelSizes.append(config.kernelSizes[layer])
                    }
                    domain.expandRatios.append(config.expandRatios[layer])
                }
            }
            domain.widths += config.widths
        }
        self.init(
            kernelSizes: domain.kernelSizes, expandRatios: domain.expandRatios,
            depths: domain.depths, widths: domain.widths, resolutions: domain.resolutions)
        _ = try space.restricted(to: self)
    }

    private enum CodingKeys: String, CodingKey {
        case kernelSizes, expandRatios, depths, widths, resolutions
    }

    /// Decodes a stored domain; without the key `widths`, there are no trained widths.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            kernelSizes: try values.decode([Int].self, forKey: .kernelSizes),
            expandRatios: try values.decode([Double].self, forKey: .expandRatios),
            depths: try values.decode([Int].self, forKey: .depths),
            widths: try values.decodeIfPresent([Int].self, forKey: .widths) ?? [],
            resolutions: try values.decode([Int].self, forKey: .resolutions))
    }

    /// Returns the union of both domains, list by list.
    public func union(_ other: TrainedDomain) -> TrainedDomain {
        TrainedDomain(
            kernelSizes: kernelSizes + other.kernelSizes,
            expandRatios: expandRatios + other.expandRatios, depths: depths + other.depths,
            widths: widths + other.widths, resolutions: resolutions + other.resolutions)
    }

    /// Returns the first gene of `config` outside the domain, such as `ks[3] is 5; trained values are 7`; nil if all
    /// genes are inside. A kernel, ratio or depth gene for which `space` has a single choice is always inside.
    public func outside(_ config: SubnetConfig, in space: SearchSpace) -> String? {
        func said(_ gene: String, _ value: String, _ known: String) -> String {
            "\(gene) is \(value); trained values are \(known)"
        }
        for (number, stage) in space.stages.enumerated() {
            let (kernels, ratios) = (
                Self.kept(stage.kernelSizes, of: kernelSizes),
                Self.kept(stage.expandRatios, of: expandRatios)
            )
            for layer in stage.places.prefix(stage.active(config.depths[number])) {
                if stage.kernelSizes.count > 1, !kernels.contains(config.kernelSizes[layer]) {
                    return said(
                        "ks[\(layer)]", "\(config.kernelSizes[layer])",
                        SearchSpace.listed(kernels))
                }
                let ratio = config.expandRatios[layer]
                if stage.expandRatios.count > 1, !ratios.contains(ratio) {
                    return said(
                        "e[\(layer)]", SearchSpace.text(ratio), SearchSpace.listed(ratios))
                }
            }
        }
        for (number, stage) in space.stages.enumerated() where stage.depths.count > 1 {
            let kept = kept(stage), depth = config.depths[number]
            guard kept.contains(stage.canonical(depth)) else {
                return said("d[\(number)]", "\(depth)", SearchSpace.listed(kept))
            }
        }
        // Widths are compared instead of the gene's values, because several values may have the same width.
        for (place, choices) in space.widthGenes.enumerated() {
            let width = config.widths[place], open = SearchSpace.open(widths, of: choices.count)
            guard !widths.isEmpty, choices.indices.contains(width),
                open.contains(where: { choices[$0] == choices[width] })
            else { return said("w[\(place)]", "\(width)", SearchSpace.listed(open)) }
        }
        return resolutions.contains(config.resolution)
            ? nil : said("r", "\(config.resolution)", SearchSpace.listed(resolutions))
    }

    /// Returns the `choices` of a stage that are in `trained`. If none of them is, returns the nearest choice: the
    /// largest choice that is not above the largest trained value, else the smallest choice. Returns a single choice
    /// unchanged. Returns no choices if there are several and `trained` is empty.
    static func kept<Value: Comparable>(_ choices: [Value], of trained: [Value]) -> [Value] {
        guard choices.count > 1, let most = trained.max() else {
            return choices.count == 1 ? choices : []
        }
        let kept = choices.filter(trained.contains)
        return kept.isEmpty ? [choices.last { $0 <= most } ?? choices[0]] : kept
    }

    /// Returns the trained values of a stage's depth gene.
    func kept(_ stage: GeneStage) -> [Int] {
        Self.kept(stage.depths, of: depths.map(stage.canonical))
    }

    /// The domain as a text for messages: `kernel sizes 3, 5, 7, expand ratios 6, depths 3, image
    /// sizes 20, 24, 28`.
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
    /// Returns the space restricted to the choices in `domain`. Layers keep their indices in the gene lists, so the
    /// networks of the result are networks of the whole space. A list of one choice does not change, and a list without
    /// any choice of the domain keeps its nearest choice (`TrainedDomain.kept`). Width genes are indices into lists of
    /// widths, so these lists do not change, and `openWidths` restricts the genes. Errors: `invalidGene` if the domain
    /// has no image size of the space, or none of the kernel sizes between which the space's genes choose; likewise for
    /// expand ratios and for depths.
    public func restricted(to domain: TrainedDomain) throws -> SearchSpace {
        /// Returns whether some lists have several choices, but none of these choices is in `known`.
        func isForeign<Value: Equatable>(_ lists: [[Value]], _ known: [Value]) -> Bool {
            let free = lists.filter { $0.count > 1 }
            return !free.isEmpty && !free.joined().contains(where: known.contains)
        }
        var space = self
        space.resolutions = resolutions.filter(domain.resolutions.contains)
        space.layers = layers.map { layer in
            guard let stage = layer.stage(at: 0) else { return layer }
            return layer.withLists { lists in
                lists.kernelSizes = TrainedDomain.kept(stage.kernelSizes, of: domain.kernelSizes)
                lists.expandRatios = TrainedDomain.kept(
                    stage.expandRatios, of: domain.expandRatios)
                lists.depths = domain.kept(stage)
            }
        }
        if !widthGenes.isEmpty { space.openWidths = domain.widths }
        if var coupling = space.coupling, let stage = stages.first {
            coupling.expandRatios = stage.depths.indices.filter {
                domain.depths.contains(stage.depths[$0])
            }.map { coupling.expandRatios[$0] }
            space.coupling = coupling
        }
        let isEmpty =
            isForeign(stages.map(\.kernelSizes), domain.kernelSizes)
            || isForeign(stages.map(\.expandRatios), domain.expandRatios)
            || isForeign(stages.map(\.depths), domain.depths)
        guard !isEmpty, !space.resolutions.isEmpty else {
            throw NetworkError(
                .invalidGene, "space \(name) has no network within \(domain.words)")
        }
        return space
    }
}

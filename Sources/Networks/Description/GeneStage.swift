// The genes of a space as searches and predictors see them: for each depth gene its choices and the places of its
// layers in the lists of kernel and expand genes.

/// One place of `d`: a stage of layers, or the optional layer of a stem.
public struct GeneStage: Hashable, Sendable {
    /// The values of the depth gene, ascending.
    public var depths: [Int]
    /// Its layers' places in the lists of kernel and expand genes, at full depth; empty for the optional layer of a stem.
    public var places: Range<Int>
    /// Layers that are active at every depth.
    public var baseDepth: Int
    /// The values of its layers' kernel genes, ascending; empty if the family has none.
    public var kernelSizes: [Int]
    /// The values of its layers' expand genes, ascending.
    public var expandRatios: [Double]
    /// The width gene of its layers; nil if their width is constant.
    public var widthGene: Int?

    /// Number of active layers at a value of the depth gene.
    public func active(_ depth: Int) -> Int {
        places.isEmpty ? 0 : min(places.count, baseDepth + depth)
    }

    /// The canonical value of the depth gene `depth`. A stage with a single depth always has that
    /// one (the reference caps its last depth at 1), provided `depth` is at least 1; an optional
    /// layer is left out at every value below the largest.
    func canonical(_ depth: Int) -> Int {
        if depths.contains(depth) { return depth }
        if depths.count == 1, let only = depths.first, depth >= 1, !places.isEmpty { return only }
        if places.isEmpty, let first = depths.first, let last = depths.last,
            (0..<last).contains(depth)
        {
            return first
        }
        return depth
    }
}

extension LayerDefinition {
    /// The depth gene of an entry whose layers begin at `place` of the gene lists; nil if it has
    /// none.
    func stage(at place: Int) -> GeneStage? {
        switch self {
        case .residualConvolution(let layer):
            GeneStage(
                depths: layer.depths, places: place..<place, baseDepth: 0, kernelSizes: [],
                expandRatios: [])
        case .invertedResiduals(let stage) where stage.isElastic:
            GeneStage(
                depths: stage.depths, places: place..<place + stage.places, baseDepth: 0,
                kernelSizes: stage.kernelSizes, expandRatios: stage.expandRatios,
                widthGene: stage.width.gene)
        case .bottlenecks(let stage):
            GeneStage(
                depths: stage.depths, places: place..<place + stage.places,
                baseDepth: stage.baseDepth, kernelSizes: [], expandRatios: stage.expandRatios,
                widthGene: stage.width.gene)
        default: nil
        }
    }

    /// The output width of this entry; nil if it is that of its input.
    var width: Width? {
        switch self {
        case .convolution(let layer): layer.width
        case .invertedResiduals(let stage): stage.width
        case .bottlenecks(let stage): stage.width
        default: nil
        }
    }
}

extension Width {
    /// The index of its gene; nil if it is constant.
    var gene: Int? {
        if case .gene(let place, _) = self { place } else { nil }
    }
}

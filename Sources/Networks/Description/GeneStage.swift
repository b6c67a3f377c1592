// The genes of a space as searches and predictors see them: the choices of each depth gene, and the layers that the
// gene controls. Each of these layers has an index in the lists of kernel and expand genes.

/// One depth gene (one element of `SubnetConfig.depths`) and the layers that it controls: a stage of layers, or the
/// optional layer of a stem.
public struct GeneStage: Hashable, Sendable {
    /// The values of the depth gene, ascending.
    public var depths: [Int]
    /// The indices of the layers' genes in the lists of kernel and expand genes, at full depth; empty for the optional
    /// layer of a stem.
    public var places: Range<Int>
    /// The number of layers that are active at every depth.
    public var baseDepth: Int
    /// The values of the layers' kernel genes, ascending; empty if the family has no kernel genes.
    public var kernelSizes: [Int]
    /// The values of the layers' expand genes, ascending.
    public var expandRatios: [Double]
    /// The index of the layers' width gene; nil if their width is constant.
    public var widthGene: Int?
    /// The depth at which the optional layer of a stem runs; nil for a stage.
    public var runsAt: Int?

    /// Returns the number of active layers if the depth gene is `depth`; 0 for an optional layer.
    public func active(_ depth: Int) -> Int {
        places.isEmpty ? 0 : min(places.count, baseDepth + depth)
    }

    /// Returns the canonical form of the value `depth`.
    ///
    /// In a stage with a single depth, every value of at least 1 stands for that depth, because the reference code
    /// reads every depth of its last stage as 1. An optional layer is skipped at every value below `runsAt`; if such a
    /// value is not in `depths`, the value stands for the first depth.
    func canonical(_ depth: Int) -> Int {
        if depths.contains(depth) { return depth }
        if depths.count == 1, let only = depths.first, depth >= 1, !places.isEmpty { return only }
        if let runsAt, let first = depths.first, depth >= 0, depth < runsAt { return first }
        return depth
    }
}

extension LayerDefinition {
    /// Returns the depth gene of this definition, or nil if it has none. `place` is the index of the definition's first
    /// layer in the gene lists.
    func stage(at place: Int) -> GeneStage? {
        let outline = outline
        guard let lists = outline.lists, lists.isElastic else { return nil }
        // The gene lists have no values for an optional layer.
        let count = lists.runsAt == nil ? lists.places : 0
        return GeneStage(
            depths: lists.depths, places: place..<place + count, baseDepth: lists.baseDepth,
            kernelSizes: lists.kernelSizes, expandRatios: lists.expandRatios,
            widthGene: outline.width?.gene, runsAt: lists.runsAt)
    }
}

extension Width {
    /// The index of the width gene; nil if the width is constant.
    var gene: Int? {
        if case .gene(let place, _) = self { place } else { nil }
    }
}

// The outline of a definition: its output, and the lists from which genes choose. The code for the genes, bounds,
// variants, restrictions and comparisons of spaces only uses outlines, so a new layer type needs no case in that code.

extension LayerDefinition {
    /// The properties that definitions of all types have.
    struct Outline {
        /// Output channels; nil if the layer keeps the input's channels or has one output per class.
        var width: Width?
        /// Whether the output is a list of features for each image instead of a map.
        var isPooled = false
        /// The lists from which genes choose; nil if the type has none.
        var lists: Lists?
    }

    /// The lists of a stage of layers, or of the optional layer of a stem.
    struct Lists {
        /// The values of the depth gene, ascending.
        var depths: [Int]
        /// The number of genes that a stage has in each gene list; 1 for an optional layer.
        var places: Int
        /// Number of layers that are active at every depth.
        var baseDepth = 0
        /// Kernel sizes of a layer, ascending; empty if the type has no kernel genes.
        var kernelSizes: [Int] = []
        /// Expand ratios of a layer, ascending; empty for an optional layer.
        var expandRatios: [Double] = []
        /// The depth at which an optional layer runs; nil for a stage.
        var runsAt: Int?
        /// Whether genes choose from the lists; if not, each list has one value.
        var isElastic = true
    }

    /// The output and the lists of this definition. Setting the outline changes the width and the values of the lists.
    /// It cannot add or remove a width or a list, because the type determines which of them exist.
    var outline: Outline {
        get {
            switch self {
            case .convolution(let layer): Outline(width: layer.width)
            case .residualConvolution(let layer):
                Outline(lists: Lists(depths: layer.depths, places: 1, runsAt: layer.runsAt))
            case .invertedResiduals(let stage):
                Outline(
                    width: stage.width,
                    lists: Lists(
                        depths: stage.depths, places: stage.places, kernelSizes: stage.kernelSizes,
                        expandRatios: stage.expandRatios, isElastic: stage.isElastic))
            case .bottlenecks(let stage):
                Outline(
                    width: stage.width,
                    lists: Lists(
                        depths: stage.depths, places: stage.places, baseDepth: stage.baseDepth,
                        expandRatios: stage.expandRatios))
            case .maxPooling: Outline()
            case .meanPooling: Outline(isPooled: true)
            case .dense(let layer):
                Outline(width: layer.width.map(Width.constant), isPooled: true)
            }
        }
        set {
            let lists = newValue.lists
            switch self {
            case .convolution(var layer):
                layer.width = newValue.width ?? layer.width
                self = .convolution(layer)
            case .residualConvolution(var layer):
                layer.depths = lists?.depths ?? layer.depths
                layer.runsAt = lists?.runsAt ?? layer.runsAt
                self = .residualConvolution(layer)
            case .invertedResiduals(var stage):
                stage.width = newValue.width ?? stage.width
                stage.kernelSizes = lists?.kernelSizes ?? stage.kernelSizes
                stage.expandRatios = lists?.expandRatios ?? stage.expandRatios
                stage.depths = lists?.depths ?? stage.depths
                stage.places = lists?.places ?? stage.places
                self = .invertedResiduals(stage)
            case .bottlenecks(var stage):
                stage.width = newValue.width ?? stage.width
                stage.expandRatios = lists?.expandRatios ?? stage.expandRatios
                stage.depths = lists?.depths ?? stage.depths
                stage.places = lists?.places ?? stage.places
                self = .bottlenecks(stage)
            case .maxPooling, .meanPooling: break
            case .dense(var layer):
                layer.width = newValue.width?.largest ?? layer.width
                self = .dense(layer)
            }
        }
    }

    /// Returns this definition with its lists changed by `change`; unchanged if the type has no lists.
    func withLists(_ change: (inout Lists) -> Void) -> LayerDefinition {
        var result = self
        guard var lists = outline.lists else { return result }
        change(&lists)
        result.outline.lists = lists
        return result
    }
}

// A search space describes, as data, the family of networks that one supernet contains. The layers of the space list
// the widths, kernels, ratios and depths from which genes choose. The engine, costs, names, predictors and searches use
// this definition, and jobs and artifacts store it. Source of the published families: Cai et al., ICLR 2020, section 4
// and appendix, and the reference code.
import Tensors

/// The family of networks that one supernet contains.
public struct SearchSpace: Hashable, Sendable {
    /// Coupled genes: the kernel size of every stage is fixed, and the stage's expand ratio follows
    /// from its depth.
    ///
    /// Source: Sahni et al., "CompOFA", ICLR 2021: deeper stages have larger expand ratios.
    public struct Coupling: Codable, Hashable, Sendable {
        /// The kernel size of every stage.
        public var kernelSizes: [Int]
        /// The expand ratio for each depth of a stage, in the order of the depths.
        public var expandRatios: [Double]
        /// The name of a larger space that contains the networks of this space, and whose predictors and measurements
        /// apply to these networks; empty if there is no such space.
        public var parent: String

        /// Takes one kernel size per stage and one ratio per depth.
        public init(kernelSizes: [Int], expandRatios: [Double], parent: String) {
            self.kernelSizes = kernelSizes
            self.expandRatios = expandRatios
            self.parent = parent
        }
    }

    /// The name, such as `ofa-mbv3-w1.0`.
    public var name: String
    /// Channels of an image: 3 for colour, 1 for grey.
    public var inputChannels: Int
    /// Outputs of the classifier.
    public var classes: Int
    /// Image sizes of training, in pixels, ascending.
    public var resolutions: [Int]
    /// The layers from the image to the logits; the last is a dense layer of one output per class.
    public var layers: [LayerDefinition] {
        didSet { derive() }
    }
    /// The number that every batch norm adds to the variance.
    public var normEpsilon: Double
    /// Whether learned matrices derive smaller kernels from larger ones (7→5→3); else a smaller kernel is the centre of
    /// a larger one.
    public var kernelTransform: Bool
    /// The coupling of genes; nil if every gene is free.
    public var coupling: Coupling?
    /// The values that width genes may take, ascending; nil allows all values. A value is an index into the gene's
    /// widths. A value above a gene's last index stands for the last index.
    public var openWidths: [Int]? {
        didSet { derive() }
    }

    /// The depth genes in order, each with the range of its layers. Derived from `layers`.
    public private(set) var stages: [GeneStage] = []
    /// For each width gene, the widths that its values 0, 1, … choose. Derived from `layers`.
    public private(set) var widthGenes: [[Int]] = []
    /// For each width gene, the values from which networks are drawn. Derived from `openWidths`.
    public private(set) var openValues: [[Int]] = []

    /// Takes the fields without validation; `check` validates them.
    public init(
        name: String, inputChannels: Int, classes: Int, resolutions: [Int],
        layers: [LayerDefinition], normEpsilon: Double = 1e-5, kernelTransform: Bool = true,
        coupling: Coupling? = nil
    ) {
        self.name = name
        self.inputChannels = inputChannels
        self.classes = classes
        self.resolutions = resolutions
        self.layers = layers
        self.normEpsilon = normEpsilon
        self.kernelTransform = kernelTransform
        self.coupling = coupling
        derive()
    }

    private mutating func derive() {
        var stages: [GeneStage] = []
        var widths: [Int: [Int]] = [:]
        var place = 0
        for layer in layers {
            if case .gene(let gene, let choices) = layer.outline.width { widths[gene] = choices }
            guard let stage = layer.stage(at: place) else { continue }
            stages.append(stage)
            place = stage.places.upperBound
        }
        self.stages = stages
        widthGenes = (0..<(widths.keys.max().map { $0 + 1 } ?? 0)).map { widths[$0] ?? [] }
        openValues = widthGenes.map { Self.open(openWidths, of: $0.count) }
    }

    /// Returns the values below `count` that `widths` allows; all values if `widths` is nil or
    /// empty.
    static func open(_ widths: [Int]?, of count: Int) -> [Int] {
        let open = Set((widths ?? []).map { max(0, min($0, count - 1)) }).sorted()
        return open.isEmpty || count == 0 ? Array(0..<count) : open
    }

    /// Length of the expand gene list.
    public var layerCount: Int { stages.last?.places.upperBound ?? 0 }

    /// Length of the kernel gene list: 0 in families without kernel genes.
    public var kernelGeneCount: Int {
        stages.contains { !$0.kernelSizes.isEmpty } ? layerCount : 0
    }

    /// Returns the index of the stage to which index `layer` of the gene lists belongs; 0 if no stage has this index.
    public func stage(of layer: Int) -> Int {
        stages.firstIndex { $0.places.contains(layer) } ?? 0
    }

    /// Returns whether the layer with index `layer` in the gene lists is active in the network `config`.
    public func isActive(_ layer: Int, in config: SubnetConfig) -> Bool {
        for (number, stage) in stages.enumerated() where stage.places.contains(layer) {
            return layer - stage.places.lowerBound < stage.active(config.depths[number])
        }
        return false
    }

    /// All kernel sizes of all layers, ascending.
    public var kernelSizes: [Int] { Set(stages.flatMap(\.kernelSizes)).sorted() }
    /// All expand ratios of all layers, ascending.
    public var expandRatios: [Double] { Set(stages.flatMap(\.expandRatios)).sorted() }
    /// All values of all depth genes, ascending.
    public var depths: [Int] { Set(stages.flatMap(\.depths)).sorted() }

    /// Returns `value` rounded to a multiple of `divisor` that is at least `divisor` and at least
    /// 90 % of `value`.
    ///
    /// Source: `make_divisible` of the MobileNet family, used by every width of the published spaces.
    public static func makeDivisible(_ value: Double, by divisor: Int = 8) -> Int {
        let rounded = max(divisor, Int(value + Double(divisor) / 2) / divisor * divisor)
        return Double(rounded) < 0.9 * value ? rounded + divisor : rounded
    }

    /// Returns the middle width of a block: `width` times `ratio`, rounded (halves to even), made divisible by 8.
    static func middleWidth(_ width: Int, _ ratio: Double) -> Int {
        makeDivisible((Double(width) * ratio).rounded(.toNearestOrEven))
    }
}

extension SearchSpace: CustomStringConvertible {
    /// The name.
    public var description: String { name }
}

extension SearchSpace: Codable {
    private enum CodingKeys: String, CodingKey {
        case name, inputChannels, classes, resolutions, layers, normEpsilon, kernelTransform,
            coupling, openWidths
    }

    /// Reads a stored definition. Errors: `malformed` or `unknownLayer` for a layer without a known type,
    /// `invalidSpace` for numbers out of bounds (`checkBounds`).
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        let layers = try values.decode([LayerDefinition].self, forKey: .layers)
        for (index, layer) in layers.enumerated() {
            try Self.checkBounds(layer, "layers[\(index)]")
        }
        self.init(
            name: try values.decode(String.self, forKey: .name),
            inputChannels: try values.decode(Int.self, forKey: .inputChannels),
            classes: try values.decode(Int.self, forKey: .classes),
            resolutions: try values.decode([Int].self, forKey: .resolutions),
            layers: layers,
            normEpsilon: try values.decode(Double.self, forKey: .normEpsilon),
            kernelTransform: try values.decode(Bool.self, forKey: .kernelTransform),
            coupling: try values.decodeIfPresent(Coupling.self, forKey: .coupling))
        openWidths = try values.decodeIfPresent([Int].self, forKey: .openWidths)
        derive()
    }
}

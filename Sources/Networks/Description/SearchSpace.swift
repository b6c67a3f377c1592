// A search space: the family of networks that one supernet holds, as data. Its layers define which
// widths, kernels, ratios and depths the genes choose; engine, costs, names, predictors and
// searches use the same definition, and jobs and artifacts carry it. Source of the published
// families: Cai et al., ICLR 2020, section 4 and appendix, and its reference code.
import Tensors

/// The family of networks that one supernet contains.
public struct SearchSpace: Hashable, Sendable {
    /// Coupled genes: every stage's kernel size is fixed, and its expand ratio follows from its
    /// depth.
    ///
    /// Source: Sahni et al., "CompOFA", ICLR 2021: deeper stages are wider ones.
    public struct Coupling: Codable, Hashable, Sendable {
        /// The kernel size of every stage.
        public var kernelSizes: [Int]
        /// The expand ratio for each of a stage's depths, in their order.
        public var expandRatios: [Double]
        /// The name of the larger space that contains these networks: its predictors and
        /// measurements apply here.
        public var parent: String

        /// One kernel size per stage, one ratio per depth.
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
    /// From the image to the logits; the last one is a dense layer of one output for each class.
    public var layers: [LayerDefinition] {
        didSet { derive() }
    }
    /// Added to the variance by every batch norm.
    public var normEpsilon: Double
    /// Whether learned matrices derive smaller kernels from larger ones (7→5→3); else they are only
    /// cropped.
    public var kernelTransform: Bool
    /// The coupling of genes; nil if every gene is free.
    public var coupling: Coupling?
    /// The values of width genes in use, ascending; nil means all. A gene with fewer values uses
    /// those it has.
    public var openWidths: [Int]?

    /// The depth genes in order, each with the range of its layers. Derived from `layers`.
    public private(set) var stages: [GeneStage] = []
    /// For each width gene its widths by value. Derived from `layers`.
    public private(set) var widthGenes: [[Int]] = []

    /// Nothing is validated here: call `check`.
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
            if case .gene(let gene, let choices) = layer.width { widths[gene] = choices }
            guard let stage = layer.stage(at: place) else { continue }
            stages.append(stage)
            place = stage.places.upperBound
        }
        self.stages = stages
        widthGenes = (0..<(widths.keys.max().map { $0 + 1 } ?? 0)).map { widths[$0] ?? [] }
    }

    /// Length of the expand gene list.
    public var layerCount: Int { stages.last?.places.upperBound ?? 0 }

    /// Length of the kernel gene list: 0 in families without kernel genes.
    public var kernelGeneCount: Int {
        stages.contains { !$0.kernelSizes.isEmpty } ? layerCount : 0
    }

    /// The values of the width gene at `place` that networks are drawn from.
    public func openValues(width place: Int) -> [Int] {
        let all = Array(widthGenes[place].indices)
        guard let openWidths else { return all }
        let open = all.filter(openWidths.contains)
        return open.isEmpty ? all : open
    }

    /// The stage whose layers include the place `layer` of the gene lists.
    public func stage(of layer: Int) -> Int {
        stages.firstIndex { $0.places.contains(layer) } ?? 0
    }

    /// Whether the layer at this index of the gene lists is active in a network.
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

    /// Rounds `value` to a multiple of `divisor`, at least one of it, never below 90 % of `value`.
    ///
    /// Source: `make_divisible` of the MobileNet family, used by every width of the published spaces.
    public static func makeDivisible(_ value: Double, by divisor: Int = 8) -> Int {
        let rounded = max(divisor, Int(value + Double(divisor) / 2) / divisor * divisor)
        return Double(rounded) < 0.9 * value ? rounded + divisor : rounded
    }

    /// The middle width of a block: `width` times its ratio, rounded (halves to even), made divisible.
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

    /// Reads a stored definition. Errors: `unknownLayer` naming an unknown layer type.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            name: try values.decode(String.self, forKey: .name),
            inputChannels: try values.decode(Int.self, forKey: .inputChannels),
            classes: try values.decode(Int.self, forKey: .classes),
            resolutions: try values.decode([Int].self, forKey: .resolutions),
            layers: try values.decode([LayerDefinition].self, forKey: .layers),
            normEpsilon: try values.decode(Double.self, forKey: .normEpsilon),
            kernelTransform: try values.decode(Bool.self, forKey: .kernelTransform),
            coupling: try values.decodeIfPresent(Coupling.self, forKey: .coupling))
        openWidths = try values.decodeIfPresent([Int].self, forKey: .openWidths)
    }
}

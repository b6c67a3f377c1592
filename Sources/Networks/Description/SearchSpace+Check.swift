// Validation of definitions: a space from a file, a job or an artifact is checked before anything
// is resolved, so that the engine never gets an unsupported shape.
import Intake
import Tensors

extension SearchSpace {
    /// The bounds of a definition.
    public enum Bounds {
        /// Channels of an image.
        public static let channels = 1...1024
        /// Number of classes.
        public static let classes = 2...1_000_000
        /// Channels of a layer.
        public static let width = 1...65_536
        /// Image sizes.
        public static let resolution = 1...4096
        /// Blocks of a stage.
        public static let depth = 1...64
        /// Number of layers and stages in the definition of a family.
        public static let layers = 3...256
        /// Middle channels of a block divided by its input or output channels.
        public static let ratio = 0.05...16.0
        /// The epsilon of batch norms.
        public static let epsilon = 1e-9...0.1
        /// Length of a list.
        public static let values = 1...64
        /// Index of a width gene.
        public static let gene = 0...255
        /// Parameters of the largest network: 2^30, 4 GiB of weights.
        public static let parameters = 1...1 << 30
        /// Elements of the largest working set of an operator for one image: 2^31, 8 GiB.
        public static let elements = 1...1 << 31
        /// Multiply-accumulates of the largest network for one image.
        public static let macs = 1...1 << 44
    }

    /// Checks every field. Errors: `invalidSpace`, naming the first invalid field.
    public func check() throws {
        try Self.check("name", (1...200).contains(name.utf8.count), "is empty or too long")
        try Self.check("channels", Bounds.channels.contains(inputChannels), "is \(inputChannels)")
        try Self.check("classes", Bounds.classes.contains(classes), "is \(classes)")
        try Self.check(
            "norm_epsilon", Bounds.epsilon.contains(normEpsilon), "is \(normEpsilon)")
        try Self.check(
            "resolutions",
            Self.isList(resolutions, in: Bounds.resolution) && resolutions.count <= 4096,
            "is \(resolutions)")
        try Self.check("layers", Bounds.layers.contains(layers.count), "has \(layers.count)")
        var before: LayerDefinition?, width = inputChannels
        for (index, layer) in layers.enumerated() {
            try Self.checkBounds(layer, "layers[\(index)]")
            try check(layer, after: before, width: width, "layers[\(index)]")
            width = layer.outline.width?.largest ?? width
            before = layer
        }
        guard case .dense(let last) = before, last.width == nil else {
            throw Self.fault(
                "layers", "end without a dense layer of one output for each class")
        }
        try checkGenes()
        try checkKeys()
        try checkSize()
    }

    /// Checks the numbers from which `stages` and `widthGenes` are derived. Decoding a definition derives both before
    /// `check` can run. Errors: `invalidSpace`.
    static func checkBounds(_ layer: LayerDefinition, _ field: String) throws {
        let outline = layer.outline
        if case .gene(let gene, let choices) = outline.width {
            try check("\(field).width", Bounds.gene.contains(gene), "is gene \(gene)")
            try check(
                "\(field).width", Bounds.values.contains(choices.count),
                "has \(choices.count) choices")
        }
        guard let lists = outline.lists else { return }
        let (depths, places, most) = (lists.depths, lists.places, Bounds.depth.upperBound)
        try check(
            "\(field).depths",
            depths.count <= Bounds.values.upperBound
                && depths.allSatisfy { (0...most).contains($0) }
                && (0...most).contains(lists.runsAt ?? lists.baseDepth)
                && Bounds.depth.contains(places),
            "is \(depths.prefix(8)) of \(places) blocks; a stage has \(Bounds.depth.words)")
    }

    /// Checks that the middle channels of a block (`base` times the largest ratio) lie within
    /// `Bounds.width`.
    private static func checkMiddle(_ ratios: [Double], of base: Int, _ field: String) throws {
        let middle = middleWidth(base, ratios.last ?? 1)
        try check(
            "\(field).expand_ratios", Bounds.width.contains(middle),
            "make \(middle) channels of \(base); widths are \(Bounds.width.words)")
    }

    /// Checks that layers whose latency keys may have the same text agree in the properties that the text leaves out;
    /// otherwise one entry of a latency table would stand for different layers.
    private func checkKeys() throws {
        var kinds: [String: LayerDefinition.Convolution] = [:]
        var named: LayerDefinition.InvertedResiduals?
        for (index, layer) in layers.enumerated() {
            if case .convolution(let conv) = layer {
                let other = kinds.updateValue(conv, forKey: conv.key) ?? conv
                try Self.check(
                    "layers[\(index)].key",
                    (other.kernel, other.stride, other.activation)
                        == (conv.kernel, conv.stride, conv.activation),
                    "is \(conv.key), as that of another kind of convolution: latency tables could not tell them apart"
                )
            }
            if case .invertedResiduals(let stage) = layer, stage.keysNameRatio {
                try Self.check(
                    "layers[\(index)].keys_name_ratio",
                    (named?.activation ?? stage.activation) == stage.activation
                        && (named?.squeezeExcite ?? stage.squeezeExcite) == stage.squeezeExcite,
                    "leaves activation and squeeze-and-excite out of latency keys, and its stages differ in them"
                )
                named = stage
            }
        }
    }

    /// Checks the size of the largest network. Also checks that no two parameters of this network have the same name,
    /// neither in the supernet nor in an extracted network.
    private func checkSize() throws {
        let shape = try NetworkShape(self, largest), cost = NetworkCost(shape)
        for (field, value, range) in [
            ("parameters", cost.parameters, Bounds.parameters),
            ("multiply-accumulates", cost.macs, Bounds.macs),
            ("elements of one operator", cost.peakActivationElements, Bounds.elements),
        ] {
            try Self.check(
                "layers", range.contains(value),
                "have \(value) \(field); at most \(range.upperBound) are allowed")
        }
        for naming in [ParameterLayout.Naming.supernet(transform: true), .extracted] {
            let layout = ParameterLayout(shape, naming: naming)
            var seen: Set<String> = []
            for parameter in layout.parameters + layout.statistics
            where !seen.insert(parameter.name).inserted {
                throw Self.fault(
                    "layers", "have two parameters \(parameter.name): names must differ")
            }
        }
    }

    /// Checks `layer`. `before` is the preceding layer, nil for the first layer; `width` is the largest width of the
    /// input of `layer`.
    private func check(
        _ layer: LayerDefinition, after before: LayerDefinition?, width: Int, _ field: String
    ) throws {
        if before == nil {
            guard case .convolution(let stem) = layer, stem.kernel == 3 else {
                throw Self.fault(field, "is not a 3×3 convolution, which the first layer must be")
            }
        }
        let isPooled = before?.outline.isPooled ?? false
        if case .dense(let dense) = layer {
            try Self.check(field, isPooled, "is a dense layer before the mean pooling")
            if let width = dense.width {
                try Self.check("\(field).width", Bounds.width.contains(width), "is \(width)")
            }
            return try Self.check("\(field).name", !dense.name.isEmpty, "is empty")
        }
        try Self.check(field, !isPooled, "follows the mean pooling but is not a dense layer")
        if let width = layer.outline.width {
            try Self.check(
                "\(field).width",
                Self.isWidths(width), "is \(width.choices); widths are \(Bounds.width.words)")
        }
        switch layer {
        case .convolution(let conv): try check(conv, field)
        case .residualConvolution(let conv): try check(conv, field)
        case .invertedResiduals(let stage):
            try check(stage, after: before, field)
            try Self.checkMiddle(
                stage.expandRatios, of: max(width, stage.width.largest), field)
        case .bottlenecks(let stage):
            try check(stage, field)
            try Self.checkMiddle(stage.expandRatios, of: stage.width.largest, field)
        case .maxPooling, .meanPooling, .dense: break
        }
    }

    private func check(_ conv: LayerDefinition.Convolution, _ field: String) throws {
        try Self.check("\(field).name", !conv.name.isEmpty, "is empty")
        try Self.check("\(field).kernel", [1, 3].contains(conv.kernel), "is \(conv.kernel)")
        try Self.check("\(field).stride", [1, 2].contains(conv.stride), "is \(conv.stride)")
        try Self.check(
            "\(field).stride", conv.kernel > 1 || conv.stride == 1,
            "is 2 of a 1×1 convolution, which would skip positions")
    }

    private func check(_ conv: LayerDefinition.ResidualConvolution, _ field: String) throws {
        try Self.check("\(field).name", !conv.name.isEmpty, "is empty")
        try Self.check("\(field).kernel", conv.kernel == 3, "is \(conv.kernel)")
        try Self.check(
            "\(field).depths",
            (1...2).contains(conv.depths.count) && Self.isAscending(conv.depths)
                && conv.depths.allSatisfy { (0...64).contains($0) },
            "is \(conv.depths); one or two values of 0 to 64 ascend")
    }

    private func check(
        _ stage: LayerDefinition.InvertedResiduals, after before: LayerDefinition?,
        _ field: String
    ) throws {
        try Self.check("\(field).stride", [1, 2].contains(stage.stride), "is \(stage.stride)")
        try Self.check(
            "\(field).kernel_sizes",
            Self.isList(stage.kernelSizes, in: 3...7)
                && stage.kernelSizes.allSatisfy { $0 % 2 == 1 },
            "is \(stage.kernelSizes); kernels are 3, 5 and 7")
        try Self.checkRatios(stage.expandRatios, field)
        try Self.checkDepths(stage.depths, base: 0, places: stage.places, field)
        let lists = [
            stage.kernelSizes.count, stage.expandRatios.count, stage.width.choices.count,
        ]
        try Self.check(
            "\(field).elastic",
            stage.isElastic || stage.depths == [1] && lists.allSatisfy { $0 == 1 },
            "is false of a stage with choices; only one block without choices is not elastic")
        guard stage.expandRatios.contains(1) else { return }
        // A block of ratio 1 has no expansion and can read only one feature map. So it must not follow a block with a
        // skip, whose output is a sum of two maps that the next layer has to add. Ratio 1 must be the only ratio,
        // because the supernet's block has an expansion for all ratios or for none.
        var isOneMap = stage.depths == [1] && stage.expandRatios == [1]
        if case .convolution = before {} else { isOneMap = false }
        try Self.check(
            "\(field).expand_ratios", isOneMap,
            "holds 1, which only a single block right after a convolution may have, as its one ratio"
        )
    }

    private func check(_ stage: LayerDefinition.Bottlenecks, _ field: String) throws {
        try Self.check("\(field).stride", [1, 2].contains(stage.stride), "is \(stage.stride)")
        try Self.check(
            "\(field).activation", stage.activation == .relu, "is \(stage.activation.rawValue)")
        try Self.checkRatios(stage.expandRatios, field)
        try Self.check(
            "\(field).base_depth", (0...64).contains(stage.baseDepth), "is \(stage.baseDepth)")
        try Self.checkDepths(stage.depths, base: stage.baseDepth, places: stage.places, field)
    }

    /// Checks genes across layers: layers with the same width gene have the same list of widths, width genes are
    /// numbered without gaps, either all stages or none have kernel genes, and the coupling matches the stages.
    private func checkGenes() throws {
        var widths: [Int: [Int]] = [:]
        for (index, layer) in layers.enumerated() {
            guard case .gene(let place, let choices) = layer.outline.width else { continue }
            try Self.check(
                "layers[\(index)].width", (0..<256).contains(place), "is gene \(place)")
            let other = widths.updateValue(choices, forKey: place)
            try Self.check(
                "layers[\(index)].width", other == nil || other == choices,
                "shares gene \(place) with other widths")
        }
        for place in 0..<(widths.keys.max() ?? 0) where widths[place] == nil {
            throw Self.fault("layers", "use no width gene \(place), but one above it")
        }
        let kernels = stages.filter { !$0.places.isEmpty }.map { $0.kernelSizes.isEmpty }
        try Self.check(
            "layers", Set(kernels).count <= 1,
            "mix stages with kernel genes and stages without")
        guard let coupling else { return }
        try Self.check(
            "coupling",
            coupling.kernelSizes.count == stages.count
                && zip(stages, coupling.kernelSizes).allSatisfy { $0.kernelSizes.contains($1) }
                && stages.allSatisfy { stage in
                    stage.depths.count == coupling.expandRatios.count
                        && coupling.expandRatios.allSatisfy(stage.expandRatios.contains)
                }, "names genes that the stages lack")
    }

    private static func checkDepths(_ depths: [Int], base: Int, places: Int, _ field: String) throws
    {
        try check(
            "\(field).depths",
            Bounds.values.contains(depths.count) && isAscending(depths)
                && base + (depths.first ?? 0) >= 1 && (depths.first ?? 0) >= 0
                && base + (depths.last ?? 0) <= places && Bounds.depth.contains(places),
            "is \(depths); a stage has \(Bounds.depth.words) blocks, and its depths ascend")
    }

    private static func checkRatios(_ ratios: [Double], _ field: String) throws {
        try check(
            "\(field).expand_ratios",
            Bounds.values.contains(ratios.count) && ratios.allSatisfy(Bounds.ratio.contains)
                && zip(ratios, ratios.dropFirst()).allSatisfy { $0 < $1 },
            "is \(ratios); ratios ascend in \(Bounds.ratio.lowerBound)…\(Bounds.ratio.upperBound)")
    }

    private static func isWidths(_ width: Width) -> Bool {
        let choices = width.choices
        return Bounds.values.contains(choices.count)
            && choices.allSatisfy(Bounds.width.contains)
            && zip(choices, choices.dropFirst()).allSatisfy { $0 <= $1 }
    }

    private static func isList(_ values: [Int], in range: ClosedRange<Int>) -> Bool {
        !values.isEmpty && isAscending(values) && values.allSatisfy(range.contains)
    }

    private static func isAscending(_ values: [Int]) -> Bool {
        zip(values, values.dropFirst()).allSatisfy { $0 < $1 }
    }

    private static func check(_ field: String, _ holds: Bool, _ why: @autoclosure () -> String)
        throws
    {
        guard holds else { throw fault(field, why()) }
    }

    private static func fault(_ field: String, _ why: String) -> NetworkError {
        NetworkError(.invalidSpace, "\(field) \(why)", field: field)
    }
}

extension ClosedRange<Int> {
    fileprivate var words: String { "\(lowerBound)…\(upperBound)" }
}
